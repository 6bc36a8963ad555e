"""Every published set through the real stack: what its files tell is in silver or in quarantine, for a reason, and never twice.

By default two of the thirteen price matrices and one of the three minute series; LUMBUNG_WHOLE_SETS=1 takes all of them.
"""

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakehouse.contract import contracts, kinds
from scripts.tables import database
from tests.integration.stack import Stack
from tests.producers.real_sets import ABSENT, DATA, SETS

WHOLE = bool(os.environ.get("LUMBUNG_WHOLE_SETS"))
FEWER = {
    "panelharga_wide": ("Beras_Premium", "Minyak_Goreng_Curah"),
    "crypto_minutes": ("BTCUSDT_1min_sample",),
}
STRANGERS = ("cnbci_headlines/80-20/train_data.csv", "kalimati_daily/SOURCE.txt")  # what no format knows
pytestmark = [pytest.mark.skipif(not DATA.exists(), reason=ABSENT), pytest.mark.timeout(3600 if WHOLE else 900)]
Place = tuple[str, str]  # format, kind
# format and kind -> rules that every row of it violates; whatever else is refused is refused by a validator, or not at all
ALWAYS = {
    ("kalimati", "price"): {"currency_idr", "region_known"},
    ("jabar_daily", "macro"): {"released_at_required"},
}
# The job that looks at closed days may release a price meanwhile: it then stands in silver, and its old row stays.
STILL_REFUSED = "generation = 0 and (kind, event_id) not in (select (kind, event_id) from gold.reviews where outcome = 'silver')"
DOUBTED_AT_MOST = 0.01  # of the prices of a set: what a validator may call doubtful


@dataclass
class Landed:
    """What stands in the tables, counted per format and kind."""

    bronze: Counter[Place]
    distinct: Counter[Place]  # events of bronze by identity
    silver: Counter[Place]
    quarantine: Counter[Place]
    rules: dict[Place, Counter[str]]
    doubles: dict[str, int]  # silver table -> rows beyond one a key


def chosen(folder: Path) -> dict[str, str]:
    """Copies of the files, in folders as they were published; file name -> format."""
    files = [(real.format, path) for real in SETS for path in real.paths()]
    if not WHOLE:
        files = [(name, path) for name, path in files if path.stem in FEWER.get(name, (path.stem,))]
    for path in [path for _, path in files] + [DATA / name for name in STRANGERS]:
        copy = folder / path.relative_to(DATA)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return {path.name: name for name, path in files}


def expected() -> Counter[Place]:
    """Events that a plain count of the files finds."""
    found: Counter[Place] = Counter()
    for real in SETS:
        for path in real.paths():
            if WHOLE or path.stem in FEWER.get(real.format, (path.stem,)):
                for kind, (events, _) in real.counted(path).items():
                    found[real.format, kind] += events
    return found


def landed(stack: Stack, formats: dict[str, str]) -> Landed:
    """Counts straight from the tables, by the file that each row names as its source."""
    silver = {kind: contract.table for kind, contract in kinds().items()}
    connection = database(["bronze.events", "silver.quarantine", "gold.reviews", *silver.values()], root=stack.lake_root)
    connection.execute(f"create table refused as from silver.quarantine where {STILL_REFUSED}")
    doubles = {t: f"select count(*) - count(distinct ({','.join(contracts()[t].key)})) from {t}" for t in silver.values()}

    def counts(what: str, table: str, kind: str) -> Counter[Place]:
        found: Counter[Place] = Counter()
        file = "regexp_extract(source, '^file:(.*)#[^#]*$', 1)"  # what the stack itself decides has another source
        asked = f"select {file}, {kind}, {what} from {table} where source like 'file:%' group by all"
        for name, of_kind, count in connection.execute(asked).fetchall():
            found[formats[name], of_kind] += count
        return found

    rules: dict[Place, Counter[str]] = {}
    whys = "(select source, kind, unnest(reasons) as why from refused)"
    reasons = f"select source, kind, why.rule, count(*) from {whys} where why.severity = 'error' group by all"
    for source, kind, rule, count in connection.execute(reasons).fetchall():
        rules.setdefault((formats[source.removeprefix("file:").rpartition("#")[0]], kind), Counter())[rule] += count
    return Landed(
        bronze=counts("count(*)", "bronze.events", "kind"),
        distinct=counts("count(distinct event_id)", "bronze.events", "kind"),
        silver=sum((counts("count(distinct event_id)", table, f"'{kind}'") for kind, table in silver.items()), Counter()),
        quarantine=counts("count(*)", "refused", "kind"),
        rules=rules,
        doubles={table: connection.execute(sql).fetchall()[0][0] for table, sql in doubles.items()},
    )


