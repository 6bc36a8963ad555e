"""A small lake of its own, written with delta-rs, and the verbs of run.sh against it."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, write_deltalake

from conf.settings import REPO, child_environment
from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.paths import table_path
from tests.integration.stack import free_ports

NOON = datetime(2026, 3, 1, 5, tzinfo=UTC)
SAMPLES = {"string": "x", "double": 1.0, "int": 0, "bigint": 0, "timestamp": NOON, "date": date(2026, 3, 1), "binary": b"{}"}


class Lake:
    """Tables below `home`/lake; columns not given take a value of their type."""

    def __init__(self, home: Path) -> None:
        self.home = home
        kafka, controller, api, mqtt = free_ports(4)
        self.env = child_environment(
            LUMBUNG_HOME=str(home),
            LUMBUNG_KAFKA__BOOTSTRAP=f"127.0.0.1:{kafka}",
            LUMBUNG_KAFKA__CONTROLLER_PORT=str(controller),
            LUMBUNG_API__PORT=str(api),
            LUMBUNG_MQTT__PORT=str(mqtt),
        )

    def write(self, table: str, rows: list[dict[str, Any]]) -> None:
        contract = contracts()[table]
        whole = [{c.name: row.get(c.name, SAMPLES.get(c.type)) for c in contract.columns} for row in rows]
        write_deltalake(
            table_path(str(self.home / "lake"), table),
            pa.Table.from_pylist(whole, schema=arrow_schema(contract)),
            mode="append",
            partition_by=list(contract.partition_by) or None,
            commit_properties=CommitProperties(custom_metadata={"lumbung": json.dumps({"versions": {}})}),
        )

    def run(self, *verb: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "scripts.cli", *verb]
        return subprocess.run(command, cwd=REPO, env=self.env, capture_output=True, text=True, timeout=60)
