"""Messages to people: when a condition comes true, once, in their language, by mail when they want it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.identity.roles import Role
from lakehouse.io.alert_deliveries import Deliveries
from lakehouse.io.delta import replace_rows
from lakehouse.io.identity import accounts, personal, recipients
from lakehouse.io.identity.database import Database
from producers.channels.personal import NEW_SECONDS, PersonalNews

AT = datetime(2026, 11, 21, 1, tzinfo=UTC)
NOW = datetime.now(UTC).timestamp()


def land_bar(close: float, at: datetime = AT, symbol: str = "BTC") -> None:
    row = {"symbol": symbol, "asset_class": "crypto", "interval": "1m", "currency": "USD", "bar_time": at}
    write("gold.bars_live", [row | {"close": close, "event_time": at}])


def write(table: str, rows: list[dict[str, Any]]) -> None:
    replace_rows(table, pa.Table.from_pylist(rows, schema=arrow_schema(contracts()[table])))


def alert_row(
    level: str,
    commodity: str = "garam",
    alert_id: str | None = None,
    region_code: str | None = "32",
    now: datetime | None = None,
) -> dict[str, Any]:
    now = now or datetime.now(UTC)
    return {
        "alert_id": alert_id or f"al-{level}",
        "rule": "price_level",
        "commodity": commodity,
        "market_id": None,
        "source_id": None,
        "region": "Jawa Barat" if region_code == "32" else None,
        "region_code": region_code,
        "level": level,
        "state": "active",
        "tier": 1,
        "stale": False,
        "active_at": now,
        "updated_at": now,
        "closed_at": None,
        "message": "It rises.",
        "message_indonesian": "Naik.",
        "action": None,
        "action_indonesian": None,
    }


async def follower(database: Database, email: str, *commodities: str, **more: Any) -> str:
    """A person who wants mails about these commodities."""
    person = await accounts.create(database, email, actor=None, locale="en", **more)
    await personal.change_settings(database, person.user_id, "notifications", {"email": True})
    chosen = {"commodities": list(commodities), "min_level": "naik"}
    await personal.change_settings(database, person.user_id, "preferences", chosen)
    return str(person.user_id)


def test_first_message_is_one_about_all_alerts_and_later_ones_are_sent_singly(run: Any) -> None:
    async def work(database: Database, news: PersonalNews, deliveries: Deliveries) -> list[list[Any]]:
        await follower(database, "a@example.id", "garam", "beras-medium")
        since = datetime.now(UTC) - timedelta(hours=1)
        levels = ("naik", "waspada", "siaga", "kritis")
        news.take([alert_row(level) for level in levels], since)
        await news.look(NOW)
        first = deliveries.due(NOW)
        news.take([alert_row(level) for level in levels], since)
        await news.look(NOW)
        repeated = deliveries.due(NOW)
        news.take([alert_row("waspada", "beras-medium", alert_id="al-new")], since)
        await news.look(NOW)
        return [first, repeated, [each for each in deliveries.due(NOW) if each not in first]]

    first, repeated, later = run(work)
    (digest,) = first
    assert digest.subject == "4 alerts from before this first message" and repeated == first
    lines = digest.body.splitlines()
    assert len(lines) == 5 and lines[-1] == "https://lumbung.example.id/peringatan"
    (single,) = later
    assert single.subject.startswith("Alert (waspada)")
    assert single.body.splitlines()[-1] == "https://lumbung.example.id/peringatan?peringatan=al-new"


def test_operator_of_a_region_gets_no_messages_about_others(run: Any) -> None:
    async def work(database: Database, news: PersonalNews, deliveries: Deliveries) -> list[int]:
        people = [
            await follower(database, "a@example.id", "garam", role=Role.OPERATOR, regions=["32"]),
            await follower(database, "b@example.id", "garam", role=Role.OPERATOR, regions=["11"]),
            await follower(database, "c@example.id", "garam", role=Role.CENTRAL, regions=["11"]),
        ]
        news.take([alert_row("siaga")], datetime.now(UTC) - timedelta(hours=1))
        await news.look(NOW)
        return [len(await titles(database, owner)) for owner in people]

    assert run(work) == [1, 0, 1]


async def titles(database: Database, owner: str) -> list[str]:
    page = await personal.page_of_notifications(database, owner, None, None, 100)
    return [item["title"] for _, item in page]


def test_condition_notifies_when_it_comes_true_and_again_after_it_was_false(run: Any) -> None:
    async def work(database: Database, news: PersonalNews, deliveries: Deliveries) -> list[list[str]]:
        await personal.add_alert(database, "p1", "BTC", "above", 100.0, None)
        seen = []
        for minute, close in enumerate((99.0, 101.0, 102.0, 98.0, 103.0)):
            land_bar(close, AT + timedelta(minutes=minute))
            await news.look(NOW)
            seen.append(await titles(database, "p1"))
        return seen

    counts = [len(messages) for messages in run(work)]
    assert counts == [0, 1, 1, 1, 2]


def test_new_alert_that_holds_already_notifies_without_a_new_bar_and_a_crash_repeats_nothing(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_bar(101.0)

    async def work(database: Database, news: PersonalNews, deliveries: Deliveries) -> list[int]:
        now = 0.0
        news = PersonalNews(database, news.sender, news.channels, lambda: now)
        await news.look(NOW)
        await personal.add_alert(database, "p1", "BTC", "above", 100.0, None)
        now = NEW_SECONDS
        await news.look(NOW)
        again = PersonalNews(database, news.sender, news.channels)  # the worker was killed and starts again
        await again.look(NOW)
        return [len(await titles(database, "p1")), len(await titles(database, "p2"))]

    assert run(work) == [1, 0]


def test_mail_goes_to_those_who_want_it_in_their_language(run: Any) -> None:
    async def work(database: Database, news: PersonalNews, deliveries: Deliveries) -> list[tuple[str, str]]:
        for email, locale, wants in (("a@example.id", "en", True), ("b@example.id", "id", False)):
            person = await accounts.create(database, email, actor=None, locale=locale)
            await personal.change_settings(database, person.user_id, "notifications", {"email": wants})
            await personal.add_alert(database, person.user_id, "BTC", "below", 50.0, None)
        assert news.held == ("personal", "personal-telegram", "personal-whatsapp")
        land_bar(40.0)
        await news.look(NOW)
        assert news.held == ()
        return [(delivery.channel, delivery.body) for delivery in deliveries.due(NOW)]

    page = "https://lumbung.example.id/trades?simbol=BTC"
    assert run(work) == [("personal", f"BTC costs 40, below 50, at 2026-11-21T01:00:00Z.\n{page}")]


def test_alert_of_a_followed_commodity_reaches_the_level_that_was_chosen(run: Any) -> None:
    async def work(database: Database, news: PersonalNews, deliveries: Deliveries) -> list[list[str]]:
        for owner, level in (("p1", "naik"), ("p2", "kritis")):
            changes = {"commodities": ["garam"], "min_level": level}
            await personal.change_settings(database, owner, "preferences", changes)
        since = datetime.now(UTC) - timedelta(hours=1)
        news.take([alert_row("siaga"), alert_row("siaga", "beras-medium")], since)
        await news.look(NOW)
        return [await titles(database, owner) for owner in ("p1", "p2")]

    assert run(work) == [["Peringatan (siaga): Garam Konsumsi, Jawa Barat"], []]


def test_code_goes_to_a_named_address_and_messages_only_after_it_was_entered(run: Any) -> None:
    async def work(database: Database, news: PersonalNews, deliveries: Deliveries) -> list[list[str]]:
        async def sent() -> list[str]:
            land_bar(40.0 + len(seen), AT + timedelta(minutes=len(seen)))  # a new bar: it looks at once
            await news.look(NOW)
            await news.look(NOW)  # nothing is queued twice
            return [row.subject for row in deliveries.due(NOW) if row.channel == "personal-telegram"]

        seen: list[list[str]] = []
        person = (await accounts.create(database, "a@example.id", actor=None, locale="en")).user_id
        await personal.change_settings(database, person, "notifications", {"telegram": True})
        await recipients.name_address(database, person, "telegram", "700100200")
        await personal.add_alert(database, person, "BTC", "below", 50.0, None)
        seen.append(await sent())
        assert [each.address for each in news.channels["telegram"].recipients] == ["700100200"]
        (row, language), *_ = await recipients.waiting_codes(database)
        assert language == "en" and seen[0] == [f"Lumbung: {row.code}"], "the alert came before the code"
        await recipients.confirm(database, person, "telegram", "700100200", str(row.code))
        await personal.add_alert(database, person, "BTC", "below", 60.0, None)
        seen.append(await sent())
        await personal.change_settings(database, person, "notifications", {"telegram": False})
        await personal.add_alert(database, person, "BTC", "below", 70.0, None)
        seen.append(await sent())
        return seen

    first, after_code, turned_off = run(work)
    assert sorted(set(after_code) - set(first)) == ["BTC below 60"]
    assert turned_off == after_code


ALERTS = {  # id -> level, commodity, region
    "al-west": ("siaga", "garam", "32"),
    "al-aceh": ("siaga", "garam", "11"),
    "al-nation": ("siaga", "garam", None),
    "al-chilli": ("siaga", "cabai-merah-besar", "32"),
    "al-low": ("naik", "garam", "32"),
    "al-silent": ("info", "garam", "32"),
}


@pytest.mark.parametrize(
    ("chosen", "limits", "wanted"),
    [
        ({"alert_commodities": []}, [], {"al-west", "al-aceh", "al-nation", "al-chilli"}),
        ({"alert_commodities": [], "min_level": "naik"}, ["11"], {"al-aceh", "al-nation"}),
        ({"alert_commodities": ["garam"]}, [], {"al-west", "al-aceh", "al-nation"}),
        ({"alert_commodities": ["cabai"]}, [], {"al-chilli"}),
        ({"alert_commodities": [], "alert_regions": ["11"]}, [], {"al-aceh", "al-nation"}),
        ({"alert_commodities": [], "alert_regions": ["11"]}, ["32"], {"al-nation"}),
        ({"alert_commodities": [], "alert_regions": ["11", "32"]}, ["11"], {"al-aceh", "al-nation"}),
        ({"alert_commodities": [], "min_level": "kritis"}, [], set()),
        ({"commodities": ["cabai-merah-besar"]}, [], {"al-chilli"}),
        ({"commodities": ["cabai-merah-besar"], "alert_commodities": ["garam"], "min_level": "naik"}, ["32"],
         {"al-west", "al-nation", "al-low"}),
        ({"theme": "dark"}, [], set()),
    ],
)  # fmt: skip
def test_messages_are_about_the_chosen_commodities_regions_and_levels(
    run: Any, chosen: dict[str, Any], limits: list[str], wanted: set[str]
) -> None:
    async def work(database: Database, news: PersonalNews, deliveries: Deliveries) -> set[str]:
        role = Role.OPERATOR if limits else Role.USER
        person = await accounts.create(
            database, "a@example.id", actor=None, locale="en", role=role, regions=limits
        )
        await personal.change_settings(database, person.user_id, "notifications", {"email": True, **chosen})
        notified = set()
        for alert_id, (level, commodity, region) in ALERTS.items():
            before = len(await titles(database, person.user_id))
            row = alert_row(level, commodity, alert_id, region)
            news.take([row], datetime.now(UTC) - timedelta(hours=1))
            await news.look(NOW)
            if len(await titles(database, person.user_id)) > before:
                notified.add(alert_id)
        assert {row.body.rpartition("=")[2] for row in deliveries.due(NOW)} == notified, (
            "by mail as in the list"
        )
        return notified

    assert run(work) == wanted
