"""A small lake, written with delta-rs, and the verbs of run.sh on it."""

import io
import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from deltalake import CommitProperties, write_deltalake

from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.paths import table_path
from scripts.cli import app, run_command
from scripts.stack.throwaway import Stack
from tests.support.written_lake import complete


class Lake:
    """Tables below `home`/lake; columns that are not given get a value of their type."""

    def __init__(self, home: Path) -> None:
        self._stack = Stack(home)  # never started: nothing answers on its ports
        self.home = home
        self.env = self._stack.env

    def write(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Append rows to a table."""
        contract = contracts()[table]
        write_deltalake(
            table_path(str(self.home / "lake"), table),
            complete(contract, rows),
            mode="append",
            partition_by=list(contract.partition_by) or None,
            commit_properties=CommitProperties(custom_metadata={"lumbung": json.dumps({"versions": {}})}),
        )

    def run(self, *verb: str) -> subprocess.CompletedProcess[str]:
        """Run one verb of run.sh in this process."""
        return run_verb(self.env, *verb)

    def start(self, *verb: str) -> subprocess.CompletedProcess[str]:
        """Run one verb of run.sh as the process that a user starts: 2 s of CPU for its imports alone."""
        return self._stack.run(*verb, timeout=60)


def run_verb(env: Mapping[str, str], *verb: str) -> subprocess.CompletedProcess[str]:
    """Run one verb of run.sh in this process, with the settings of `env` and nothing on stdin."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, Path(os.devnull).open() as nothing:
        for name, value in env.items():
            if name.isupper():
                patch.setenv(name, value)
        patch.setattr("sys.stdin", nothing)
        settings.cache_clear()
        try:
            with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
                run_command(app, list(verb), "./run.sh")
        finally:
            patch.undo()
            settings.cache_clear()
    return subprocess.CompletedProcess(verb, ended.value.code or 0, out.getvalue(), err.getvalue())
