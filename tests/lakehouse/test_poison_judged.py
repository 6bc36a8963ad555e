"""Every poison case judged by the rules alone, without an intake or a broker."""

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from lakehouse.contracts.contract import Rule, every_kind, kinds
from lakehouse.event import DEAD_LETTER
from lakehouse.io.source_files.file_events import FileEvents
from lakehouse.io.source_files.formats import format_of
from lakehouse.io.source_files.source_format import SourceFormat
from tests.lakehouse.conftest import NOW, bronze, verdict_rows
from tests.support.poison_cases import ROW_HEADER, Case, cases, raw_cases

CASES = cases("judge", NOW)
IN_FILES = [row for row in raw_cases() if "cells" in row]
# A line that is too long for an event becomes a dead letter before it is judged.
PRICE_ROWS = [case for case in cases("csv", NOW) if not case.stream.startswith("dlq:")]


@pytest.fixture(scope="module")
def verdicts() -> dict[str, dict[str, Any]]:
    """Case name -> judged row of its first body."""
    rows_by_name: dict[str, dict[str, Any]] = {}
    for kind in kinds():
        mine = [case for case in CASES if case.kind == kind]
        table = bronze(kind, [{"event_id": case.event_id, "value": case.bodies[0]} for case in mine])
        rows = verdict_rows(kind, table)
        rows_by_name |= {case.name: row for case, row in zip(mine, rows, strict=True)}
    return rows_by_name


def judged_file(kind: str, file: Path) -> list[dict[str, Any]]:
    """Judged rows of the events that are read from a CSV file, in its order."""
    known = format_of(file)
    assert isinstance(known, SourceFormat), known
    file_events = FileEvents(file, known)
    events = [file_events.event(row) for row in file_events.rows()]
    columns = [{"event_id": event.event_id, "value": event.value, "source": event.source} for event in events]
    return verdict_rows(kind, bronze(kind, columns))


@pytest.fixture(scope="module")
def of_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Case name -> judged row of the same event read from a CSV file."""
    rows_by_name: dict[str, dict[str, Any]] = {}
    for kind in sorted({row["kind"] for row in IN_FILES}):
        mine = [row for row in IN_FILES if row["kind"] == kind]
        file = tmp_path_factory.mktemp("csv") / f"{kind}.csv"
        with file.open("w", newline="") as lines:
            written = csv.DictWriter(lines, list(mine[0]["cells"]))
            written.writeheader()
            written.writerows(row["cells"] for row in mine)
        judged = judged_file(kind, file)
        rows_by_name |= {row["name"]: verdict for row, verdict in zip(mine, judged, strict=True)}
    return rows_by_name


@pytest.fixture(scope="module")
def of_price_rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Case name -> judged row of the price that is read from the case's CSV line."""
    file = tmp_path_factory.mktemp("csv") / "prices.csv"
    file.write_bytes(b"\n".join([ROW_HEADER.encode(), *(case.bodies[0] for case in PRICE_ROWS), b""]))
    judged = judged_file("price", file)
    return {case.name: row for case, row in zip(PRICE_ROWS, judged, strict=True)}


@pytest.mark.parametrize("row", IN_FILES, ids=lambda row: row["name"])
def test_event_from_a_file_gets_the_expected_verdict(
    of_files: dict[str, dict[str, Any]], row: dict[str, Any]
):
    reasons, wanted = of_files[row["name"]]["reasons"], row.get("csv", row["stream"])
    if wanted == "silver":
        assert (
            reasons is None and row.get("warn", "event_time_replayed") in of_files[row["name"]]["_warnings"]
        )
    else:
        assert wanted in [reason["rule"] for reason in reasons if reason["severity"] == "error"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_event_gets_the_expected_verdict(verdicts: dict[str, dict[str, Any]], case: Case):
    check(verdicts[case.name], case)


@pytest.mark.parametrize("case", PRICE_ROWS, ids=lambda case: case.name)
def test_price_from_a_csv_line_gets_the_expected_verdict(
    of_price_rows: dict[str, dict[str, Any]], case: Case
):
    check(of_price_rows[case.name], case)


def check(judged: dict[str, Any], case: Case) -> None:
    """Accepted with the warning of the case, or refused by its rule."""
    reasons = judged["reasons"]
    if case.stream == "silver":
        assert reasons is None
        assert case.warn is None or case.warn in judged["_warnings"]
    else:
        assert case.stream in [reason["rule"] for reason in reasons if reason["severity"] == "error"]
        assert all(reason["message"] for reason in reasons)


def test_every_rule_of_every_kind_has_a_case():
    """Common rules need one case, rules of a kind a case of that kind.

    Rules that read earlier events have tests of their own.
    """
    named: dict[str, set[str]] = defaultdict(set)
    for row in raw_cases():
        named[row.get("kind", "price")] |= {
            str(row[word]) for word in ("stream", "warn", "again") if row.get(word)
        }
    anywhere = set().union(*named.values())
    common: set[Rule] = set(every_kind().rules)
    missing = {rule.name for rule in common if rule.name not in anywhere}
    missing |= {
        f"{kind}: {rule.name}"
        for kind, contract in kinds().items()
        for rule in contract.rules  # those of dead letters read headers: tests/cases/silver.dead_letters
        if kind != DEAD_LETTER
        and rule not in common
        and rule.reads != "stream"
        and rule.name not in named[kind]
    }
    assert not missing
    unknown = {
        f"{kind}: {word}"
        for kind, words in named.items()
        for word in words - {rule.name for rule in kinds()[kind].rules} - {"silver", "duplicate"}
    }
    assert not unknown, f"neither a rule nor a verdict: {sorted(unknown)}"
    assert len({row["name"] for row in raw_cases()}) == len(raw_cases()) >= 120
