"""gold.alerts over a real lake: rows follow from the lake alone, and nothing is written without a change."""

import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from conf.settings import Settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import append_rows, empty_table, open_table, read_rows, replace_rows
from streaming_jobs.gold import alerts
from streaming_jobs.gold.alerts import TABLE, Alerts
from streaming_jobs.gold.runner import BackgroundJobs, is_prompt, make_jobs
from streaming_jobs.gold.silent_series import SilentSeries
from tests.support.daily_prices_lake import row

FIRST = date(2024, 6, 1)
BATCH = datetime(2024, 7, 1, tzinfo=UTC)


def land(table: str, rows: list[dict[str, Any]], upto: datetime | None = None) -> None:
    """Append rows; missing columns are null."""
    schema = arrow_schema(contracts()[table])
    append_rows(table, pa.Table.from_pylist(rows, schema=schema), "{}", upto)


def reported(nth: int, commodity: str, prices: dict[int, float]) -> None:
    """The prices of one batch, in silver and as daily prices of Jawa Barat."""
    time = BATCH + timedelta(minutes=nth)
    days = [row(commodity, "32", FIRST + timedelta(day), price) for day, price in prices.items()]
    events = [
        {
            "event_id": f"{nth}-{commodity}-{day['market_date']}",
            "commodity": commodity,
            "market_date": day["market_date"],
            "market_month": f"{day['market_date']:%Y-%m}",
            "ingested_at": time,
        }
        for day in days
    ]
    land("silver.prices", events)
    land("gold.daily_prices", days, upto=time)


def act(name: str, alert_id: str, **more: Any) -> dict[str, Any]:
    fields = {"act": name, "alert_id": alert_id, "actor": "operator", "event_id": f"{name}-{alert_id}"}
    return {**fields, "event_time": BATCH, "event_month": "2024-07", "ingested_at": BATCH, **more}


def rows() -> dict[str, dict[str, Any]]:
    return {alert["alert_id"]: alert for alert in read_rows(TABLE).to_pylist()}


def test_table_follows_prices_acts_and_silence_and_is_the_same_from_the_beginning(lake: Path):
    job = Alerts()
    reported(1, "bawang-putih", dict.fromkeys(range(8), 40000.0) | {8: 60_000.0})
    job.refresh()
    (alert,) = rows().values()
    assert (alert["rule"], alert["state"], alert["commodity"]) == ("price_level", "active", "bawang-putih")
    version = open_table(TABLE).version()
    job.refresh()
    reported(2, "garam", dict.fromkeys(range(16), 10000.0))
    job.refresh()
    assert rows()[alert["alert_id"]]["stale"], "its series has ended a week before the newest day"
    assert open_table(TABLE).version() == version + 1

    land("silver.alert_events", [act("acknowledge", alert["alert_id"], note="seen")])
    land(
        "silver.alert_events",
        [act("raise", "al-own", commodity="garam", level="siaga", message="gudang kosong")],
    )
    source = {"series_kind": "market", "series_id": "PASAR-001", "replayed": False, "silent": True}
    times = {
        "last_event_time": BATCH,
        "since": BATCH + timedelta(hours=1),
        "clock": BATCH + timedelta(hours=2),
    }
    silence = pa.Table.from_pylist([source | times], schema=arrow_schema(contracts()["gold.silent_series"]))
    replace_rows("gold.silent_series", silence)
    job.refresh()
    states = sorted((each["rule"], each["state"]) for each in rows().values())
    assert states == [("manual", "active"), ("price_level", "acknowledged"), ("silent_market", "active")]
    reported(3, "bawang-putih", {9 + day: 60_000.0 for day in range(12)})
    job.refresh()
    assert rows()[alert["alert_id"]]["state"] == "cleared"
    assert rows()[alert["alert_id"]]["note"] == "seen"

    before = rows()
    empty_table(TABLE)
    Alerts().refresh()
    assert rows() == before
    version = open_table(TABLE).version()
    Alerts().refresh()
    assert open_table(TABLE).version() == version, "the same rows are not written again"


