"""Rows of gold.alerts: from daily prices and issued risks, and from what people did."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.alerts.lifecycle import (
    OPEN_STATES,
    STALE_DAYS,
    Bools,
    Interval,
    Observed,
    acknowledged,
    intervals,
    tier,
)
from lakehouse.alerts.messages import Value, texts_of
from lakehouse.alerts.price_rules import (
    PriceRule,
    level_of,
    price_rules,
    risk_rule,
    rule_version,
    uncounted_days,
)
from lakehouse.gold.price_panel import Floats, PricePanel, panels
from lakehouse.reference import commodities, province_timezone

Row = dict[str, Any]
EPOCH = date(1970, 1, 1)
CHANNEL = "retail"
OUTCOME_DAYS = (3, 7)  # after the day on which an alert became active
# Hours after an alert became active within which it is to be answered; the others have no limit.
RESPONSE_HOURS = {
    "price_level": 24,
    "ceiling_gap": 24,
    "risk": 24,
    "market_jump": 24,
    "held_price": 24,
    "stock_cover": 72,
}
RISK_RULES = ("price_level", "ceiling_gap", "risk")  # the rules on series for which risks are issued
MANUAL_DAYS = 7  # an acknowledged alert of a person is cleared after them


def alert_id(rule: str, *series: object) -> str:
    """`al-` and 24 hexadecimal digits that follow from rule, series and first day."""
    text = "|".join(map(str, (rule, *series)))
    return "al-" + hashlib.sha256(text.encode()).hexdigest()[:24]


def day_begin(day: date, region_code: str | None) -> datetime:
    """Local midnight of a market day of the province, in UTC; of Jakarta without one."""
    return datetime.combine(day, time(), ZoneInfo(province_timezone(region_code))).astimezone(UTC)


@dataclass(frozen=True)
class Risks:
    """Risks issued for one commodity, (province code, day since 1970) -> percent.

    `threshold`: the risk that opens an alert.
    """

    threshold: float
    issued: Mapping[tuple[str, int], float]

    def of_panel(self, panel: PricePanel) -> Floats:
        """(regions, days) the risk issued for each day with a price; NaN where there is none."""
        days = panel.days.tolist()
        issued = [[self.issued.get((code, day), np.nan) for day in days] for code in panel.regions]
        return np.where(np.isfinite(panel.price), issued, np.nan)


@dataclass(frozen=True)
class _Followed:
    """A panel whose series are followed, with what does not depend on the rule."""

    panel: PricePanel
    commodity: str
    levels: Mapping[str, float]
    uncounted: Bools
    risk: Floats


def price_alerts(daily: pa.Table, levels: Mapping[str, float], risks: Risks | None = None) -> list[Row]:
    """Alerts of one commodity, of all its days. Without `risks` there is no rule on them.

    `daily`: its rows of gold.daily_prices, of the chosen providers. A province is followed by the prices of
    its markets, or by province-wide ones where those of its markets ended a week before them.
    """
    commodity = daily["commodity"][0].as_py()
    groups = [panel for panel in panels(daily) if panel.channel == CHANNEL]
    risks = risks or Risks(100.0, {})
    rows: list[Row] = []
    for panel in groups:
        followed = _Followed(panel, commodity, levels, uncounted_days(panel), risks.of_panel(panel))
        by_risk = risk_rule(followed.risk, risks.threshold)
        for rule in (*price_rules(panel, commodity, levels), by_risk):
            version = rule_version(rule.name, {"risk": risks.threshold} if rule is by_risk else levels)
            for region in _regions(panel, groups):
                observed, values = rule.observed(panel, region, followed.uncounted)
                rows += [
                    {"rule_version": version, **_price_alert(followed, rule, region, observed, values, each)}
                    for each in intervals(observed)
                ]
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


def _price_alert(
    followed: _Followed,
    rule: PriceRule,
    region: int,
    observed: Observed,
    values: Floats,
    interval: Interval,
) -> Row:
    panel = followed.panel
    code = panel.regions[region]
    last = int(observed.days[interval.last])
    price = dict(zip(panel.days.tolist(), panel.price[region].tolist(), strict=True))
    risk = float(followed.risk[region, np.searchsorted(panel.days, last)])
    peak = float(values[interval.first : interval.last + 1].max())
    opened = EPOCH + timedelta(int(observed.days[interval.first]))
    texts: dict[str, Value] = {
        "commodity": commodities()[followed.commodity].name,
        "place": panel.names[region],
        "price": price[last],
        "unit": panel.unit,
        "day": EPOCH + timedelta(last),
        "peak": peak,
        "since": opened,
    }
    active = None if interval.active is None else int(observed.days[interval.active])
    return {
        **interval_columns(rule.name, (followed.commodity, code), observed, interval, code),
        "commodity": followed.commodity,
        "region_code": code,
        "region": panel.names[region],
        "level": level_of(peak if rule.rise_pct is None else rule.rise_pct, followed.levels),
        "risk_score": risk if np.isfinite(risk) else None,
        "value": float(values[interval.last]),
        "price_idr": price[last],
        **texts_of(rule.name, texts),
        "outcome_pct": None if active is None else _outcome_pct(price, active),
    }


def interval_columns(
    rule: str, series: Sequence[str], observed: Observed, interval: Interval, code: str | None
) -> Row:
    """The columns of an alert that follow from its interval. `series`: what the rule follows."""
    opened, last = (EPOCH + timedelta(int(observed.days[nth])) for nth in (interval.first, interval.last))
    active = None if interval.active is None else EPOCH + timedelta(int(observed.days[interval.active]))
    active_at = None if active is None else day_begin(active, code)
    limit = RESPONSE_HOURS.get(rule)
    return {
        "alert_id": alert_id(rule, *series, opened),
        "rule": rule,
        "state": interval.state,
        "tier": tier(None if active is None else (last - active).days + 1),
        "market_date": opened,
        "opened_at": day_begin(opened, code),
        "active_at": active_at,
        "respond_by": active_at + timedelta(hours=limit) if active_at and limit else None,
        "updated_at": day_begin(last, code),
        "closed_at": None if interval.state in OPEN_STATES else day_begin(last, code),
    }


def risk_reason(alert: Mapping[str, Any]) -> str | None:
    """Why an alert has no `risk_score`; None where it has one."""
    if alert.get("risk_score") is not None:
        return None
    if alert["rule"] == "manual":
        return "not_given"
    return "not_issued" if alert["rule"] in RISK_RULES else "no_daily_price"


def kept_openings(rows: pa.Table, before: pa.Table, newest_batch: datetime) -> pa.Table:
    """The rows with the time at which each alert was raised, as the table `before` has it.

    An alert that follows from market days and is new was raised by the newest batch. One that opened more
    than a week before it comes from history that was read later: it counts as raised at the end of its day.
    """
    known = before["opened_at"].take(pc.index_in(rows["alert_id"], before["alert_id"]))
    day_end = pc.add(rows["opened_at"], pa.scalar(timedelta(days=1)))
    oldest = pa.scalar(newest_batch - timedelta(days=STALE_DAYS), day_end.type)
    batch = pa.scalar(newest_batch, day_end.type)
    raised = pc.if_else(pc.less(day_end, oldest), day_end, batch)
    own = pc.if_else(pc.is_null(rows["market_date"]), rows["opened_at"], raised)
    column = rows.schema.get_field_index("opened_at")
    return rows.set_column(column, rows.schema.field(column), pc.coalesce(known, own))


def _outcome_pct(price: Mapping[int, float], active_day: int) -> float | None:
    first, last = OUTCOME_DAYS
    for days in range(last, first - 1, -1):
        later = price.get(active_day + days, np.nan)
        if np.isfinite(later):
            return float(100 * (later / price[active_day] - 1))
    return None


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


def active_since(at: datetime) -> Row:
    """The columns of an alert that was active at once."""
    return {"state": "active", "opened_at": at, "active_at": at, "updated_at": at}


def _opened(act: Mapping[str, Any]) -> Row:
    return {
        "alert_id": act["alert_id"],
        "rule": "manual",
        "rule_version": rule_version("manual", {}),
        **{name: act[name] for name in ("commodity", "market_id", "region_code", "region")},
        **active_since(act["event_time"]),
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
    """The rows of series that have days with `stale`: open, and no day of the series for 7 days.

    `newest_day`: of all these series.
    """
    oldest = None if newest_day is None else newest_day - timedelta(days=STALE_DAYS)
    return [
        row
        | {
            "stale": oldest is not None
            and row["state"] in OPEN_STATES
            and row["updated_at"] <= day_begin(oldest, row["region_code"])
        }
        for row in rows
    ]
