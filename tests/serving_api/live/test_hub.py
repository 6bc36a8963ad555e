"""The hub: newest prices by version, alerts one by one, sessions that are resumed."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from conf.runtime import endless
from lakehouse.io.identity.database import Database
from serving_api.http.rate_limits import RateLimits
from serving_api.http.tickets import Tickets
from serving_api.live import hub as hub_module
from serving_api.live import service
from serving_api.live.connection import RIGHTS_ENDED, SEQS_KEPT, Sessions, Subscription
from serving_api.live.hub import NO_FILTER, SLOTS, Hub, Wheel
from serving_api.live.private import PrivateChannels
from tests.support.waiting import eventually_async


def publish(hub: Hub, market: str, price: int, commodity: str = "garam", region: str = "32") -> None:
    hub.publish_price(market, commodity, region, orjson.dumps([market, commodity, price]))


def prices(hub: Hub, version: int, chosen: Any = NO_FILTER) -> list[Any]:
    return [orjson.loads(row) for _, row in hub.prices_since(version, chosen)]


def test_newest_price_of_a_market_replaces_older_ones():
    hub = Hub()
    start = hub.version
    for price in (1, 2, 3):
        publish(hub, "a", price)
    publish(hub, "b", 9)
    assert prices(hub, start) == [["a", "garam", 3], ["b", "garam", 9]]
    assert prices(hub, hub.version) == [] and prices(hub, hub.version - 1) == [["b", "garam", 9]]


def test_filter_selects_commodity_and_region():
    hub = Hub()
    publish(hub, "a", 1)
    publish(hub, "b", 2, "bawang-merah")
    publish(hub, "c", 3, "bawang-merah", "35")
    assert [row[0] for row in prices(hub, 0, (frozenset({"bawang-merah"}), None))] == ["b", "c"]
    assert [row[0] for row in prices(hub, 0, (frozenset({"bawang-merah"}), "35"))] == ["c"]
    assert [row[0] for row in prices(hub, 0, (None, "32"))] == ["a", "b"]


@given(st.lists(st.one_of(st.tuples(st.sampled_from("abc"), st.integers(0, 99)), st.none()), max_size=40))
def test_client_that_reads_at_any_pace_ends_with_the_newest_prices(steps: list[Any]):
    """None: the client reads."""
    hub = Hub()
    newest: dict[str, int] = {}
    seen: dict[str, int] = {}
    version = hub.version
    for step in [*steps, None]:
        if step is None:
            for at, row in hub.prices_since(version, NO_FILTER):
                market, _, price = orjson.loads(row)
                seen[market] = price
                assert at > version
                version = at
            version = hub.version
        else:
            publish(hub, *step)
            newest[step[0]] = step[1]
    assert seen == newest


def item(alert_id: str, state: str = "active", **more: Any) -> dict[str, Any]:
    return {"alert_id": alert_id, "state": state, "commodity": "garam", "message": "m", **more}


def alerts(hub: Hub, version: int) -> list[Any]:
    return [orjson.loads(row) for _, row in hub.alerts_since(version, NO_FILTER, "en")]


def test_every_change_of_an_alert_is_kept_and_an_equal_one_is_none():
    hub = Hub()
    start = hub.version
    for changed in (item("al-1"), item("al-1"), item("al-1", message="n"), item("al-1", "cleared")):
        hub.publish_alert(changed, {**changed, "message": "id"}, "32")
    assert [(row["state"], row["message"]) for row in alerts(hub, start)] == [
        ("active", "m"),
        ("active", "n"),
        ("cleared", "m"),
    ]
    assert orjson.loads(hub.alerts_since(start, NO_FILTER, "id")[0][1])["message"] == "id"


def test_client_that_has_nothing_gets_the_open_alerts():
    hub = Hub()
    for name in ("al-1", "al-2"):
        hub.publish_alert(item(name), item(name), None)
    hub.end_alert("al-1")
    assert [row["alert_id"] for row in alerts(hub, 0)] == ["al-2"]
    assert alerts(hub, hub.version - 1)[0] == item("al-1", "cleared")


def test_old_alerts_are_dropped_and_noticed(monkeypatch: Any):
    hub = Hub()
    start = hub.version
    hub.publish_alert(item("al-1"), item("al-1"), None)
    hub.drop_old_alerts()
    assert hub.keeps_since(start, "alerts")
    monkeypatch.setattr(hub_module, "RESUME_SECONDS", -1)
    hub.drop_old_alerts()
    assert not hub.keeps_since(start, "alerts") and hub.keeps_since(hub.version, "alerts")


def test_session_knows_the_version_of_recent_messages():
    sessions = Sessions()
    session = sessions.open()
    known = session.channels["prices"] = Subscription()
    assert [known.advance(version) for version in range(10, 10 + 2 * SEQS_KEPT)] == list(
        range(1, 2 * SEQS_KEPT + 1)
    )
    sessions.end(session)
    newest = 2 * SEQS_KEPT
    assert sessions.version_of(session.name, "prices", newest) == 10 + newest - 1
    assert sessions.version_of(session.name, "prices", newest - 3) == 10 + newest - 4
    for seq in (0, 1, newest + 1):
        assert sessions.version_of(session.name, "prices", seq) is None
    assert sessions.version_of("another", "prices", 1) is None
    assert sessions.version_of(session.name, "alerts", 1) is None
    session.ended_at = -1e9
    assert sessions.version_of(session.name, "prices", newest) is None


def test_wheel_wakes_every_client_and_shares_the_frames(monkeypatch: Any):
    async def work() -> None:
        hub = Hub()
        wheel = Wheel(hub)
        joined = [wheel.join() for _ in range(45)]
        with monkeypatch.context() as patch:
            patch.setattr(hub_module, "PACE_SECONDS", 0.0)  # one slot in each turn of the event loop
            turning = asyncio.create_task(wheel.turn())
            for _ in range(3 * SLOTS):
                await asyncio.sleep(0)
            assert not any(wake.is_set() for wake, _ in joined), "nothing has changed"
            publish(hub, "a", 1)
            for _ in range(SLOTS + 1):
                await asyncio.sleep(0)
            assert all(wake.is_set() for wake, _ in joined)
            turning.cancel()
        assert wheel.clients == 45 and wheel.frames_a_turn() == 11
        for wake, slot in joined[1:]:
            slot.discard(wake)
        assert wheel.clients == 1 and wheel.frames_a_turn() == 500

    asyncio.run(work())


def test_rights_are_watched_after_an_unexpected_failure(lone_home: Path, monkeypatch: Any):
    monkeypatch.setattr(endless, "PAUSE_SECONDS", 0.0)
    for name in ("RIGHTS_SECONDS", "REAP_SECONDS"):
        monkeypatch.setattr(service, name, 0.01)
    failures: list[Exception] = [KeyError("a fault of the program")] * 2
    codes: list[int] = []

    class Client:
        """A connection of somebody who is signed in."""

        caller = "somebody"
        end = codes.append

        def close_if_unread(self, now: float) -> None:
            """It reads."""

    class FailingTwice:
        """Rights that cannot be read twice, and then have ended."""

        async def ended(self, callers: set[Any]) -> set[Any]:
            if failures:
                raise failures.pop()
            return callers

    async def nothing(self: PrivateChannels, is_wanted: bool) -> None:
        """No account is read: a read that the end of the test interrupts would end after its event loop."""

    monkeypatch.setattr(PrivateChannels, "read_accounts", nothing)

    async def watch() -> None:
        live = service.Live(FailingTwice(), Tickets(), Database(), RateLimits())  # type: ignore[arg-type]
        live._clients.add(Client())  # type: ignore[arg-type]
        await eventually_async(lambda: codes)
        await live.close()

    asyncio.run(watch())
    assert codes[0] == RIGHTS_ENDED and not failures
