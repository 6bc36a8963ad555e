"""The thread that refreshes the snapshots outlives every error, and the age of what it serves is reported."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from lakehouse.validation.prices import isolation_forest
from scripts.bench.api_lake import write
from serving_api.reads.snapshots import Snapshots
from tests.conftest import Broker
from tests.support.api import Api, new_stack
from tests.support.served_lake import fill, price
from tests.support.written_lake import NOON
from tests.support.written_lake import write as write_rows

LIVE = "/api/public/commodity/price/live?commodity=garam"


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


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_refreshes_go_on_after_emfile_and_health_reports_the_age(broker: Broker, tmp_path: Path) -> None:
    stack = new_stack(tmp_path, broker)
    fill(stack.lake_root)
    isolation_forest.trees()  # else a thread of the application imports modules while no file can be opened
    own = Api(stack)
    try:
        assert len(own.get(LIVE).json()["items"]) == 1
        assert own.get("/health").json()["services"]["tables"] == "ok"
        with no_free_file_descriptor():
            wait_for(lambda: own.get("/health").status_code == 503, "health does not report the failure")
            time.sleep(0.3)
            problem = own.get("/health").json()
            assert problem["snapshot_age_seconds"] >= 0.3 and " s old: " in problem["detail"]
            assert len(own.get(LIVE).json()["items"]) == 1, "what was read last is not served"
        write(stack.lake_root, "gold.live_prices", [price("n", "PASAR-002", "garam", timedelta(0))])
        wait_for(lambda: len(own.get(LIVE).json()["items"]) == 2, "a refresh after the error does not come")
        wait_for(lambda: own.get("/health").status_code == 200, "health does not recover")
        assert own.get("/readyz").status_code == 200
        assert own.get("/health").json()["snapshot_age_seconds"] < 10
        metrics = own.get("/metrics").text
        failed = next(line for line in metrics.splitlines() if line.startswith("lumbung_snapshot_refresh_f"))
        assert float(failed.split()[1]) >= 1 and "lumbung_snapshot_age_seconds" in metrics
    finally:
        own.stop()


def test_newest_time_is_known_where_the_files_hold_no_statistics_of_it(lake: Path) -> None:
    """`meta.as_of` of anomalies was null: statistics are kept of `skip_by` alone."""
    write_rows("gold.anomalies", [{"event_time": NOON}, {"event_time": NOON - timedelta(days=1)}])
    snapshots = Snapshots()
    snapshots.refresh()
    assert (snapshots["gold.anomalies"].newest, snapshots["gold.anomalies"].count) == (NOON, 2)
    assert snapshots["gold.forecasts"].newest is None, "an empty table has none"