def test_silence_alert_is_cleared_with_a_time_when_the_source_reports_again(lake: Path):
    """From silver.sensors over gold.silent_series to gold.alerts, and again from the beginning."""
    minute = timedelta(minutes=1)

    def arrived(at: datetime, *times: datetime) -> None:
        own = {
            "market_id": "PASAR-001",
            "device_id": "DEV-7",
            "device_id_hash": "9f86",
            "source": "mqtt:D",
            "region_code": "32",
            "ingested_at": at,
        }
        months = ({"event_time": time, "market_month": f"{time:%Y-%m}"} for time in times)
        land("silver.sensors", [{**own, **month} for month in months])
        land("gold.balance", [{"ingested_at": at, "kind": "sensor"}])
        SilentSeries().refresh()
        job.refresh()

    job = Alerts()
    last = BATCH - timedelta(hours=1)
    arrived(BATCH, *(last - nth * minute for nth in range(100)))
    (opened,) = rows().values()
    assert (opened["rule"], opened["state"], opened["closed_at"]) == ("silent_device", "active", None)
    assert (opened["market_id"], opened["source_id"]) == ("PASAR-001", "DEV-7")
    land("silver.alert_events", [act("acknowledge", opened["alert_id"], note="battery")])
    arrived(BATCH + minute)
    assert rows()[opened["alert_id"]]["state"] == "acknowledged", "nothing was reported: it stays open"
    arrived(BATCH + 5 * minute, BATCH + 4 * minute)
    cleared = rows()[opened["alert_id"]]
    assert (cleared["state"], cleared["closed_at"]) == ("cleared", BATCH + 5 * minute)
    assert (cleared["opened_at"], cleared["note"]) == (opened["opened_at"], "battery")

    arrived(BATCH + timedelta(hours=2))
    states = sorted(each["state"] for each in rows().values())
    assert states == ["active", "cleared"], "the next silence is an alert of its own"
    before = rows()
    empty_table(TABLE)
    Alerts().refresh()
    assert rows() == before


def test_alerts_follow_issued_risks_and_stocks(lake: Path):
    job = Alerts()
    reported(1, "bawang-putih", dict.fromkeys(range(8), 40000.0))
    job.refresh()
    assert rows() == {}
    issued = [
        {
            "commodity": "bawang-putih",
            "region_code": "32",
            "market_date": FIRST + timedelta(day),
            "risk": 70.0,
        }
        for day in range(5, 8)
    ]
    land("gold.risk_scores", issued)
    job.refresh()
    (by_risk,) = rows().values()
    assert (by_risk["rule"], by_risk["state"], by_risk["risk_score"]) == ("risk", "active", 70.0)
    stock = {"entity_id": "GUDANG-1", "commodity": "bawang-merah", "cover_level": "red", "days_of_cover": 1.0}
    days = [{**stock, "quantity_kg": 5.0, "market_date": FIRST + timedelta(day)} for day in range(2)]
    land("gold.stock_days", days)
    job.refresh()
    assert sorted(each["rule"] for each in rows().values()) == ["risk", "stock_cover"]
    before = rows()
    empty_table(TABLE)
    Alerts().refresh()
    assert rows() == before


def rhythms(clock: datetime, **last: datetime) -> None:
    """gold.silent_series with devices of a reading a minute, at a batch; each is silent after 45 minutes."""
    rows_of = []
    for name, time in last.items():
        since = time + timedelta(minutes=45)
        fields = {"series_kind": "device", "series_id": name, "replayed": False, "cadence_seconds": 900.0}
        times = {"last_event_time": time, "clock": clock, "silent": clock > since}
        rows_of.append(fields | times | {"since": since if clock > since else None})
    replace_rows(
        "gold.silent_series",
        pa.Table.from_pylist(rows_of, schema=arrow_schema(contracts()["gold.silent_series"])),
    )


def open_rules() -> list[str]:
    return sorted(alert["rule"] for alert in rows().values() if alert["state"] == "active")


