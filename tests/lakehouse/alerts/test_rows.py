"""Rows of alerts from daily prices, silent sources and acts of people, against values computed by hand."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from lakehouse.alerts.rows import (
    Risks,
    manual_alerts,
    price_alerts,
    with_acknowledgements,
    with_staleness,
)
from lakehouse.alerts.silence_rules import silence_alerts
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.reference import markets
from tests.support.daily_prices_lake import row

LEVELS = {"naik": 5.0, "waspada": 8.0, "siaga": 12.0, "kritis": 20.0}
FIRST = date(2024, 6, 1)
NOW = datetime(2024, 7, 1, tzinfo=UTC)


def daily(prices: list[float | None], commodity: str = "bawang-putih", **more: Any) -> pa.Table:
    """A price a day in Jawa Barat; None: no report."""
    rows = [
        row(commodity, "32", FIRST + timedelta(day), price) | more
        for day, price in enumerate(prices)
        if price is not None
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(contracts()["gold.daily_prices"]))


def test_rise_becomes_active_on_its_third_day_with_a_full_message():
    # 8 days at 40,000, then three at 46,000: 15 % above the price 7 days before.
    (alert,) = price_alerts(daily([40_000.0] * 8 + [46_000.0] * 3), LEVELS)
    assert (alert["rule"], alert["state"], alert["level"], alert["tier"]) == (
        "price_level",
        "active",
        "siaga",
        1,
    )
    assert alert["opened_at"] == datetime(2024, 6, 8, 17, tzinfo=UTC)  # midnight of 9 June in Jakarta
    assert alert["active_at"] == datetime(2024, 6, 10, 17, tzinfo=UTC)
    assert alert["respond_by"] == datetime(2024, 6, 11, 17, tzinfo=UTC)
    assert alert["message"] == (
        "Bawang Putih in Jawa Barat costs Rp\u00a046,000 per kg on 11 Jun 2024. "
        "Since 9 Jun 2024 its rise over 7 days has reached 15.0 %."
    )
    assert alert["message_indonesian"] == (
        "Bawang Putih di Jawa Barat seharga Rp\u00a046.000 per kg pada 11 Jun 2024. "
        "Sejak 9 Jun 2024 kenaikannya dalam 7 hari mencapai 15,0 %."
    )
    assert "operasi pasar" in alert["action_indonesian"]


def test_short_spike_and_steady_rise_alert_nobody():
    spike = price_alerts(daily([40_000.0] * 8 + [46_000.0] * 2 + [40_000.0]), LEVELS)
    assert [(alert["state"], alert["respond_by"]) for alert in spike] == [("self_corrected", None)]
    assert price_alerts(daily([40_000.0 * 1.01**day for day in range(30)]), LEVELS) == []


def test_critical_rise_is_active_at_once_and_cleared_with_its_outcome():
    prices = [40_000.0] * 8 + [60_000.0] * 8 + [66_000.0] + [60_000.0] * 3
    (alert,) = price_alerts(daily(prices), LEVELS)
    assert (alert["state"], alert["level"]) == ("cleared", "kritis")
    assert alert["active_at"] == alert["opened_at"] and alert["outcome_pct"] == 0.0
    assert alert["closed_at"] == alert["updated_at"]


def test_day_with_few_reports_opens_nothing():
    """Sample noise: one reporter of ten pushes the median up."""
    rows = daily([40_000.0] * 10).to_pylist()
    counts = [{**day, "observations": 10} for day in rows[:9]] + [
        {**rows[9], "observations": 2, "median_price_idr": 60_000.0}
    ]
    table = pa.Table.from_pylist(counts, schema=arrow_schema(contracts()["gold.daily_prices"]))
    assert price_alerts(table, LEVELS) == []


def test_market_prices_are_followed_unless_they_ended():
    province = daily([40_000.0] * 20)
    market = daily([40_000.0] * 8 + [60_000.0], level="market", provider="market")
    assert price_alerts(pa.concat_tables([province, market]), LEVELS) == []
    later = daily([40_000.0] * 8 + [60_000.0] * 8, level="market", provider="market")
    assert len(price_alerts(pa.concat_tables([province, later]), LEVELS)) == 1


def test_same_prices_give_the_same_rows():
    prices = daily([40_000.0] * 8 + [60_000.0] * 3)
    shuffled = prices.take(list(reversed(range(prices.num_rows))))
    assert price_alerts(prices, LEVELS) == price_alerts(shuffled, LEVELS)


def test_open_alert_without_data_for_a_week_is_stale_and_stays_open():
    alerts = price_alerts(daily([40_000.0] * 8 + [60_000.0]), LEVELS)
    last = FIRST + timedelta(8)
    for days, stale in ((6, False), (7, True), (400, True)):
        (alert,) = with_staleness(alerts, last + timedelta(days))
        assert alert["stale"] is stale and alert["state"] == "active"


def silent(**more: Any) -> dict[str, Any]:
    last = NOW - timedelta(hours=5)
    return {
        "series_kind": "market",
        "series_id": "PASAR-001",
        "region_code": "32",
        "replayed": False,
        "silent": True,
        "last_event_time": last,
        "since": NOW - timedelta(hours=1),
        "clock": NOW,
        **more,
    }


def test_silent_live_source_is_an_alert_at_once():
    (alert,) = silence_alerts([silent(), silent(replayed=True), silent(silent=False, since=None)])
    assert (alert["rule"], alert["level"], alert["state"]) == ("silent_market", "info", "active")
    assert alert["message"].endswith("has sent no price since 1 Jul 2024, 02:00 WIB.")
    (device,) = silence_alerts([silent(series_kind="device", series_id="9f86", region_code=None)])
    assert device["source_id"] == "9f86" and device["market_id"] is None
    unnamed = silent(series_kind="device", series_id="9f86", region_code=None)
    (named,) = silence_alerts([unnamed], devices={"9f86": ("PASAR-001", "DEV-7")})
    assert (named["market_id"], named["source_id"]) == ("PASAR-001", "DEV-7")
    assert named["alert_id"] == device["alert_id"], "its acknowledgement stays"
    market = markets()["PASAR-001"].name
    assert named["message"].startswith(f"A device of {market} in") and "DEV-7" not in named["message"]
    assert "tempat yang tidak diketahui" in device["message_indonesian"]


def act(name: str, alert: str, hours: float, **more: Any) -> dict[str, Any]:
    absent = dict.fromkeys(("market_id", "region_code", "region", "risk_score", "note"))
    own = (
        {"level": "siaga", "commodity": "bawang-merah", "message": "gudang kosong"} if name == "raise" else {}
    )
    at = NOW + timedelta(hours=hours)
    return {**absent, "act": name, "alert_id": alert, "actor": "operator", "event_time": at, **own, **more}


def test_alert_of_a_person_is_active_at_once_and_a_repeat_updates_it():
    acts = [
        act("raise", "al-1", 0),
        act("raise", "al-2", 1, level="kritis"),
        act("raise", "al-3", 2, region_code="32"),
    ]
    first, elsewhere = manual_alerts(acts, NOW)
    assert (first["alert_id"], first["level"], first["state"]) == ("al-1", "kritis", "active")
    assert first["opened_at"] == NOW and first["updated_at"] == NOW + timedelta(hours=1)
    assert elsewhere["alert_id"] == "al-3"


def test_acknowledged_alert_of_a_person_is_cleared_after_a_week():
    acts = [act("raise", "al-1", 0), act("acknowledge", "al-1", 1, note="seen")]
    (seen,) = manual_alerts(acts, NOW + timedelta(days=7))
    assert (seen["state"], seen["note"], seen["tier"]) == ("acknowledged", "seen", 3)
    (done,) = manual_alerts(acts, NOW + timedelta(days=8))
    assert done["state"] == "cleared" and done["closed_at"] == NOW + timedelta(days=7, hours=1)
    (again,) = [
        row
        for row in manual_alerts([*acts, act("raise", "al-2", 200)], NOW + timedelta(days=9))
        if row["state"] == "active"
    ]
    assert again["alert_id"] == "al-2"


def test_first_acknowledgement_counts_and_changes_active_alerts_only():
    alerts = price_alerts(daily([40_000.0] * 8 + [60_000.0] * 3), LEVELS)
    acts = [
        act("acknowledge", alerts[0]["alert_id"], 1),
        act("acknowledge", alerts[0]["alert_id"], 2, actor="central"),
    ]
    (seen,) = with_acknowledgements(alerts, acts)
    assert (seen["state"], seen["acknowledged_by"]) == ("acknowledged", "operator")
    assert seen["updated_at"] == NOW + timedelta(hours=1)
    cleared = [{**alerts[0], "state": "cleared"}]
    assert with_acknowledgements(cleared, acts)[0]["state"] == "cleared"


def risks(values: list[float], first: int) -> Risks:
    """Risks of Jawa Barat from day `first` on, with the threshold 60."""
    begin = (FIRST - date(1970, 1, 1)).days + first
    return Risks(60.0, {("32", begin + nth): value for nth, value in enumerate(values)})


def test_high_risk_alerts_on_its_third_day_and_ends_below_its_exit():
    flat = daily([40_000.0] * 20)
    (pending,) = price_alerts(flat, LEVELS, risks([70.0] * 2, 18))
    assert (pending["rule"], pending["state"], pending["risk_score"]) == ("risk", "pending", 70.0)
    course = [60.0, 75.0, 64.0, 59.9] + [36.0] * 4 + [35.9] * 3
    (done,) = price_alerts(flat, LEVELS, risks(course, 5))
    assert (done["state"], done["level"], done["value"]) == ("cleared", "waspada", 35.9)
    (still,) = price_alerts(flat, LEVELS, risks([*course[:-1], 36.0], 5))
    assert still["state"] == "active", "below 60 and not below 36 neither opens nor ends it"
    assert "has reached 75.0 %" in still["message"] and "mencapai 75,0 %" in still["message_indonesian"]
    assert price_alerts(flat, LEVELS, risks([59.9] * 20, 0)) == []


def test_risk_of_a_day_without_a_price_is_not_counted():
    prices: list[float | None] = [40_000.0] * 10 + [None] * 5
    assert price_alerts(daily(prices), LEVELS, risks([90.0] * 5, 10)) == []


def test_price_alert_shows_the_risk_of_its_newest_day_if_one_was_issued():
    prices = daily([40_000.0] * 8 + [46_000.0] * 3)
    (without,) = price_alerts(prices, LEVELS)
    (with_risk,) = price_alerts(prices, LEVELS, risks([20.0, 21.0, 22.5], 8))
    assert without["risk_score"] is None and with_risk["risk_score"] == 22.5


def test_rise_of_the_feast_alone_opens_nothing_and_one_that_lasts_does():
    """Idul Fitri was on 10 April 2024: 9 to 13 April do not count."""
    begin = date(2024, 4, 1) - FIRST

    def april(prices: list[float]) -> list[dict[str, Any]]:
        rows = daily(prices).to_pylist()
        moved = [{**row, "market_date": row["market_date"] + begin} for row in rows]
        schema = arrow_schema(contracts()["gold.daily_prices"])
        return price_alerts(pa.Table.from_pylist(moved, schema=schema), LEVELS)

    before = [40_000.0] * 8
    assert april([*before, *[60_000.0] * 5, *[40_000.0] * 10]) == []
    (lasting,) = april([*before, *[60_000.0] * 7])
    assert f"{lasting['active_at']:%m-%d}" == "04-13", "midnight of 14 April in Jakarta"
