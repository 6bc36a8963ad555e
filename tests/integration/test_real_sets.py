"""Every published data set through the real stack: each event is once in silver or in quarantine.

By default the first rows of every file, of one of thirteen price matrices and one of three minute series;
with `--slow` these files whole, but for the first rows of long ones; LUMBUNG_WHOLE_SETS=1 uses all.
"""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from lakehouse.contracts.contract import contracts, kinds
from lakehouse.io.query import lake_database
from scripts.stack.throwaway import Stack
from tests.support.real_sets import ABSENT, DATA, SETS

WHOLE = bool(os.environ.get("LUMBUNG_WHOLE_SETS"))
FEWER = {
    "panelharga_wide": ("Minyak_Goreng_Curah",),
    "crypto_minutes": ("BTCUSDT_1min_sample",),
}
LONG_FILES = {"crypto_minutes", "kalimati", "room_sensor"}
FIRST_LINES = {"default": 201, "slow": 5_001}  # by suite; no file has a line break within a field
UNKNOWN_FILES = ("cnbci_headlines/80-20/train_data.csv", "kalimati_daily/SOURCE.txt")  # fit no format
pytestmark = [
    pytest.mark.skipif(not DATA.exists(), reason=ABSENT),
    pytest.mark.timeout(3600 if WHOLE else 900),
]
Place = tuple[str, str]  # format, kind
# format and kind -> rules that every row violates; in other sets only validators quarantine rows
ALWAYS = {
    ("kalimati", "price"): {"currency_idr", "region_known"},
}
# The job that closes days may release a price meanwhile: then it is in silver, and its row here stays.
STILL_REFUSED = (
    "generation = 0 and (kind, event_id) not in "
    "(select (kind, event_id) from gold.reviews where outcome = 'silver')"
)
MAX_QUARANTINED_SHARE = 0.01  # of the prices of a set, by validators


@dataclass
class Landed:
    """Events in the tables, counted per format and kind."""

    bronze: Counter[Place]
    distinct: Counter[Place]  # events of bronze by identity
    silver: Counter[Place]
    quarantine: Counter[Place]
    rules: dict[Place, Counter[str]]
    duplicates: dict[str, int]  # silver table -> rows beyond one per key


@dataclass(frozen=True)
class Sets:
    """Copies of the files in folders as they were published."""

    folder: Path
    formats: dict[str, str]  # file name -> format
    expected: Counter[Place]  # number of events by a plain count of the copies


def copied_sets(folder: Path, suite: str) -> Sets:
    formats = {}
    counted: Counter[Place] = Counter()
    for name in UNKNOWN_FILES:
        copy_lines(DATA / name, folder / name)
    for real in SETS:
        paths = [path for path in real.paths() if WHOLE or path.stem in FEWER.get(real.format, (path.stem,))]
        for path in paths:
            copy = folder / path.relative_to(DATA)
            copy_lines(path, copy, lines_of(real.format, suite))
            formats[path.name] = real.format
            for kind, (events, _) in real.count_file(copy).items():
                counted[real.format, kind] += events
    return Sets(folder, formats, counted)


def lines_of(name: str, suite: str) -> int | None:
    """How many lines of a file of this format are copied; None: all."""
    if WHOLE or (suite == "slow" and name not in LONG_FILES):
        return None
    return FIRST_LINES[suite]