def test_silence_of_everything_is_one_alert_and_the_first_event_after_it_blames_nobody_yet(lake: Path):
    """The lake sees no batch then, so the clock of the machine decides."""
    now = BATCH
    job = Alerts(lambda: now)
    minute = timedelta(minutes=1)
    rhythms(BATCH, a=BATCH - 50 * minute, b=BATCH, c=BATCH)
    job.refresh()
    assert open_rules() == ["silent_device"]
    now = BATCH + 45 * minute
    job.refresh()
    assert open_rules() == ["silent_device"]
    now = BATCH + 46 * minute
    job.refresh()
    assert open_rules() == ["silent_all", "silent_device"]
    (total,) = (alert for alert in rows().values() if alert["rule"] == "silent_all")
    begin = "Nothing has arrived since 1 Jul 2024, 07:00 WIB: most of the 3 devices and markets"
    assert total["message"].startswith(begin)
    assert (total["level"], total["opened_at"]) == ("kritis", BATCH + 45 * minute)
    version = open_table(TABLE).version()
    job.refresh()
    again = Alerts(lambda: now)
    again.refresh()
    assert open_table(TABLE).version() == version, "a restart does not end it"
    back = BATCH + 60 * minute
    rhythms(back, a=BATCH - 50 * minute, b=BATCH, c=back)
    again.refresh()
    assert open_rules() == ["silent_device"], "the one that was silent before"
    rhythms(back + 45 * minute, a=BATCH - 50 * minute, b=BATCH, c=back + 45 * minute)
    again.refresh()
    assert open_rules() == ["silent_device"]
    rhythms(back + 46 * minute, a=BATCH - 50 * minute, b=BATCH, c=back + 46 * minute)
    again.refresh()
    assert open_rules() == ["silent_device"] * 2


def test_jobs_that_begin_after_a_long_stop_wait_for_the_first_events(lake: Path):
    now = BATCH + timedelta(days=2)
    job = Alerts(lambda: now)
    rhythms(BATCH, a=BATCH)
    job.refresh()
    now += timedelta(minutes=45)
    job.refresh()
    assert open_rules() == []
    now += timedelta(minutes=1)
    job.refresh()
    assert open_rules() == ["silent_all"]


@pytest.mark.parametrize(("threshold", "number"), [("70", 1), ("71", 0)])
def test_threshold_of_the_environment_decides_which_risk_opens_an_alert(
    lake: Path, monkeypatch: pytest.MonkeyPatch, threshold: str, number: int
):
    monkeypatch.setenv("ALERT_THRESHOLD", threshold)
    changed = Settings()
    monkeypatch.setattr(alerts, "settings", lambda: changed)
    reported(1, "bawang-putih", dict.fromkeys(range(8), 40000.0))
    issued = {"commodity": "bawang-putih", "region_code": "32", "risk": 70.0}
    land("gold.risk_scores", [issued | {"market_date": FIRST + timedelta(day)} for day in range(5, 8)])
    Alerts().refresh()
    assert len(rows()) == number


def live(nth: int, price: float, **more: Any) -> None:
    """The newest price of a market, in a batch of its own, and that of its market day before."""
    day = (BATCH + timedelta(days=nth)).date()
    of_series = {"market_id": "PASAR-001", "commodity": "garam", "channel": "retail", "provider": "market"}
    place = {"region_code": "32", "region": "Jawa Barat", "unit": "kg", "level": "market"}
    newest = {"price_idr": price, "market_date": day, "previous_market_date": day - timedelta(days=1)}
    newest |= {"change_pct": 100 * (price / 10_000 - 1), "previous_price_idr": 10_000.0}
    schema = arrow_schema(contracts()["gold.live_prices"])
    table = pa.Table.from_pylist([of_series | place | newest | more], schema=schema)
    replace_rows("gold.live_prices", table)
    land("gold.daily_prices", [], upto=BATCH + timedelta(days=nth, hours=4))


def test_jump_of_one_market_rings_at_once_and_is_over_with_its_next_price(lake: Path):
    job = Alerts()
    live(1, 13_900.0)
    job.refresh()
    assert rows() == {}, "39 %"
    live(2, 15_700.0)
    job.refresh()
    (alert,) = rows().values()
    assert (alert["rule"], alert["state"], alert["level"]) == ("market_jump", "active", "kritis")
    assert (alert["market_id"], alert["price_idr"], round(alert["value"])) == ("PASAR-001", 15_700, 57)
    assert (alert["risk_score"], alert["risk_reason"]) == (None, "no_daily_price")
    assert "57.0 % more than on 2 Jul 2024" in alert["message"]
    raised_at = BATCH + timedelta(days=2, hours=4)
    assert (alert["market_date"], alert["opened_at"]) == (date(2024, 7, 3), raised_at)
    land("silver.alert_events", [act("acknowledge", alert["alert_id"], note="asked")])
    live(3, 11_000.0)
    job.refresh()
    (over,) = rows().values()
    assert (over["state"], over["note"]) == ("cleared", "asked")
    assert over["closed_at"] == BATCH + timedelta(days=3, hours=4)
    live(40, 20_000.0, previous_market_date=BATCH.date())
    job.refresh()
    assert len(rows()) == 1, "a price of a month ago is no level to jump from"


