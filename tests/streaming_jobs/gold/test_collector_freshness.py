"""gold.collector_freshness: each event counts once, and a source that fell silent raises an alert."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conf.collected_sources import collected_sources
from lakehouse.io.delta import empty_table, read_rows
from streaming_jobs.gold import driver
from streaming_jobs.gold.alerts import Alerts
from streaming_jobs.gold.collector_freshness import CollectorFreshness
from tests.support.written_lake import finish, write

START = datetime(2026, 3, 1, 5, tzinfo=UTC)
TABLES = {"silver.prices": "panel_harga", "silver.posts": "rss", "silver.bars": "market"}

pytestmark = pytest.mark.usefixtures("lake")


def batch(time: datetime, *events: tuple[str, str, str]) -> None:
    """A finished batch; an event: table, id and source. It happened and was received when the batch was."""
    for table, event_id, source in events:
        times = {"received_at": time} | (
            {"quarantined_at": time}
            if table == "silver.quarantine"
            else {"ingested_at": time, "event_time": time}
        )
        write(table, [{"event_id": event_id, "source": source, **times}])
    finish(time)


def freshness() -> dict[str, dict[str, Any]]:
    return {row["collector"]: row for row in read_rows("gold.collector_freshness").to_pylist()}


def test_silent_source_raises_an_alert_that_is_cleared_once_it_is_fresh_again():
    job, alerts = CollectorFreshness(), Alerts()
    limit = timedelta(hours=collected_sources()["rss"].fresh_hours)
    batch(START, ("silver.posts", "a", "collector:rss"), ("silver.posts", "b", "file:rss.jsonl#1"))
    job.refresh()
    alerts.refresh()
    assert freshness()["rss"]["accepted"] == 1 and not freshness()["rss"]["silent"]
    batch(START + limit, ("silver.quarantine", "c", "collector:rss"))
    job.refresh()
    assert not freshness()["rss"]["silent"], "at the limit it still is fresh"
    later = START + limit + timedelta(seconds=1)
    batch(later, ("silver.prices", "d", "api:operator"))
    job.refresh()
    alerts.refresh()
    row = freshness()["rss"]
    assert (row["silent"], row["since"], row["quarantined"]) == (True, START + limit, 1)
    (alert,) = read_rows("gold.alerts").to_pylist()
    assert (alert["rule"], alert["source_id"], alert["state"]) == ("silent_collector", "rss", "active")
    assert "source rss is of 1 Mar 2026, 12:00 WIB" in alert["message"]
    ended = later + timedelta(seconds=1)
    batch(ended, ("silver.posts", "e", "collector:rss"))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Crash):
        patch.setattr(driver, "replace_rows", killed)
        job.refresh()
    batch(ended + timedelta(seconds=1), ("silver.prices", "f", "api:operator"))
    CollectorFreshness().refresh()
    alerts.refresh()
    assert not freshness()["rss"]["silent"]
    (cleared,) = read_rows("gold.alerts").to_pylist()
    assert (cleared["state"], cleared["closed_at"], cleared["updated_at"]) == ("cleared", ended, ended)
    unchanged = ("alert_id", "rule", "message", "opened_at", "active_at")
    assert [cleared[name] for name in unchanged] == [alert[name] for name in unchanged]
    batch(ended + 2 * limit, ("silver.prices", "g", "api:operator"))
    job.refresh()
    alerts.refresh()
    states = sorted(row["state"] for row in read_rows("gold.alerts").to_pylist())
    assert states == ["active", "cleared"], "the next silence is an alert of its own"


class Crash(Exception):
    """Thrown instead of SIGKILL, after the silence was written."""


def killed(*arguments: object, **options: object) -> None:
    raise Crash


@pytest.mark.parametrize("seed", range(2))
def test_any_rounds_equal_a_recomputation(seed: int):
    rng = random.Random(seed)
    job = CollectorFreshness()
    accepted = Counter[str]()
    quarantined = Counter[str]()
    newest: dict[str, datetime] = {}
    for nth in range(8):
        time = START + timedelta(minutes=nth)
        events = []
        for number in range(rng.randint(0, 4)):
            table, name = rng.choice(list(TABLES.items()))
            refused = rng.random() < 0.3
            (quarantined if refused else accepted)[name] += 1
            if not refused:
                newest[name] = time
            where_to = "silver.quarantine" if refused else table
            events.append((where_to, f"{nth}-{number}", f"collector:{name}"))
        batch(time, *events)
        if rng.random() < 0.5:
            job.refresh()
    job.refresh()
    rounds = freshness()
    assert {name: row["accepted"] for name, row in rounds.items() if row["accepted"]} == accepted
    assert {name: row["quarantined"] for name, row in rounds.items() if row["quarantined"]} == quarantined
    assert {name: r["last_event_time"] for name, r in rounds.items() if r["last_event_time"]} == newest
    empty_table("gold.collector_freshness")
    CollectorFreshness().refresh()
    assert freshness() == rounds
