"""Alerts of stocks: one that lasts too short, and one that its movements do not explain."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.alerts.lifecycle import Interval, Observed, intervals
from lakehouse.alerts.messages import UNKNOWN_PLACE, texts_of
from lakehouse.alerts.price_rules import rule_version
from lakehouse.alerts.rows import EPOCH, Row, interval_columns
from lakehouse.arrow import ordered
from lakehouse.reference import commodities

# Rule -> (column of the stock's level, which one opens an alert, which end it, value, level of the alert).
# Amber neither opens nor ends one: a stock around the limit does not flap.
RULES = {
    "stock_cover": ("cover_level", "red", ("green", "oversupply"), "days_of_cover", "siaga"),
    "stock_unexplained": ("residual_level", "error", ("explained",), "residual_pct", "waspada"),
}


def stock_alerts(days: pa.Table, red_days: float) -> list[Row]:
    """Alerts of every holder and commodity, active at once. `days`: rows of gold.stock_days.

    `red_days`: the limit of the level red, which the message names.
    """
    return [row for series in _series(days) for rule in RULES for row in _rule_alerts(rule, series, red_days)]


def _series(days: pa.Table) -> Iterator[pa.Table]:
    """The days of each holder and commodity, in order."""
    rows = ordered(days, "entity_id", "commodity", "market_date")
    names = zip(rows["entity_id"].to_pylist(), rows["commodity"].to_pylist(), strict=True)
    first: dict[tuple[str, str], int] = {}
    for number, series in enumerate(names):
        first.setdefault(series, number)
    bounds = [*first.values(), rows.num_rows]
    for begin, end in zip(bounds, bounds[1:], strict=False):
        yield rows.slice(begin, end - begin)


def _rule_alerts(rule: str, series: pa.Table, red_days: float) -> list[Row]:
    column, enter, exits, _, _ = RULES[rule]
    level = series[column].combine_chunks()
    known = series.filter(level.is_valid())
    names = np.array(known[column].to_pylist(), dtype=object)
    is_entered = np.array(names == enter, dtype=bool)
    observed = Observed(
        known["market_date"].cast(pa.int32()).to_numpy().astype(np.int64),
        is_entered,
        np.isin(names.astype(str), exits),
        is_entered,
    )
    return [_stock_alert(rule, known, observed, interval, red_days) for interval in intervals(observed)]


def _stock_alert(rule: str, known: pa.Table, observed: Observed, interval: Interval, red_days: float) -> Row:
    *_, value, level = RULES[rule]
    opening = np.flatnonzero(observed.enters[: interval.last + 1])
    # cover is that of the newest day, an unexplained change belongs to the day on which it happened
    shown = interval.last if rule == "stock_cover" else int(opening[-1])
    last: dict[str, Any] = known.slice(shown, 1).to_pylist()[0]
    series = (last["entity_id"], last["commodity"])
    texts = {
        "commodity": commodities()[last["commodity"]].name,
        "source": last["entity_id"],
        "place": last["region"] or UNKNOWN_PLACE,
        "quantity": last["quantity_kg"],
        "day": last["market_date"],
        "since": EPOCH + timedelta(int(observed.days[interval.first])),
        "limit": red_days,
        "cover": last["days_of_cover"],
        "residual": last["residual_pct"],
    }
    written = {name: each for name, each in texts.items() if each is not None}
    return {
        **interval_columns(rule, series, observed, interval, last["region_code"]),
        "rule_version": rule_version(rule, {"red_days": red_days}),
        **{name: last[name] for name in ("commodity", "region_code", "region")},
        "source_id": last["entity_id"],
        "level": level,
        "value": last[value],
        **texts_of(rule, written),
    }
