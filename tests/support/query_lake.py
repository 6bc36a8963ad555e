"""A small lake, written with delta-rs, and the verbs of run.sh on it."""

import json
import subprocess
from pathlib import Path
from typing import Any

from deltalake import CommitProperties, write_deltalake

from lakehouse.contracts.contract import contracts
from lakehouse.paths import table_path
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
        """Run one verb of run.sh."""
        return self._stack.run(*verb, timeout=60)