@dataclass
class Replayed:
    """The stack after one replay and after the same replay again."""

    stack: Stack
    said: dict[str, int]
    words: str
    once: Landed
    twice: Landed
    balanced: tuple[bool, bool]


@pytest.fixture(scope="module")
def replayed() -> Iterator[Replayed]:
    with tempfile.TemporaryDirectory(prefix="lumbung-sets-") as place, Stack(Path(place) / "home") as stack:
        formats, seen, balanced = chosen(Path(place) / "data"), [], []
        for again in ([], ["--restart"]):
            done = stack.run("replay", str(Path(place) / "data"), "--json", *again, timeout=900)
            assert done.returncode == 0, done.stderr
            stack.wait_drained(900)
            seen.append(landed(stack, formats))
            balanced.append(json.loads(stack.run("reconcile", "--json").stdout)["balanced"])
        yield Replayed(stack, json.loads(done.stdout), done.stderr, seen[0], seen[1], (balanced[0], balanced[1]))


def test_the_files_tell_what_a_plain_count_finds(replayed: Replayed):
    assert replayed.once.bronze == replayed.once.distinct == expected()
    assert replayed.said["events"] == expected().total() and replayed.said["dead_letters"] == 0


def test_a_file_of_no_known_format_is_told_and_left_out(replayed: Replayed):
    for name in STRANGERS:
        assert f"skipped {name}" in replayed.words


def test_every_event_is_in_silver_or_in_quarantine(replayed: Replayed):
    assert replayed.once.silver + replayed.once.quarantine == expected()
    assert replayed.balanced == (True, True)


def test_a_second_replay_adds_nothing_but_duplicates(replayed: Replayed):
    assert replayed.twice.bronze == Counter({place: 2 * count for place, count in expected().items()})
    assert replayed.twice.silver + replayed.twice.quarantine == expected()
    assert all(replayed.twice.silver[place] >= count for place, count in replayed.once.silver.items())
    assert set(replayed.once.doubles.values()) == set(replayed.twice.doubles.values()) == {0}


def test_nothing_in_another_currency_is_in_a_table_of_rupiah(replayed: Replayed):
    assert replayed.once.silver["kalimati", "price"] == 0
    asked = "select count(*) as n from silver.prices where market_id = 'KALIMATI' or source like 'file:kalimati%'"
    assert json.loads(replayed.stack.run("query", asked, "--format", "json").stdout)[0]["n"] == 0


@pytest.mark.parametrize("place", sorted(expected()) if DATA.exists() else [], ids="-".join)
def test_a_set_is_refused_only_for_reasons_that_are_known(replayed: Replayed, place: Place):
    refused, rules, whole = replayed.once.quarantine[place], replayed.once.rules.get(place, Counter()), expected()[place]
    if place in ALWAYS:
        assert refused == whole and {rule for rule, count in rules.items() if count == whole} >= ALWAYS[place]
        return
    by_validators = {rule.name for rule in kinds()[place[1]].rules if rule.reads == "stream" and rule.releasable}
    assert set(rules) <= by_validators
    assert refused <= DOUBTED_AT_MOST * whole
