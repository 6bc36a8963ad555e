"""Rows of gold.alerts: from daily prices, from silent sources, and from what people did."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from lakehouse.alerts.lifecycle import (
    OPEN_STATES,
    STALE_DAYS,
    Interval,
    Observed,
    acknowledged,
    intervals,
    tier,
)
from lakehouse.alerts.messages import UNKNOWN_PLACE, texts_of
from lakehouse.alerts.price_rules import PriceRule, level_of, price_rules, rule_version, thin_days
from lakehouse.gold.price_panel import Floats, PricePanel, panels
from lakehouse.reference import DEFAULT_TIMEZONE, commodities, markets, provinces

Row = dict[str, Any]
EPOCH = date(1970, 1, 1)
CHANNEL = "retail"
OUTCOME_DAYS = (3, 7)  # after the day on which an alert became active
NATION = "Indonesia"
MANUAL_DAYS = 7  # an acknowledged alert of a person is cleared after them


def alert_id(rule: str, *series: object) -> str:
    """`al-` and 24 hexadecimal digits that follow from rule, series and first day."""
    text = "|".join(map(str, (rule, *series)))
    return "al-" + hashlib.sha256(text.encode()).hexdigest()[:24]


def day_begin(day: date, region_code: str | None) -> datetime:
    """Local midnight of a market day of the province, in UTC; of Jakarta without one."""
    province = provinces().get(region_code or "")
    zone = ZoneInfo(province.timezone if province else DEFAULT_TIMEZONE)
    return datetime.combine(day, time(), zone).astimezone(UTC)


def price_alerts(daily: pa.Table, levels: Mapping[str, float]) -> list[Row]:
    """Alerts of one commodity, of all its days.

    `daily`: its rows of gold.daily_prices, of the chosen providers. A province is followed by the prices of
    its markets, or by province-wide ones where those of its markets ended a week before them.
    """
    commodity = daily["commodity"][0].as_py()
    groups = [panel for panel in panels(daily) if panel.channel == CHANNEL]
    rows: list[Row] = []
    for panel in groups:
        is_thin = thin_days(panel)
        for rule in price_rules(panel, commodity, levels):
            for region in _regions(panel, groups):
                rows += _series_alerts(panel, rule, region, commodity, levels, is_thin)
    return rows


def _regions(panel: PricePanel, groups: Sequence[PricePanel]) -> Iterable[int]:
    """Regions (positions) whose series is the one of this panel's level."""
    for region in range(len(panel.regions)):
        newest = {other.level: _newest(other, region) for other in groups}
        if newest[panel.level] < 0:
            continue
        by_market = newest.get("market", -1)
        uses_markets = by_market >= 0 and newest.get("province", -1) - by_market < STALE_DAYS
        if uses_markets == (panel.level == "market"):
            yield region


def _newest(panel: PricePanel, region: int) -> int:
    """The newest day with a price; -1 without one."""
    return int(np.max(panel.days, where=np.isfinite(panel.price[region]), initial=-1))


def _series_alerts(
    panel: PricePanel, rule: PriceRule, region: int, commodity: str, levels: Mapping[str, float], is_thin: Any
) -> list[Row]:
    observed, values = rule.observed(panel, region, is_thin)
    return [
        _price_alert(panel, rule.name, region, commodity, levels, observed, values, interval)
        for interval in intervals(observed)
    ]


def _price_alert(
    panel: PricePanel,
    rule: str,
    region: int,
    commodity: str,
    levels: Mapping[str, float],
    observed: Observed,
    values: Floats,
    interval: Interval,
) -> Row:
    days = observed.days
    code = panel.regions[region]
    price = dict(zip(panel.days.tolist(), panel.price[region].tolist(), strict=True))
    opened, last = (EPOCH + timedelta(int(days[nth])) for nth in (interval.first, interval.last))
    active_day = None if interval.active is None else int(days[interval.active])
    peak = float(values[interval.first : interval.last + 1].max())
    is_open = interval.state in OPEN_STATES
    return {
        "alert_id": alert_id(rule, commodity, code, opened),
        "rule": rule,
        "rule_version": rule_version(rule, levels),
        "commodity": commodity,
        "region_code": code,
        "region": panel.names[region],
        "level": level_of(peak, levels),
        "state": interval.state,
        "tier": tier(None if active_day is None else int(days[interval.last]) - active_day + 1),
        "value": float(values[interval.last]),
        "price_idr": price[int(days[interval.last])],
        **texts_of(
            rule,
            {
                "commodity": commodities()[commodity].name,
                "place": panel.names[region],
                "price": price[int(days[interval.last])],
                "unit": panel.unit,
                "day": last.isoformat(),
                "peak": peak,
                "since": opened.isoformat(),
            },
        ),
        "opened_at": day_begin(opened, code),
        "active_at": None if active_day is None else day_begin(EPOCH + timedelta(active_day), code),
        "updated_at": day_begin(last, code),
        "closed_at": None if is_open else day_begin(last, code),
        "outcome_pct": None if active_day is None else _outcome_pct(price, active_day),
    }


