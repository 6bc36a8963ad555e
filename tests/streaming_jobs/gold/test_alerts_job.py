"""gold.alerts over a real lake: rows follow from the lake alone, and nothing is written without a change."""

import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import append_rows, empty_table, open_table, read_rows, replace_rows
from streaming_jobs.gold.alerts import TABLE, Alerts
from streaming_jobs.gold.runner import BackgroundJobs, is_prompt, make_jobs
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


def test_prompt_job_runs_between_two_rounds(lake: Path, monkeypatch: pytest.MonkeyPatch):
    prompt = [job.name for job in make_jobs() if is_prompt(job)]
    assert prompt == ["alerts"]
    work = BackgroundJobs([Alerts()], threading.Event())
    reported(1, "bawang-putih", dict.fromkeys(range(8), 40000.0) | {8: 60_000.0})
    monkeypatch.setattr("streaming_jobs.gold.runner.PROMPT_SECONDS", 0.05)
    work.pause(0.2)
    assert len(rows()) == 1
