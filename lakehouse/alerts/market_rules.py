"""Alerts about one market's newest price: it jumped within days, or it jumped so far that it is held back.

The rules on daily prices follow the median of a province, which moves when half of its markets have reported.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from lakehouse.alerts.messages import UNKNOWN_PLACE, Value, texts_of
from lakehouse.alerts.price_rules import level_of, rule_version
from lakehouse.alerts.rows import RESPONSE_HOURS, Row, active_since, alert_id, day_begin
from lakehouse.event import lenient_payload
from lakehouse.reference import commodities, commodity_aliases, markets, matching_key

JUMP_DAYS = 7  # at most between the two prices that are compared
HELD_DAYS = 28  # a price that is held for longer is not followed any more
JUMP = "market_jump"
HELD = "held_price"
Place = tuple[str, str]  # market and commodity


def jump_alerts(
    live: Iterable[Mapping[str, Any]], limit_pct: float, levels: Mapping[str, float]
) -> list[Row]:
    """Alerts of markets whose newest price rose by `limit_pct` over that of the market day before.

    `live`: rows of gold.live_prices. Active at once.
    """
    return [
        _jump_alert(row, limit_pct, levels)
        for row in live
        if row["change_pct"] is not None
        and row["change_pct"] >= limit_pct
        and (row["market_date"] - row["previous_market_date"]).days <= JUMP_DAYS
    ]


def _jump_alert(row: Mapping[str, Any], limit_pct: float, levels: Mapping[str, float]) -> Row:
    begin = day_begin(row["market_date"], row["region_code"])
    series = (row["market_id"], row["commodity"], row["channel"], row["provider"])
    texts = {"day": row["market_date"], "since": row["previous_market_date"]}
    return {
        **_market_alert(JUMP, row, row["price_idr"], row["change_pct"], texts, levels),
        "alert_id": alert_id(JUMP, *series, row["market_date"]),
        "rule_version": rule_version(JUMP, {"limit_pct": limit_pct}),
        "market_date": row["market_date"],
        **_times(JUMP, begin),
    }


def ended(before: Iterable[Row], now: Iterable[Row], at: datetime) -> list[Row]:
    """The alerts that were stated and do not hold any more, as cleared at that time.

    For rules that only know what holds now. `before`: their rows of gold.alerts.
    """
    lasting = {row["alert_id"] for row in now}
    closed = {"state": "cleared", "updated_at": at, "closed_at": at}
    return [
        row if row["state"] == "cleared" else row | closed for row in before if row["alert_id"] not in lasting
    ]


def held_alerts(
    held: Iterable[Mapping[str, Any]],
    live: Mapping[Place, Mapping[str, Any]],
    limit_pct: float,
    levels: Mapping[str, float],
) -> list[Row]:
    """Alerts of undecided prices that are `limit_pct` above the last accepted one of their market.

    One for each market, commodity and day of arrival. `held`: market_id, commodity as given, day, first_at,
    payload of the newest; `live`: rows of gold.live_prices.
    """
    alerts: dict[str, Row] = {}
    for row in held:
        commodity = commodity_aliases().get(matching_key(row["commodity"] or ""))
        known = live.get((row["market_id"], commodity or ""))
        payload = lenient_payload(row["payload"] or b"")
        price = payload.get("price") if isinstance(payload, dict) else None
        if known is None or not isinstance(price, int | float):
            continue
        rise = 100 * (price / known["price_idr"] - 1)
        if rise < limit_pct:
            continue
        since: datetime = row["first_at"]
        texts = {"since": since}
        alert = {
            **_market_alert(HELD, known, float(price), rise, texts, levels),
            "alert_id": alert_id(HELD, known["market_id"], known["commodity"], row["day"]),
            "rule_version": rule_version(HELD, {"limit_pct": limit_pct}),
            **_times(HELD, since),
        }
        alerts.setdefault(alert["alert_id"], alert)
    return list(alerts.values())


def _times(rule: str, begin: datetime) -> Row:
    return active_since(begin) | {"respond_by": begin + timedelta(hours=RESPONSE_HOURS[rule])}


def _market_alert(
    rule: str,
    row: Mapping[str, Any],
    price: float,
    rise: float,
    texts: Mapping[str, Value],
    levels: Mapping[str, float],
) -> Row:
    """What both rules state. `row`: of gold.live_prices."""
    market = markets().get(row["market_id"])
    named = {
        "commodity": commodities()[row["commodity"]].name,
        "source": market.name if market else row["market_name"] or row["market_id"],
        "place": row["region"] or UNKNOWN_PLACE,
        "price": price,
        "unit": row["unit"],
        "peak": rise,
    }
    return {
        "rule": rule,
        "tier": 1,
        **{name: row[name] for name in ("commodity", "market_id", "region_code", "region")},
        "level": level_of(rise, levels),
        "value": rise,
        "price_idr": price,
        **texts_of(rule, {**named, **texts}),
    }
