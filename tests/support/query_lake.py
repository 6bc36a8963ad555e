"""A small lake, written with delta-rs, and the verbs of run.sh on it."""

import json
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, write_deltalake

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.paths import table_path
from scripts.stack.throwaway import Stack

NOON = datetime(2026, 3, 1, 5, tzinfo=UTC)
SAMPLES = {
    "string": "x",
    "double": 1.0,
    "int": 0,
    "bigint": 0,
    "timestamp": NOON,
    "date": date(2026, 3, 1),
    "binary": b"{}",
}


class Lake:
    """Tables below `home`/lake; columns that are not given get a value of their type."""

    def __init__(self, home: Path) -> None:
        self._stack = Stack(home)  # never started: nothing answers on its ports
        self.home = home
        self.env = self._stack.env

    def write(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Append rows to a table."""
        contract = contracts()[table]
        complete = [{c.name: row.get(c.name, SAMPLES.get(c.type)) for c in contract.columns} for row in rows]
        write_deltalake(
            table_path(str(self.home / "lake"), table),
            pa.Table.from_pylist(complete, schema=arrow_schema(contract)),
            mode="append",
            partition_by=list(contract.partition_by) or None,
            commit_properties=CommitProperties(custom_metadata={"lumbung": json.dumps({"versions": {}})}),
        )

    def run(self, *verb: str) -> subprocess.CompletedProcess[str]:
        """Run one verb of run.sh."""
        return self._stack.run(*verb, timeout=60)
