"""Cases that a reader can check by eye, in `tests/cases/silver.<table>/*.yml`.

Each lists its input events, the rows expected in silver and the events expected in quarantine.
"""

import json
from collections import defaultdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from conf.settings import REPO
from lakehouse.contracts.contract import contracts, kinds
from lakehouse.verdicts.rows import silver_rows
from tests.lakehouse.conftest import bronze, reasons_of, verdicts_of

FOLDER = REPO / "tests" / "cases"
FILES = sorted(FOLDER.glob("silver.*/*.yml"))
RECEIVED = datetime(2026, 3, 11, tzinfo=UTC)  # all of them
TABLES = sorted({file.parent.name for file in FILES})


@cache
def case_of(file: Path) -> dict[str, Any]:
    case: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return case


def name_of(file: Path) -> str:
    return f"{file.parent.name}/{file.stem}"


@pytest.fixture(scope="module")
def outcome() -> dict[Path, tuple[dict[str, list[dict[str, Any]]], dict[str, list[dict[str, Any]]]]]:
    """Case file -> (event id -> its silver rows, event id -> its reasons).

    Each table is judged once for all its files.
    """
    outcomes = {}
    for table in TABLES:
        files = [file for file in FILES if file.parent.name == table]
        kind = str(contracts()[table].kind)
        events = [
            {
                "event_id": row["event_id"],
                "value": json.dumps(row).encode(),
                "partition": nth,
                "received_at": RECEIVED,
                "other_headers": list(row.get("headers", {}).items()),
            }
            for nth, file in enumerate(files)
            for row in case_of(file)["input"]
        ]
        verdicts = verdicts_of(kind, bronze(kind, events))
        given = reasons_of(verdicts)
        accepted = verdicts.table.filter(pa.array([reasons is None for reasons in given]))
        silver = silver_rows(accepted, kind).to_pylist()
        refused = [
            {"partition": row["partition"], "event_id": row["event_id"], "reasons": reasons}
            for row, reasons in zip(
                verdicts.table.select(["partition", "event_id"]).to_pylist(), given, strict=True
            )
            if reasons is not None
        ]
        for nth, file in enumerate(files):
            kept = defaultdict(list)
            for row in (row for row in silver if row["partition"] == nth):
                kept[row["event_id"]].append(row)
            reasons = {row["event_id"]: row["reasons"] for row in refused if row["partition"] == nth}
            outcomes[file] = (dict(kept), reasons)
    return outcomes


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_case_lands_and_is_refused_as_expected(outcome: Any, file: Path):
    """Each expected row has the values of the case; each refused event has exactly the expected errors."""
    case, (kept, refused) = case_of(file), outcome[file]
    assert set(kept) == {row["event_id"] for row in case["expect"]}
    assert set(refused) == {row["event_id"] for row in case["quarantined"]}
    for wanted in case["expect"]:
        seen = [{name: row[name] for name in wanted} for row in kept[wanted["event_id"]]]
        assert wanted in seen
    assert sum(map(len, kept.values())) == len(case["expect"])
    for wanted in case["quarantined"]:
        reasons = refused[wanted["event_id"]]
        assert [reason["rule"] for reason in reasons if reason["severity"] == "error"] == wanted["reasons"]
        assert wanted.get("message", "") in " | ".join(reason["message"] for reason in reasons)


def test_every_silver_table_has_a_case():
    assert {contract.table for contract in kinds().values()} == set(TABLES)