def copy_lines(source: Path, copy: Path, lines: int | None = None) -> None:
    """Copy a file, or its first lines."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as original, copy.open("wb") as out:
        out.writelines(islice(original, lines))


def landed(stack: Stack, formats: dict[str, str]) -> Landed:
    """Counts from the tables, by the file that each row names as its source."""
    silver = {kind: contract.table for kind, contract in kinds().items()}
    connection = lake_database(
        ["bronze.events", "silver.quarantine", "gold.reviews", *silver.values()], root=stack.lake_root
    )
    connection.execute(f"create table refused as from silver.quarantine where {STILL_REFUSED}")
    duplicates = {
        t: f"select count(*) - count(distinct ({','.join(contracts()[t].key)})) from {t}"
        for t in silver.values()
    }

    def counts(what: str, table: str, kind: str) -> Counter[Place]:
        events: Counter[Place] = Counter()
        # Decisions of the stack itself have another source.
        file = "regexp_extract(source, '^file:(.*)#[^#]*$', 1)"
        sql = f"select {file}, {kind}, {what} from {table} where source like 'file:%' group by all"
        for name, of_kind, count in connection.execute(sql).fetchall():
            if name in formats:  # the stack is shared: other files are of other tests
                events[formats[name], of_kind] += count
        return events

    rules: dict[Place, Counter[str]] = {}
    violations = "(select source, kind, unnest(reasons) as violation from refused)"
    reasons = (
        f"select source, kind, violation.rule, count(*) from {violations} "
        "where violation.severity = 'error' group by all"
    )
    for source, kind, rule, count in connection.execute(reasons).fetchall():
        name = source.removeprefix("file:").rpartition("#")[0]
        if name in formats:
            rules.setdefault((formats[name], kind), Counter())[rule] += count
    return Landed(
        bronze=counts("count(*)", "bronze.events", "kind"),
        distinct=counts("count(distinct event_id)", "bronze.events", "kind"),
        silver=sum(
            (counts("count(distinct event_id)", table, f"'{kind}'") for kind, table in silver.items()),
            Counter(),
        ),
        quarantine=counts("count(*)", "refused", "kind"),
        rules=rules,
        duplicates={table: connection.execute(sql).fetchall()[0][0] for table, sql in duplicates.items()},
    )


@dataclass
class Replayed:
    """The stack after one replay and after the same replay again."""

    stack: Stack
    summary: dict[str, int]
    messages: str
    once: Landed
    twice: Landed
    expected: Counter[Place]
    reports: list[dict[str, Any]]  # of `reconcile` after each


@pytest.fixture(scope="module")
def replayed(stack: Stack, pytestconfig: pytest.Config) -> Iterator[Replayed]:
    with tempfile.TemporaryDirectory(prefix="lumbung-sets-") as place:
        suite = "slow" if pytestconfig.option.slow else "default"
        sets = copied_sets(Path(place) / "data", suite)
        seen = []
        reports = []
        for again in ([], ["--restart"]):
            done = stack.run("replay", str(sets.folder), "--json", *again, timeout=900)
            assert done.returncode == 0, done.stderr
            stack.wait_drained(900)
            seen.append(landed(stack, sets.formats))
            reports.append(json.loads(stack.run("reconcile", "--json").stdout))
        yield Replayed(
            stack,
            json.loads(done.stdout),
            done.stderr,
            seen[0],
            seen[1],
            sets.expected,
            reports,
        )


def test_replay_sends_as_many_events_as_a_plain_count_finds(replayed: Replayed):
    assert replayed.once.bronze == replayed.once.distinct == replayed.expected
    assert replayed.summary["events"] == replayed.expected.total() and replayed.summary["dead_letters"] == 0


def test_file_of_an_unknown_format_is_named_and_skipped(replayed: Replayed):
    for name in UNKNOWN_FILES:
        assert f"skipped {name}" in replayed.messages


def test_every_event_is_in_silver_or_in_quarantine(replayed: Replayed):
    assert replayed.once.silver + replayed.once.quarantine == replayed.expected
    assert [report for report in replayed.reports if not report["balanced"]] == []


def test_second_replay_adds_only_duplicates(replayed: Replayed):
    assert replayed.twice.bronze == Counter({place: 2 * count for place, count in replayed.expected.items()})
    assert replayed.twice.silver + replayed.twice.quarantine == replayed.expected
    assert all(replayed.twice.silver[place] >= count for place, count in replayed.once.silver.items())
    assert set(replayed.once.duplicates.values()) == set(replayed.twice.duplicates.values()) == {0}


def test_prices_in_another_currency_reach_no_table_in_rupiah(replayed: Replayed):
    assert replayed.once.silver["kalimati", "price"] == 0
    sql = (
        "select count(*) as n from silver.prices where market_id = 'KALIMATI' or source like 'file:kalimati%'"
    )
    assert json.loads(replayed.stack.run("query", sql, "--format", "json").stdout)[0]["n"] == 0


PLACES = sorted((real.format, kind) for real in SETS for kind in real.summary)


@pytest.mark.parametrize("place", PLACES, ids="-".join)
def test_rows_are_quarantined_only_by_expected_rules(replayed: Replayed, place: Place):
    refused = replayed.once.quarantine[place]
    rules = replayed.once.rules.get(place, Counter())
    events = replayed.expected[place]
    assert events
    if place in ALWAYS:
        assert refused == events
        assert {rule for rule, count in rules.items() if count == events} >= ALWAYS[place]
        return
    by_validators = {
        rule.name for rule in kinds()[place[1]].rules if rule.reads == "stream" and rule.releasable
    }
    assert set(rules) <= by_validators
    assert refused <= MAX_QUARANTINED_SHARE * events