def _outcome_pct(price: Mapping[int, float], active_day: int) -> float | None:
    first, last = OUTCOME_DAYS
    for days in range(last, first - 1, -1):
        later = price.get(active_day + days, np.nan)
        if np.isfinite(later):
            return float(100 * (later / price[active_day] - 1))
    return None


def silence_alerts(silent: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Alerts of live sources that are silent now, from rows of gold.silent_series; active at once."""
    return [
        _silence_alert(series)
        for series in silent
        if series["silent"] and not series["replayed"] and series["since"] is not None
    ]


def _silence_alert(series: Mapping[str, Any]) -> Row:
    rule = f"silent_{series['series_kind']}"
    market = markets().get(series["series_id"]) if series["series_kind"] == "market" else None
    code = series["region_code"]
    place = provinces()[code].name if code in provinces() else None
    last = series["last_event_time"]
    return {
        "alert_id": alert_id(rule, series["series_id"], last),
        "rule": rule,
        "rule_version": rule_version(rule, {}),
        "market_id": series["series_id"] if series["series_kind"] == "market" else None,
        "source_id": None if series["series_kind"] == "market" else series["series_id"],
        "region_code": code,
        "region": place,
        "level": "info",
        "state": "active",
        "tier": tier((series["clock"] - series["since"]).days + 1),
        **texts_of(
            rule,
            {
                "source": market.name if market else series["series_id"],
                "place": place or UNKNOWN_PLACE,
                "since": f"{last.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            },
        ),
        "opened_at": series["since"],
        "active_at": series["since"],
        "updated_at": series["since"],
    }


def manual_alerts(acts: Iterable[Mapping[str, Any]], now: datetime | None) -> list[Row]:
    """Alerts that people raised, active at once. `acts`: rows of silver.alert_events in order of time.

    A repeat for the same commodity and place updates the open one. It is cleared 7 days after a person has
    acknowledged it; `now`: the clock of the lake.
    """
    rows: dict[tuple[Any, ...], list[Row]] = {}
    by_id: dict[str, Row] = {}
    for act in acts:
        if act["act"] == "raise":
            series = rows.setdefault((act["commodity"], act["market_id"], act["region_code"]), [])
            if series and _manual_end(series[-1], act["event_time"]) is None:
                series[-1] |= _raised(act) | {"updated_at": act["event_time"]}
            else:
                series.append(_raised(act) | _opened(act))
            by_id.setdefault(act["alert_id"], series[-1])
        elif (alert := by_id.get(act["alert_id"])) and alert.get("acknowledged_at") is None:
            alert |= acknowledged(alert, act)
    return [_ended(alert, now) for series in rows.values() for alert in series]


def _raised(act: Mapping[str, Any]) -> Row:
    return {
        "level": act["level"],
        "risk_score": act["risk_score"],
        "message": act["message"],
        "message_indonesian": act["message"],
        "raised_by": act["actor"],
    }


def _opened(act: Mapping[str, Any]) -> Row:
    at = act["event_time"]
    return {
        "alert_id": act["alert_id"],
        "rule": "manual",
        "rule_version": rule_version("manual", {}),
        **{name: act[name] for name in ("commodity", "market_id", "region_code", "region")},
        "state": "active",
        "opened_at": at,
        "active_at": at,
        "updated_at": at,
    }


def _manual_end(alert: Row, now: datetime | None) -> datetime | None:
    """When an acknowledged alert ended, if it has."""
    seen = alert.get("acknowledged_at")
    if seen is None or now is None or now - seen < timedelta(days=MANUAL_DAYS):
        return None
    end: datetime = seen + timedelta(days=MANUAL_DAYS)
    return end


def _ended(alert: Row, now: datetime | None) -> Row:
    end = _manual_end(alert, now)
    newest = end or max(alert["opened_at"], now or alert["opened_at"])
    closed = {"state": "cleared", "closed_at": end, "updated_at": end} if end else {}
    return {**alert, **closed, "tier": tier((newest - alert["opened_at"]).days + 1)}


def with_acknowledgements(rows: Iterable[Row], acts: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The rows of rules, each with the first acknowledgement of it."""
    first: dict[str, Mapping[str, Any]] = {}
    for act in acts:
        if act["act"] == "acknowledge":
            first.setdefault(act["alert_id"], act)
    return [acknowledged(row, first[row["alert_id"]]) if row["alert_id"] in first else row for row in rows]


def with_staleness(rows: Iterable[Row], newest_day: date | None) -> list[Row]:
    """The rows with `stale`: open, by prices, and no day of the series for 7 days. Silence and people's
    alerts have no days."""
    oldest = None if newest_day is None else newest_day - timedelta(days=STALE_DAYS)
    return [
        row
        | {
            "stale": oldest is not None
            and row["state"] in OPEN_STATES
            and row.get("price_idr") is not None
            and row["updated_at"] <= day_begin(oldest, row["region_code"])
        }
        for row in rows
    ]
