"""The thread that refreshes the snapshots outlives every error, and the age of what it serves is reported."""

import errno
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from conf.runtime.status_files import write_status
from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import table_uri
from lakehouse.io.process_status import BACKGROUND_GOLD, STREAM, status_file
from lakehouse.io.table_files import UnreadableTable, check_values, reading
from lakehouse.times import utc_text
from lakehouse.validation.prices import isolation_forest
from scripts.bench.api_lake import write
from serving_api.reads.provenance import provenance
from serving_api.reads.snapshots import EVERY_TABLE_SECONDS, Snapshots, empty_snapshot
from serving_api.routes.pipeline import last_looks, table_item
from tests.conftest import Broker
from tests.support.api import Api, new_stack
from tests.support.served_lake import fill, price
from tests.support.waiting import eventually
from tests.support.written_lake import NOON
from tests.support.written_lake import write as write_rows

LIVE = "/api/public/commodity/price/live?commodity=garam"
HISTORY_AS_CSV = "/api/public/commodity/price/history?commodity=garam"


@contextmanager
def no_free_file_descriptor() -> Iterator[None]:
    """What 1,100 half-open connections cause: every `open` fails with EMFILE."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Descriptors 0 to 2 are in use; a higher one that is closed meanwhile must not become free.
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def staged_commit(lake_root: str, copy: Path) -> tuple[Path, Path]:
    """(path of the next commit of the live prices, the file to rename to it): a price of a second market."""
    table = Path(lake_root) / "gold" / "live_prices"
    shutil.copytree(table, copy / "gold" / "live_prices")
    write(str(copy), "gold.live_prices", [price("n", "PASAR-002", "garam", timedelta(0))])
    newest = max((copy / "gold" / "live_prices" / "_delta_log").glob("*.json"))
    staged = table / "_delta_log" / "staged"
    shutil.copytree(copy / "gold" / "live_prices", table, dirs_exist_ok=True, ignore=lambda *_: [newest.name])
    shutil.copyfile(newest, staged)
    return table / "_delta_log" / newest.name, staged


def test_refreshes_go_on_after_emfile_and_health_reports_the_age(broker: Broker, tmp_path: Path) -> None:
    stack = new_stack(tmp_path, broker)
    fill(stack.lake_root)
    isolation_forest.trees()  # else a thread of the application imports modules while no file can be opened
    own = Api(stack)
    snapshots = own.shared(Snapshots)
    now = [snapshots.clock() + EVERY_TABLE_SECONDS]
    snapshots.clock = lambda: now[0]
    try:
        assert len(own.get(LIVE).json()["items"]) == 1
        eventually(lambda: own.get("/health").json()["snapshot_age_seconds"] == 0)
        assert own.get("/health").json()["services"]["tables"] == "ok"
        commit, staged = staged_commit(stack.lake_root, tmp_path / "copy")
        with no_free_file_descriptor():
            staged.rename(commit)
            now[0] += EVERY_TABLE_SECONDS
            eventually(lambda: own.get("/health").status_code == 503)
            now[0] += 10
            problem = own.get("/health").json()
            assert problem["snapshot_age_seconds"] >= 10 and " s old: " in problem["detail"]
            assert len(own.get(LIVE).json()["items"]) == 1, "what was read last is not served"
        eventually(lambda: len(own.get(LIVE).json()["items"]) == 2)
        eventually(lambda: own.get("/health").status_code == 200)
        assert own.get("/readyz").status_code == 200
        assert own.get("/health").json()["snapshot_age_seconds"] == 0
        metrics = own.get("/metrics").text
        failed = next(line for line in metrics.splitlines() if line.startswith("lumbung_snapshot_refresh_f"))
        assert float(failed.split()[1]) >= 1 and "lumbung_snapshot_age_seconds" in metrics
    finally:
        own.stop()


def test_flipped_bits_of_a_data_page_are_503_with_the_remedy(tmp_path: Path) -> None:
    """What still decodes is served; what does not was a 500."""
    stack = new_stack(tmp_path)
    fill(stack.lake_root)
    files = (Path(stack.lake_root) / "gold" / "price_history").rglob("*.parquet")
    file = max(files, key=lambda path: path.stat().st_size)
    content = file.read_bytes()
    pages_end = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    own = Api(stack)
    answers: dict[int, str] = {}
    try:
        assert pages_end < 16 * 999
        for place in range(4, pages_end, 16):
            flipped = bytearray(content)
            flipped[place] ^= 1 << place // 2 % 8
            file.write_bytes(flipped)
            # Pages are cached: each request has a limit of its own.
            response = own.get(f"{HISTORY_AS_CSV}&limit={place // 16 + 1}", headers={"Accept": "text/csv"})
            answers[response.status_code] = response.text
        assert set(answers) == {200, 503}
        assert "gold.price_history" in answers[503] and "./run.sh doctor --deep" in answers[503]
        file.unlink()
        assert own.get(f"{HISTORY_AS_CSV}&limit=1000", headers={"Accept": "text/csv"}).status_code == 503
        file.write_bytes(content)
        assert own.get(HISTORY_AS_CSV, headers={"Accept": "text/csv"}).status_code == 200
    finally:
        own.stop()


def test_values_that_python_cannot_hold_are_damage() -> None:
    """Arrow reads a text that is no UTF-8, or a time of the year 300000; its values fail in the response."""
    text = pa.StringArray.from_buffers(
        1, pa.py_buffer(bytes([0, 0, 0, 0, 1, 0, 0, 0])), pa.py_buffer(b"\xff")
    )
    late = pa.array([1 << 62], pa.timestamp("us", "UTC"))
    for column in (text, late):
        with pytest.raises(UnreadableTable), reading("gold.markets"):
            check_values(pa.table({"column": column}))
    with pytest.raises(OSError), reading("gold.markets"):
        raise OSError(errno.EMFILE, "too many open files")


def test_table_that_could_not_be_read_since_the_start_is_not_served_as_empty(lake: Path) -> None:
    write_rows("gold.anomalies", [{"event_time": NOON}])
    newest = max((Path(table_uri("gold.anomalies")) / "_delta_log").glob("*.json"))
    newest.with_name(f"{int(newest.stem) + 1:020}.json").write_bytes(b"no commit")
    snapshots = Snapshots()
    snapshots.refresh()
    with pytest.raises(UnreadableTable, match="gold.anomalies cannot be read"):
        snapshots["gold.anomalies"]
    with pytest.raises(UnreadableTable, match="gold.anomalies cannot be read"):
        snapshots.open_newest("gold.anomalies")
    assert snapshots.or_empty("gold.anomalies").count == 0
    assert snapshots["gold.forecasts"].count == 0


def test_as_of_never_lies_ahead_of_now(lake: Path) -> None:
    """An operator may release an event that dates itself into the future."""
    write_rows("gold.anomalies", [{"event_time": NOON + timedelta(days=36_500)}])
    snapshots = Snapshots()
    snapshots.refresh()
    before = utc_text(datetime.now(UTC))
    as_of = provenance([snapshots["gold.anomalies"]], lag_seconds=None, request_id="r")["as_of"]
    assert before <= as_of <= utc_text(datetime.now(UTC))


def test_newest_time_is_known_of_every_table_with_times(lake: Path) -> None:
    """`meta.as_of` was null for tables whose `skip_by` does not name their time: files noted none of it."""
    times = {
        table: contract.time_column
        for table, contract in contracts().items()
        for column in contract.columns
        if (column.name, column.type) == (contract.time_column, "timestamp") and table != "bronze.events"
    }
    assert len(times) > 50
    for table, column in times.items():
        write_rows(table, [{column: NOON}, {column: NOON - timedelta(days=1)}])
    snapshots = Snapshots()
    opened = [snapshots.open_newest(table) for table in times]
    assert {at.table: (at.newest, at.count) for at in opened} == dict.fromkeys(times, (NOON, 2))
    assert snapshots.open_newest("gold.indicators").newest is None, "an empty table has none"


def test_no_table_is_opened_without_a_new_commit(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for log in Path(settings().lake_root).glob("*/*/_delta_log"):
        os.utime(log, (1, 1))
    opened: list[str] = []
    snapshots = Snapshots()
    monkeypatch.setattr(snapshots, "_newer", lambda name, current: opened.append(name))
    snapshots.refresh()
    assert len(opened) > 10
    opened.clear()
    snapshots.refresh()
    assert opened == []


class OfAge(Snapshots):
    """A first look at its age finds it new, the second one a second old."""

    age = iter((0.0, EVERY_TABLE_SECONDS))
    age_seconds = property(lambda self: next(self.age))


def test_tables_are_looked_at_after_a_write_and_once_a_second(lake: Path) -> None:
    root = settings().lake_root
    snapshots = OfAge()
    write_rows("gold.anomalies", [{"event_time": NOON}])
    assert snapshots.refresh_changed() and snapshots["gold.anomalies"].count == 1
    os.utime(root, (1, 1))  # the write is older than the steps in which a file system notes times
    assert [snapshots.refresh_changed() for _ in range(3)] == [True, False, True]
    write_rows("gold.anomalies", [{"event_time": NOON}])
    assert snapshots.refresh_changed() and snapshots["gold.anomalies"].count == 2


def test_job_of_background_gold_that_fails_degrades_the_pipeline(tmp_path: Path) -> None:
    stack = new_stack(tmp_path)
    fill(stack.lake_root)
    state = stack.home / "state"
    job = {"seconds": 0.1, "failure": None, "done_at": None}
    jobs = {"pid": 1, "state": "running", "rounds": 1, "round_seconds": 0.1, "jobs": {"trades": job}}
    write_status(status_file(STREAM, state), {"state": "running", "positions": {}, "batch_id": None})
    write_status(status_file(BACKGROUND_GOLD, state), dict(jobs))
    own = Api(stack)
    try:
        assert own.get("/health").json()["services"]["pipeline"] == "ok"
        failed = {"trades": job | {"failure": "OverflowError: date value out of range"}}
        write_status(status_file(BACKGROUND_GOLD, state), jobs | {"jobs": failed})
        assert own.get("/health").json()["services"]["pipeline"] == "degraded"
    finally:
        own.stop()


@pytest.mark.parametrize(("looked_seconds_ago", "late"), [(100, True), (50, False)])
def test_table_is_late_when_its_job_has_not_looked_since_and_not_when_nothing_changed(
    home: Path, looked_seconds_ago: int, late: bool
) -> None:
    """gold.alerts was written an hour ago, its newest source a minute ago; it promises 5 s."""
    ages = dict.fromkeys(contracts(), 3600.0) | {"silver.prices": 60.0}
    written = {name: int((NOON.timestamp() - age) * 1e9) for name, age in ages.items()}
    states = {
        name: replace(empty_snapshot(name), version=1, identity=("", at)) for name, at in written.items()
    }
    job = {"seconds": 0.1, "failure": None, "done_at": utc_text(NOON - timedelta(seconds=looked_seconds_ago))}
    write_status(status_file(BACKGROUND_GOLD), {"state": "running", "jobs": {"alerts": job}})
    item = table_item(contracts()["gold.alerts"], states, last_looks(states).get("gold.alerts"))
    assert (item["late"], item["lag_seconds"]) == (late, 40.0 if late else 0.0)
