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
    rows: list[Row] = []
    for series in _series(days):
        for rule in RULES:
            rows += _rule_alerts(rule, series, red_days)
    return rows


def _series(days: pa.Table) -> Iterator[pa.Table]:
    """The days of each holder and commodity, in order."""
    keys = ["entity_id", "commodity", "market_date"]
    ordered = days.sort_by([(name, "ascending") for name in keys])
    names = zip(ordered["entity_id"].to_pylist(), ordered["commodity"].to_pylist(), strict=True)
    first: dict[tuple[str, str], int] = {}
    for number, series in enumerate(names):
        first.setdefault(series, number)
    bounds = [*first.values(), ordered.num_rows]
    for begin, end in zip(bounds, bounds[1:], strict=False):
        yield ordered.slice(begin, end - begin)


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
    last: dict[str, Any] = known.slice(interval.last, 1).to_pylist()[0]
    code = last["region_code"]
    texts = {
        "commodity": commodities()[last["commodity"]].name,
        "source": last["entity_id"],
        "place": last["region"] or UNKNOWN_PLACE,
        "quantity": last["quantity_kg"],
        "day": last["market_date"].isoformat(),
        "since": (EPOCH + timedelta(int(observed.days[interval.first]))).isoformat(),
        "limit": red_days,
        "cover": last["days_of_cover"],
        "residual": last["residual_pct"],
    }
    written = {name: each for name, each in texts.items() if each is not None}
    return {
        **interval_columns(rule, (last["entity_id"], last["commodity"]), observed, interval, code),
        "rule_version": rule_version(rule, {"red_days": red_days}),
        "commodity": last["commodity"],
        "source_id": last["entity_id"],
        "region_code": code,
        "region": last["region"],
        "level": level,
        "value": last[value],
        **texts_of(rule, written),
    }
