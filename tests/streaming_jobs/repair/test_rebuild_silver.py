"""Silver is judged again by other rules: what differs is exchanged, also while the stream runs."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import dropwhile

import pytest
from pyspark.sql import SparkSession

from conf.settings import child_environment, settings
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import open_table
from lakehouse.times import rfc3339
from streaming_jobs import run as running
from streaming_jobs.embedded import feed
from streaming_jobs.embedded.engine import EmbeddedEngine
from streaming_jobs.repair import rebuild_silver
from streaming_jobs.repair.exchange import ChangedPart, Scope
from streaming_jobs.repair.rebuild_silver import rebuild_silver_now
from streaming_jobs.spark.jobs import judge_again
from streaming_jobs.startup import checks
from tests.streaming_jobs.conftest import EARLIER, Crash, Stream, price, reading
from tests.streaming_jobs.test_batches import MIXED
from tests.streaming_jobs.test_reviews import decide
from tests.support import forked_readers
from tests.support.waiting import eventually

OLD = "LUMBUNG_VALIDATION__MAX_AGE_DAYS"


def judge_by(monkeypatch: pytest.MonkeyPatch, days: int | None) -> None:
    """Prices older than that are refused; None: the default, by which none of these is."""
    if days is None:
        monkeypatch.delenv(OLD)
    else:
        monkeypatch.setenv(OLD, str(days))
    settings.cache_clear()


@pytest.fixture
def judged_by_other_rules(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> Stream:
    """MIXED, of which `d` is refused as too old, and other kinds."""
    judge_by(monkeypatch, 30)
    stream.send(*MIXED)
    stream.send(reading("s1", crowd_count=4), reading("s2", temperature_c=99), kind="sensor")
    stream.run()
    judge_by(monkeypatch, None)
    return stream


def versions() -> dict[str, int]:
    return {table: open_table(table).version() for table in contracts()}


def daily_prices_of_the_day(stream: Stream) -> list[dict[str, object]]:
    return [row for row in stream.rows("gold.daily_prices") if row["market_date"] == EARLIER.date()]


def counts(differences: list[ChangedPart]) -> dict[str, tuple[int, int]]:
    """Table -> rows that come and go."""
    sums: dict[str, tuple[int, int]] = {}
    for other in differences:
        new, gone = sums.get(other.table, (0, 0))
        sums[other.table] = (new + other.new, gone + other.gone)
    return sums


ONE_PRICE_LANDS = {
    "silver.prices": (1, 0),
    "silver.price_verdicts": (1, 0),
    "silver.quarantine": (0, 1),
    "gold.data_quality": (1, 2),
    "gold.balance": (1, 1),
}


def rows_of_versions(table: str) -> list[int]:
    """Rows of each version of a table, from the first one with rows on."""
    newest = open_table(table).version()
    counts = [open_table(table, version).to_pyarrow_table().num_rows for version in range(newest + 1)]
    return list(dropwhile(lambda rows: rows == 0, counts))


def test_dry_run_counts_the_rows_and_changes_nothing(judged_by_other_rules: Stream):
    before = versions()
    rebuilt = rebuild_silver_now(Scope.of(), dry_run=True)
    assert rebuilt.events == 11 and counts(rebuilt.differences) == ONE_PRICE_LANDS
    assert versions() == before and judged_by_other_rules.refusal() == ""


def test_one_kind_is_judged_again_and_no_other_table_is_written(judged_by_other_rules: Stream):
    before = versions()
    rebuilt = rebuild_silver_now(Scope.of("price"), dry_run=False)
    assert rebuilt.events == 9 and counts(rebuilt.differences) == ONE_PRICE_LANDS
    written = {table for table, version in versions().items() if version > before[table]}
    assert not written & {"silver.sensors", "gold.sensors_live", "bronze.events", "gold.bars_live"}
    stream = judged_by_other_rules
    assert stream.silver() == {"a": 1, "b": 1, "d": 1}
    (live,) = stream.rows("gold.live_prices")
    assert (live["event_id"], live["previous_event_id"]) == ("b", "d"), "folded again"
    assert sorted(row["event_id"] for row in stream.rows("gold.price_history")) == ["a", "b", "d"]
    assert {row["kind"]: row["rows_in"] for row in stream.rows("gold.balance")} == {"price": 9, "sensor": 2}
    assert stream.refusal() == ""
    after = versions()
    assert rebuild_silver_now(Scope.of("price"), dry_run=False).differences == []
    assert versions()["silver.prices"] == after["silver.prices"], "nothing differs, so nothing is written"


def test_executors_judge_the_same(judged_by_other_rules: Stream, spark: SparkSession):
    stream = judged_by_other_rules
    (refused,) = [row for row in stream.rows("silver.quarantine") if row["event_id"] == "s2"]
    stream.send(decide(refused, "release"), kind="decision")
    stream.send(price("e", 11900), price("a"))
    stream.run()
    tasks = partial(judge_again, spark)
    rebuilt = rebuild_silver_now(Scope.of(), dry_run=True, tasks=tasks)
    assert rebuilt == rebuild_silver_now(Scope.of(), dry_run=True)
    assert counts(rebuilt.differences)["silver.prices"] == (1, 0)
    rebuild_silver_now(Scope.of("price"), dry_run=False, tasks=tasks)
    assert stream.silver() == {"a": 1, "b": 1, "d": 1, "e": 1}
    assert rebuild_silver_now(Scope.of(), dry_run=True).differences == []


def test_events_before_a_day_keep_their_verdicts_and_are_known(judged_by_other_rules: Stream):
    stream = judged_by_other_rules
    tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    rebuilt = rebuild_silver_now(Scope.of("price", tomorrow), dry_run=False)
    assert (rebuilt.events, rebuilt.differences) == (0, [])
    between = stream.finished().time
    assert between
    stream.send(price("a"), price("b", 12500), price("e", 11900), price("old", event_time=rfc3339(EARLIER)))
    stream.run()
    rebuilt = rebuild_silver_now(Scope.of("price", between + timedelta(milliseconds=1)), dry_run=True)
    assert rebuilt.events == 4
    assert rebuilt.differences == [], "a and b are repetitions of events that were not judged again"


def test_decision_about_an_event_of_another_kind_stays(judged_by_other_rules: Stream):
    stream = judged_by_other_rules
    (refused,) = [row for row in stream.rows("silver.quarantine") if row["event_id"] == "s2"]
    stream.send(decide(refused, "release"), kind="decision")
    stream.run()
    before = stream.rows("gold.reviews")
    assert [(row["event_id"], row["state"]) for row in before] == [("s2", "released")]
    assert counts(rebuild_silver_now(Scope.of("price"), dry_run=False).differences) == ONE_PRICE_LANDS
    assert stream.rows("gold.reviews") == before
    assert rebuild_silver_now(Scope.of(), dry_run=True).differences == []


@pytest.mark.parametrize("point", ["rebuild.before_turn", "rebuild.after_exchange"])
def test_killed_rebuild_runs_again(
    judged_by_other_rules: Stream, monkeypatch: pytest.MonkeyPatch, point: str
):
    stream = judged_by_other_rules

    def failpoint(name: str) -> None:
        if name == point:
            raise Crash(name)

    with monkeypatch.context() as patch:
        patch.setattr(rebuild_silver, "failpoint", failpoint)
        with pytest.raises(Crash):
            rebuild_silver_now(Scope.of("price"), dry_run=False)
    is_incomplete = point == "rebuild.after_exchange"
    assert ("./run.sh rebuild silver" in stream.refusal()) is is_incomplete
    if is_incomplete:
        with pytest.raises(checks.Refused, match="without --kind"):
            rebuild_silver_now(Scope.of("price"), dry_run=False)
    rebuild_silver_now(Scope.of(), dry_run=False)
    assert stream.silver() == {"a": 1, "b": 1, "d": 1} and stream.refusal() == ""


@pytest.mark.timeout(240)
def test_while_the_stream_runs(judged_by_other_rules: Stream, monkeypatch: pytest.MonkeyPatch):
    """The stream waits, reads its memory again, and gold follows."""
    stream = judged_by_other_rules
    monkeypatch.setattr(feed, "start_reader", forked_readers.start_reader)
    sensors = 2
    with checks.lock():
        runs = running.Stream(EmbeddedEngine())
        try:
            stream.send(price("e", 11900))
            eventually(lambda: stream.balance()["rows_in"] == 10 + sensors)
            command = [sys.executable, "-m", "scripts.cli", "rebuild", "silver", "--kind", "price"]
            done = subprocess.run(
                command, env=child_environment(), capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            assert "silver.prices" in done.stdout and "10 events judged again" in done.stdout
            stream.send(price("d", 11800, event_time=rfc3339(EARLIER)), price("f", 11950))
            eventually(lambda: stream.balance()["rows_in"] == 12 + sensors)
            eventually(lambda: daily_prices_of_the_day(stream))
            eventually(lambda: "d" in {row["event_id"] for row in stream.rows("gold.price_history")})
        finally:
            assert runs.close() is None
    assert stream.silver() == {"a": 1, "b": 1, "d": 1, "e": 1, "f": 1}
    (live,) = stream.rows("gold.live_prices")
    assert live["previous_event_id"] == "d"
    for table in ("gold.price_history", "gold.daily_prices", "gold.markets"):
        counts = rows_of_versions(table)
        assert counts and 0 not in counts, f"{table} was empty meanwhile"
    assert rebuild_silver_now(Scope.of(), dry_run=True).differences == []


def test_killed_rebuild_of_nothing_more_is_finished(judged_by_other_rules: Stream):
    """Killed after the last exchange."""
    judged_by_other_rules.run()  # by today's rules
    rebuild_silver_now(Scope.of(), dry_run=False)
    checks.rebuilding_file().write_text("{}")
    with checks.lock():
        rebuilt = rebuild_silver.rebuild_silver(Scope.of(), dry_run=False, stream_runs=True, tasks=None)
    assert rebuilt.differences == [] and judged_by_other_rules.refusal() == ""


def test_while_a_stream_runs_by_other_rules_it_is_refused(
    judged_by_other_rules: Stream, monkeypatch: pytest.MonkeyPatch
):
    with checks.lock():
        judge_by(monkeypatch, 200)
        with pytest.raises(checks.Refused, match="other rules"):
            rebuild_silver_now(Scope.of("price"), dry_run=False)


def test_while_another_repair_runs_it_is_refused(judged_by_other_rules: Stream):
    """Two of them would share a lake, and the lock of the stream is not the stream's meanwhile."""
    with checks.repair_lock(), pytest.raises(checks.Refused, match="another rebuild or compact runs"):
        rebuild_silver_now(Scope.of("price"), dry_run=True)


def test_events_are_judged_until_few_are_left(monkeypatch: pytest.MonkeyPatch):
    class Judged:
        def __init__(self, *counts: int) -> None:
            self._counts = list(counts)

        def judge_new(self, upto: datetime) -> int:
            return self._counts.pop(0)

    monkeypatch.setattr(rebuild_silver.checkpoint, "finished_batch", lambda: None)
    for counts in ((50_000, 3_000, 200), (50_000, 40_000), (10, 0)):
        judged = Judged(*counts)
        assert rebuild_silver.judge_while_it_runs(judged) == sum(counts)
