"""Figures of all provinces for one commodity and day, with fixed classes so that days can be compared."""

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from statistics import quantiles
from typing import Any

import pyarrow.compute as pc

from lakehouse.reference import provinces
from serving_api.reads.dashboard.daily_figures import LEVEL_DAYS, Figures, chosen_level

OLDEST_DAYS = 7  # an older report is no data of that day
COLUMNS_OF_METRIC: dict[str, tuple[str, ...]] = {
    "price": ("median_price_idr",),
    "change_7d": ("change_7d_pct",),
    "gap": ("gap_pct",),
    "gap_national": ("national_gap_pct",),
    "ifpa": ("ifpa",),
    "dispersion": ("national_gap_pct", "dispersion_pct"),
}
GAP_LIMITS = (-30.0, -15.0, -5.0, 5.0, 15.0, 30.0)
LIMITS = {
    "change_7d": (-20.0, -12.0, -5.0, 5.0, 12.0, 20.0),
    "gap": GAP_LIMITS,
    "gap_national": GAP_LIMITS,
    "ifpa": (-1.0, 0.5, 1.0),  # classes of the IFPA
    "dispersion": (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0),
}
# Why a metric has no value although provinces reported; IFPA has a reason of its own for each province.
REASONS = {
    "change_7d": "no province reported 7 days before",
    "gap": "no ceiling (HET or HAP) holds for this commodity",
    "dispersion": "fewer than two provinces reported",
}
PRICE_CLASSES = 7
PERCENT = "%"
UNITLESS = ("price", "ifpa", "dispersion")


def read_map(figures: Figures, commodity: str, metric: str, day: date | None) -> dict[str, Any]:
    """Every province with its newest report of the week up to the day. `day`: None for the newest."""
    last = day or figures.newest_day([commodity])
    rows: list[dict[str, Any]] = []
    level = None
    if last is not None:
        columns = ["level", "region_code", "market_date", "markets", "median_price_idr", "provider"]
        columns += [name for name in COLUMNS_OF_METRIC[metric] if name not in columns]
        columns += ["ifpa_reason"] if metric == "ifpa" else []
        field = pc.field("market_date")
        oldest = last - timedelta(days=OLDEST_DAYS)
        with_week = figures.rows(
            (field > oldest - timedelta(days=LEVEL_DAYS)) & (field <= last), columns, [commodity]
        )
        table = with_week.filter(field > oldest)
        if table.num_rows:
            level = chosen_level(with_week)
            rows = table.filter(pc.field("level") == level).to_pylist()
    newest = {row["region_code"]: row for row in sorted(rows, key=lambda row: row["market_date"])}
    regions = [region_of_map(code, newest.get(code), metric, last) for code in provinces()]
    values = [region["value"] for region in regions if region["value"] is not None]
    return {
        "commodity": commodity,
        "metric": metric,
        "level": level,
        "date": last.isoformat() if last and rows else None,
        "regions": regions,
        "legend": legend(metric, values),
        "reason": None if values else reason_of(list(newest.values()), metric),
    }


def region_of_map(code: str, row: dict[str, Any] | None, metric: str, last: date | None) -> dict[str, Any]:
    """A province; its value is null without a report."""
    item = {"code": code, "name": provinces()[code].name}
    if row is None or last is None:
        return item | {"value": None, "price_idr": None, "markets": 0, "age_days": None, "provider": None}
    value = value_of(row, metric)
    return item | {
        "value": None if value is None else round(value, 2),
        "price_idr": row["median_price_idr"],
        "markets": row["markets"],
        "age_days": (last - row["market_date"]).days,
        "provider": row["provider"],
    }


def reason_of(rows: list[dict[str, Any]], metric: str) -> str | None:
    """Why no province has a value, of several reasons the most frequent; None without a report."""
    if metric != "ifpa":
        return REASONS.get(metric) if rows else None
    counted = Counter(row["ifpa_reason"] for row in rows if row["ifpa_reason"])
    return counted.most_common(1)[0][0] if counted else None


def value_of(row: dict[str, Any], metric: str) -> float | None:
    """The metric of a province; dispersion: the gap to the national price in standard deviations."""
    value: float | None
    value, *scale = (row[name] for name in COLUMNS_OF_METRIC[metric])
    if value is None or not scale:
        return value
    return value / float(scale[0]) if scale[0] else None


def legend(metric: str, values: list[float]) -> list[dict[str, Any]]:
    """The classes, lowest first: from (inclusive) and to (exclusive); null is open."""
    limits = LIMITS.get(metric) or price_limits(values)
    ends = [None, *limits, None]
    unit = "" if metric in UNITLESS else f" {PERCENT}"
    return [{"from": low, "to": high, "label": label(low, high, unit)} for low, high in pairwise(ends)]


def price_limits(values: list[float]) -> tuple[float, ...]:
    """Limits between classes of about equal size, in hundreds of rupiah; none for less than two values."""
    if len(values) < 2:
        return ()
    return tuple(sorted({float(round(limit, -2)) for limit in quantiles(values, n=PRICE_CLASSES)}))


def label(low: float | None, high: float | None, unit: str) -> str:
    """A class in signs that need no language."""
    if low is None and high is None:
        return "–"
    if low is None or high is None:
        return f"{'<' if low is None else '≥'} {low if high is None else high:g}{unit}"
    return f"{low:g} … {high:g}{unit}"
