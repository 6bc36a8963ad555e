"""Alerts of stocks from rows of gold.stock_days, against courses that can be followed by eye."""

from datetime import date, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.alerts.messages import day_text
from lakehouse.alerts.stock_alerts import stock_alerts
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts

FIRST = date(2024, 6, 1)
COVER = {"r": ("red", 1.5), "a": ("amber", 5.0), "g": ("green", 12.0), "o": ("oversupply", 90.0)}


def held(course: str, **more: Any) -> list[dict[str, Any]]:
    """A letter a day: the first of the stock's level; a dot: no outflow, so no level."""
    rows = []
    for nth, letter in enumerate(course):
        level, cover = COVER.get(letter, (None, None))
        rows.append(
            {
                "entity_id": "GUDANG-1",
                "commodity": "bawang-merah",
                "region_code": "32",
                "region": "Jawa Barat",
                "quantity_kg": 1500.0,
                "market_date": FIRST + timedelta(nth),
                "cover_level": level,
                "days_of_cover": cover,
                **more,
            }
        )
    return rows


def alerts(*courses: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = [row for course in courses for row in course]
    return stock_alerts(pa.Table.from_pylist(rows, schema=arrow_schema(contracts()["gold.stock_days"])), 3.0)


def test_red_stock_alerts_at_once_with_a_full_message():
    (alert,) = alerts(held("ggr"))
    assert (alert["rule"], alert["state"], alert["level"]) == ("stock_cover", "active", "siaga")
    assert (alert["source_id"], alert["value"]) == ("GUDANG-1", 1.5)
    assert alert["respond_by"] - alert["active_at"] == timedelta(hours=72)
    assert alert["message"] == (
        "Bawang Merah of GUDANG-1 in Jawa Barat: 1,500 kg on 3 Jun 2024, enough for 1.5 days. "
        "It fell below 3.0 days on 3 Jun 2024."
    )
    assert "1.500 kg pada 3 Jun 2024, cukup untuk 1,5 hari" in alert["message_indonesian"]


def test_green_days_end_it_and_amber_ones_do_not():
    assert [alert["state"] for alert in alerts(held("r" + "a" * 20))] == ["active"]
    assert [alert["state"] for alert in alerts(held("raaaaaggo"))] == ["cleared"]
    assert [alert["state"] for alert in alerts(held("rgg" + "." * 20))] == ["active"]
    assert alerts(held("aggo.")) == []


def test_unexplained_stock_is_an_alert_of_its_own():
    lost = held("g", residual_level="error", residual_pct=-30.0)
    (alert,) = alerts(lost)
    assert (alert["rule"], alert["level"], alert["value"]) == ("stock_unexplained", "waspada", -30.0)
    assert "the stock changed by -30.0 % that deliveries do not explain" in alert["message"]


def test_unexplained_change_keeps_its_day_while_later_days_are_explained():
    lost, *explained = held("ggg", residual_level="explained", residual_pct=0.0)
    (alert,) = alerts([lost | {"residual_level": "error", "residual_pct": -30.0}, *explained])
    assert (alert["state"], alert["value"]) == ("active", -30.0)
    assert f"on {day_text(lost['market_date'], 'en')} the stock changed by -30.0 %" in alert["message"]


def test_holders_and_commodities_are_followed_apart():
    rows = alerts(held("r"), held("r", entity_id="GUDANG-2"), held("r", commodity="bawang-putih"))
    assert len({alert["alert_id"] for alert in rows}) == 3


@given(st.text("rag.", max_size=60))
def test_stock_that_swings_around_its_limit_alerts_once_a_week_at_most(course: str):
    active = [alert["active_at"] for alert in alerts(held(course))]
    assert all(
        later - earlier >= timedelta(days=7) for earlier, later in zip(active, active[1:], strict=False)
    )
