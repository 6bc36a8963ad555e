"""Messages to people: when a condition comes true, once, in their language, by mail when they want it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pyarrow as pa
import pytest

from conf.settings import settings
from lakehouse.alerts.weekly_sheet import weekly_sheet
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.identity.roles import Role
from lakehouse.io.alert_deliveries import Deliveries
from lakehouse.io.delta import replace_rows
from lakehouse.io.identity import accounts, personal, recipients
from lakehouse.io.identity.database import Database, StoreUnavailable
from producers.channels.channel import PERSONAL, Mail, Telegram
from producers.channels.personal import NEW_SECONDS, PersonalNews
from producers.channels.sender import Sender

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


@pytest.fixture
def run(lake: Path) -> Callable[[Callable[[Database, PersonalNews, Deliveries], Awaitable[Any]]], Any]:
    """Runs a coroutine with the store, the worker's part under test, and its queue of deliveries."""

    def start(work: Callable[[Database, PersonalNews, Deliveries], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            database = Database()
            await database.migrate()
            deliveries = Deliveries()
            mail = Mail("smtp://127.0.0.1:9", "lumbung@example.id", [], 1.0)
            client = httpx2.AsyncClient()
            bot = Telegram(client, "http://127.0.0.1:9", "token", [])
            mail.name, bot.name = PERSONAL["email"], PERSONAL["telegram"]
            sender = Sender(deliveries, [mail, bot], [], settings().alerts, site="https://lumbung.example.id")
            channels = {"email": mail, "telegram": bot}
            try:
                return await work(database, PersonalNews(database, sender, channels), deliveries)
            finally:
                await client.aclose()
                deliveries.close()
                await database.close()

        return asyncio.run(whole())

    return start


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


class Morning:
    """A worker whose clock the test sets; each look may be that of a new process."""

    def __init__(self, database: Database, news: PersonalNews, deliveries: Deliveries) -> None:
        self._database = database
        self._news = news
        self._deliveries = deliveries
        self._looks = 0

    async def look(self, at: datetime, *levels: str, restarts: bool = False) -> list[tuple[str, str]]:
        """(channel, subject) of what is queued newly in a look at that time, with an alert of each level."""
        known = {row.delivery_id for row in self._deliveries.due(at.timestamp())}
        if restarts:
            self._news = PersonalNews(self._database, self._news.sender, self._news.channels)
        self._news.clock = lambda: self._looks * 2 * NEW_SECONDS
        self._looks += 1
        rows = [alert_row(level, alert_id=f"al-{level}-{at:%d%H}", now=at) for level in levels]
        self._news.take(rows, at - timedelta(hours=1))
        await self._news.look(at.timestamp())
        due = self._deliveries.due(at.timestamp())
        self.bodies = [row.body for row in due if row.delivery_id not in known]
        return sorted((row.channel, row.subject) for row in due if row.delivery_id not in known)


async def subscriber(database: Database, digest: str) -> str:
    """A person who wants all alerts by mail and Telegram."""
    owner = str((await accounts.create(database, "a@example.id", actor=None, locale="en")).user_id)
    await recipients.name_address(database, owner, "telegram", "700100200")
    code = str((await recipients.waiting_codes(database))[0][0].code)
    await recipients.confirm(database, owner, "telegram", "700100200", code)
    chosen = {"email": True, "telegram": True, "alert_commodities": [], "min_level": "naik"}
    await personal.change_settings(database, owner, "notifications", chosen | {"digest": digest})
    return owner


SUNDAY = datetime(2026, 11, 22, 3, tzinfo=UTC)  # 10:00 in Jakarta; digests come at 00:00 UTC


def test_daily_digest_is_one_message_each_morning_also_over_a_restart(run: Any) -> None:
    async def work(database: Database, news: PersonalNews, deliveries: Deliveries) -> None:
        owner = await subscriber(database, "daily")
        worker = Morning(database, news, deliveries)
        assert await worker.look(SUNDAY, "waspada") == []
        assert len(await titles(database, owner)) == 1, "the list does not wait"
        (mail, bot) = await worker.look(SUNDAY + timedelta(hours=1), "kritis")
        assert mail == ("personal", "Alert (kritis): Garam Konsumsi, Jawa Barat")
        assert bot[0] == "personal-telegram"
        urgent = [row for row in deliveries.due(NOW) if row.is_urgent]
        assert len(urgent) == 2, "quiet hours do not hold back level kritis"
        land_bar(40.0)
        await personal.add_alert(database, owner, "BTC", "below", 50.0, None)
        assert await worker.look(SUNDAY + timedelta(hours=2), "siaga", restarts=True) == []
        assert await worker.look(SUNDAY + timedelta(hours=20, minutes=59)) == []
        sent = await worker.look(SUNDAY + timedelta(hours=21), restarts=True)
        assert sent == [(way, "Messages of the day: 3") for way in ("personal", "personal-telegram")]
        lines = worker.bodies[0].splitlines()
        assert sorted(lines[:3]) == [
            "Alert (siaga): Garam Konsumsi, Jawa Barat",
            "Alert (waspada): Garam Konsumsi, Jawa Barat",
            "BTC below 50",
        ]
        assert lines[3:] == ["https://lumbung.example.id/peringatan"]
        assert await worker.look(SUNDAY + timedelta(hours=22), restarts=True) == []
        assert await worker.look(SUNDAY + timedelta(days=2)) == [], "nothing happened: nothing is sent"

    run(work)


def test_digest_that_a_crash_interrupted_is_not_sent_twice(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(database: Database, news: PersonalNews, deliveries: Deliveries) -> None:
        await subscriber(database, "daily")
        worker = Morning(database, news, deliveries)
        await worker.look(SUNDAY, "waspada")

        async def crash(*_: Any) -> None:
            raise StoreUnavailable("killed after the message was queued")

        morning = SUNDAY + timedelta(hours=22)
        with monkeypatch.context() as patch:
            patch.setattr("producers.channels.personal.leave_digest", crash)
            assert len(await worker.look(morning)) == 2
        assert await worker.look(morning + timedelta(minutes=5), "siaga", restarts=True) == []
        sent = await worker.look(morning + timedelta(days=1))
        assert [subject for _, subject in sent] == ["Messages of the day: 1"] * 2
        assert worker.bodies[0].startswith("Alert (siaga)")

    run(work)


def test_weekly_digest_comes_on_monday_and_what_waits_comes_when_digests_are_turned_off(run: Any) -> None:
    async def work(database: Database, news: PersonalNews, deliveries: Deliveries) -> None:
        owner = await subscriber(database, "weekly")
        worker = Morning(database, news, deliveries)
        monday = SUNDAY + timedelta(hours=21)
        assert await worker.look(SUNDAY, "waspada") == []
        assert [subject for _, subject in await worker.look(monday)] == ["Messages of the week: 1"] * 2
        assert await worker.look(monday + timedelta(hours=1), "siaga") == []
        for day in range(1, 7):
            assert await worker.look(monday + timedelta(days=day)) == []
        await personal.change_settings(database, owner, "notifications", {"digest": "none"})
        sent = await worker.look(monday + timedelta(days=6, hours=1))
        assert [subject for _, subject in sent] == ["Messages so far: 1"] * 2
        again = alert_row("siaga", alert_id=f"al-siaga-{monday + timedelta(hours=1):%d%H}", now=monday)
        worker._news.take([again], monday - timedelta(hours=1))
        assert await worker.look(monday + timedelta(days=6, hours=2)) == [], "it was in a digest already"

    run(work)


def week_row(code: str, index: float | None, rank: int | None, **more: Any) -> dict[str, Any]:
    """A row of gold.weekly_index of the week that ends on SUNDAY."""
    chilli = {"commodity": "cabai-rawit-merah", "weight": 0.13, "change_pct": 20.0, "contribution_pct": 0.31}
    rice = {"commodity": "beras-medium", "weight": 3.81, "change_pct": 0.5, "contribution_pct": 0.4}
    missing = {"commodity": "bawang-putih", "weight": 0.17, "contribution_pct": None}
    return {
        "week": date(2026, 11, 16),
        "week_end": date(2026, 11, 22),
        "is_complete": True,
        "last_day": date(2026, 11, 22),
        "region_code": code,
        "region": {"ID": "Indonesia", "11": "Aceh", "32": "Jawa Barat"}[code],
        "index_pct": index,
        "rank": rank,
        "regions": 2,
        "items": [chilli, rice, missing],
        "up": 2,
        "down": 0,
        "stable": 0,
        "bps_index_pct": None,
        **more,
    }


WEEK = [week_row("ID", 0.71, None), week_row("11", 1.5, 1, bps_index_pct=1.4), week_row("32", -0.1, 2)]
SHEET_MORNING = SUNDAY + timedelta(hours=20)  # Monday, 06:00 in Jakarta


def test_monday_sheet_goes_out_once_a_week_to_those_who_want_it(run: Any) -> None:
    async def work(database: Database, news: PersonalNews, deliveries: Deliveries) -> list[Any]:
        wanted = {"weekly_sheet": True, "alert_regions": ["11"]}
        owner = await subscriber(database, "weekly")
        await personal.change_settings(database, owner, "notifications", wanted)
        morning = Morning(database, news, deliveries)
        write("gold.weekly_index", [week_row("ID", None, None)])
        seen = [await morning.look(SHEET_MORNING), morning.bodies]
        write("gold.weekly_index", WEEK)
        seen += [await morning.look(SHEET_MORNING - timedelta(seconds=1))]
        for hours, restarts in ((0, True), (1, True), (2, False), (24, True), (7 * 24, True)):
            seen.append(await morning.look(SHEET_MORNING + timedelta(hours=hours), restarts=restarts))
            seen += [morning.bodies] if hours == 0 else []
        return seen

    empty, _, early, first, bodies, *later = run(work)
    subject = "Monday sheet: Indonesia +0.71 %, week of 2026-11-16 to 2026-11-22"
    assert (empty, early) == ([], []) and first == [
        ("personal", subject),
        ("personal-telegram", subject),
    ]
    assert later == [[], [], [], []], "no week twice, and none without an index"
    assert bodies[0].splitlines() == [
        "Indonesia: +0.71 % against the mean of the month before; commodities: 2 up, 0 down, 0 stable.",
        "Highest: Aceh +1.50 %, Jawa Barat -0.10 %.",
        "Lowest: Jawa Barat -0.10 %, Aceh +1.50 %.",
        "",
        "Aceh: +1.50 % against the mean of the month before; commodities: 2 up, 0 down, 0 stable.",
        "Place 1 of 2 provinces, counted from the largest rise.",
        "BPS' own IPH: +1.40 %.",
        "",
        "Contributions in Indonesia:",
        "+0.40  Beras Medium",
        "+0.31  Cabai Rawit Merah",
        "",
        "Contributions in Aceh:",
        "+0.40  Beras Medium",
        "+0.31  Cabai Rawit Merah",
        "",
        "Lumbung computes this index in the style of BPS' IPH; it is not the IPH of BPS.",
        "https://lumbung.example.id/iph?per=2026-11-22",
    ]


def test_sheet_of_a_week_without_its_last_days_names_the_newest_and_is_not_sent_unasked(run: Any) -> None:
    runs = week_row("ID", 0.71, None, is_complete=False, last_day=date(2026, 11, 20))
    sheet = weekly_sheet([runs], None, "id")
    assert sheet is not None and sheet.body.splitlines()[0].endswith("yang terbaru dari 2026-11-20.")
    assert "+0,71 %" in sheet.subject

    async def work(database: Database, news: PersonalNews, deliveries: Deliveries) -> list[Any]:
        await subscriber(database, "none")
        write("gold.weekly_index", WEEK)
        return await Morning(database, news, deliveries).look(SHEET_MORNING)

    assert run(work) == []
