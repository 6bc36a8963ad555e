"""What goes out in the morning: digests of the day and the week, and the Monday sheet, each once."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from conf.settings import settings
from lakehouse.alerts.weekly_sheet import weekly_sheet
from lakehouse.io.alert_deliveries import Deliveries
from lakehouse.io.identity import accounts, personal, recipients
from lakehouse.io.identity.database import Database, StoreUnavailable
from producers.channels.channel import PERSONAL, Mail
from producers.channels.personal import NEW_SECONDS, PersonalNews
from producers.channels.sender import Sender
from tests.producers.channels.conftest import MailBox
from tests.producers.channels.test_personal import NOW, alert_row, land_bar, titles, write


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
    subject = "Monday sheet: Indonesia +0.71 %, week of 16 Nov 2026 to 22 Nov 2026"
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
    assert sheet is not None and sheet.body.splitlines()[0].endswith("yang terbaru dari 20 Nov 2026.")
    assert "+0,71 %" in sheet.subject

    async def work(database: Database, news: PersonalNews, deliveries: Deliveries) -> list[Any]:
        await subscriber(database, "none")
        write("gold.weekly_index", WEEK)
        return await Morning(database, news, deliveries).look(SHEET_MORNING)

    assert run(work) == []


def test_sheet_arrives_as_one_mail_in_the_language_of_the_person(
    run: Any, mail_box: tuple[MailBox, str]
) -> None:
    box, url = mail_box
    write("gold.weekly_index", WEEK)
    at = SHEET_MORNING.timestamp()

    async def work(database: Database, news: PersonalNews, deliveries: Deliveries) -> None:
        person = await accounts.create(database, "budi@example.id", actor=None, locale="id")
        wanted = {"email": True, "weekly_sheet": True}
        await personal.change_settings(database, person.user_id, "notifications", wanted)
        mail = Mail(url, "lumbung@example.id", [], 60.0)
        mail.name = PERSONAL["email"]
        sender = Sender(deliveries, [mail], [], settings().alerts, lambda: at, news.sender.site)
        for _ in range(2):  # the second worker begins without what the first knew
            await PersonalNews(database, sender, {"email": mail}).look(at)
            sender.start(at)
            await sender.finish()

    run(work)
    (mail,) = box.messages
    assert mail["To"] == "budi@example.id"
    assert mail["Subject"] == "Lembar Senin: Indonesia +0,71 %, pekan 16 Nov 2026 sampai 22 Nov 2026"
    assert (
        mail.get_payload(decode=True).decode().splitlines()[-1]
        == "https://lumbung.example.id/iph?per=2026-11-22"
    )