def held(offset: int, price: float, **more: Any) -> dict[str, Any]:
    payload = f'{{"price": {price}}}'.encode()
    place = {"topic": "lumbung.price", "partition": 0, "offset": offset, "generation": 0}
    names = {"kind": "price", "source": "mqtt:D", "market_id": "PASAR-001", "commodity": "Garam"}
    at = BATCH + timedelta(minutes=offset)
    times = {"quarantined_at": at, "ingest_date": at.date(), "received_at": at}
    reasons = [{"rule": "outlier_residual", "severity": "error", "message": "moved far"}]
    return {**place, **names, **times, "payload": payload, "reasons": reasons, **more}


def test_price_that_is_held_back_rings_until_it_is_decided(lake: Path):
    job = Alerts()
    live(0, 10_500.0)
    harmless = [
        held(1, 21_900.0, source="file:a.csv#1"),
        held(2, 21_900.0, reasons=[{"rule": "price_required", "severity": "error", "message": ""}]),
        held(3, 21_900.0, market_id="PASAR-XYZ"),
        held(4, 14_000.0),
        held(5, 4_000.0, commodity="no such thing"),
        held(6, 21_900.0, kind="stock"),
    ]
    land("silver.quarantine", harmless)
    job.refresh()
    assert rows() == {}
    land("silver.quarantine", [held(10, 22_000.0), held(11, 22_050.0)])
    job.refresh()
    (alert,) = rows().values()
    assert (alert["rule"], alert["state"], alert["price_idr"]) == ("held_price", "active", 22_050)
    assert alert["opened_at"] == BATCH + timedelta(minutes=4), "since its first undecided price of the day"
    assert alert["market_date"] is None and round(alert["value"]) == 110
    decided = ({"target_record": f"lumbung.price:0:{offset}", "generation": 0} for offset in (4, 10, 11))
    land("gold.reviews", [row | {"decided_at": BATCH} for row in decided])
    job.refresh()
    assert [each["state"] for each in rows().values()] == ["cleared"]


def test_alert_was_raised_by_its_batch_and_not_at_midnight(lake: Path):
    """One of history that is read later was raised at the end of its day."""
    job = Alerts()
    early = dict.fromkeys(range(8), 40000.0) | {8: 60_000.0}
    reported(1, "bawang-putih", early)
    job.refresh()
    (old,) = rows().values()
    assert (old["market_date"], old["opened_at"]) == (date(2024, 6, 9), datetime(2024, 6, 9, 17, tzinfo=UTC))
    reported(2, "garam", {day + 21: price for day, price in early.items()})
    job.refresh()
    (new,) = (alert for alert in rows().values() if alert["commodity"] == "garam")
    assert (new["market_date"], new["opened_at"]) == (date(2024, 6, 30), BATCH + timedelta(minutes=2))
    reported(3, "garam", {30: 60_000.0})
    job.refresh()
    assert rows()[new["alert_id"]]["opened_at"] == new["opened_at"], "it stays"
    assert new["risk_reason"] == "not_issued"


class AlertsOnce(Alerts):
    """The job; its first run ends the pause."""

    def __init__(self, stopping: threading.Event) -> None:
        super().__init__()
        self.stopping = stopping

    def refresh(self) -> None:
        super().refresh()
        self.stopping.set()


def test_prompt_job_runs_between_two_rounds(lake: Path):
    prompt = [job.name for job in make_jobs() if is_prompt(job)]
    assert prompt == ["signals", "retail", "trades", "indicators", "alerts", "signal_outcomes"]
    stopping = threading.Event()
    work = BackgroundJobs([AlertsOnce(stopping)], stopping)
    reported(1, "bawang-putih", dict.fromkeys(range(8), 40000.0) | {8: 60_000.0})
    work.pause(3600)
    assert len(rows()) == 1
