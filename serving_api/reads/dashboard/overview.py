"""The overview: for each commodity its level, changes, ceiling and the provinces above it.

A level is the worst of three: of the national 7-day rise, of the gap above the ceiling by the same limits,
and of the open alerts.
"""

from collections import Counter
from datetime import date, timedelta
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.alerts.personal import LEVELS
from lakehouse.gold.indicators import change_level
from lakehouse.io.change_levels import levels_of
from lakehouse.reference import commodities
from serving_api.reads.dashboard.daily_figures import LEVEL_DAYS, Figures, chosen_level, close_of
from serving_api.reads.snapshots import Snapshot

RINGING = ("active", "acknowledged")  # states of alerts
SPARK_DAYS = 30
WINDOW_DAYS = 60  # the spark line and 30 days before its first day
YEAR_DAYS = 365
CHANGES = (1, 7, 30, YEAR_DAYS)
ALPS_CLASSES = ("normal", "stress", "alert", "crisis")
COLUMNS = (
    "commodity",
    "level",
    "region",
    "region_code",
    "market_date",
    "median_price_idr",
    "national_price_idr",
    "dispersion_pct",
    "reference_kind",
    "reference_price_idr",
    "gap_pct",
    "days_above",
    "ifpa",
    "ifpa_class",
    "ifpa_reason",
    "alps_class",
)
Row = dict[str, Any]


def read_overview(figures: Figures, day: date | None) -> dict[str, Any]:
    """Items by name, the day that they end with, and its neighbours. `day`: None for the newest."""
    last = day or figures.newest_day()
    if last is None:
        return {"date": None, "items": [], "provinces": 0, "previous_date": None, "next_date": None}
    field = pc.field("market_date")
    begin = last - timedelta(days=WINDOW_DAYS)
    year_ago = last - timedelta(days=YEAR_DAYS)
    of_window = (field > begin - timedelta(days=LEVEL_DAYS)) & (field <= last)
    of_year_ago = (field > year_ago - timedelta(days=SPARK_DAYS)) & (field <= year_ago)
    rows = figures.rows(of_window | of_year_ago, COLUMNS)
    recent = rows.filter(field > begin)
    items = []
    for commodity in sorted(set(recent["commodity"].to_pylist()), key=lambda name: commodities()[name].name):
        own = rows.filter(pc.field("commodity") == commodity)
        items.append(overview_item(commodity, own.filter(pc.field("level") == chosen_level(own)), last))
    previous_day, next_day = figures.neighbour_days(last)
    on_day = pc.unique(recent.filter(field == last)["region_code"])
    return {
        "date": last.isoformat(),
        "items": items,
        "provinces": len(on_day),
        "previous_date": previous_day and previous_day.isoformat(),
        "next_date": next_day and next_day.isoformat(),
    }


def read_alerts(alerts: Snapshot, day: date | None) -> dict[str, list[str]]:
    """Levels of the alerts that ring, by commodity: now, or those that rang at the close of a day.

    One that still waits for certainty rings nowhere.
    """
    active, closed = pc.field("active_at"), pc.field("closed_at")
    rings = pc.field("commodity").is_valid()
    if day is None:
        rings &= pc.field("state").isin(RINGING)
    else:
        end = pa.scalar(close_of(day), pa.timestamp("us", "UTC"))
        rings &= (active < end) & (closed.is_null() | (closed >= end))
    levels: dict[str, list[str]] = {}
    for row in alerts.rows.filter(rings).select(["commodity", "level"]).to_pylist():
        levels.setdefault(row["commodity"], []).append(row["level"])
    return levels


def with_level(item: Row, alert_levels: list[str]) -> Row:
    """The item with its level, what it follows from (the first of equals), and the number of alerts."""
    levels: dict[str, str | None] = {
        "alerts": max(alert_levels, key=gravity, default=None),
        "ceiling": level_of(item["gap_pct"], item["commodity"]),
        "rise": item["rise_level"],
    }
    reason, level = max(levels.items(), key=lambda entry: gravity(entry[1]))
    cause = reason if level in LEVELS else None
    return item | {"level": level, "level_reason": cause, "open_alerts": len(alert_levels)}


def gravity(level: str | None) -> int:
    """The place of a level: 0 unless it is one of a rise; -1 of none."""
    return -1 if level is None else LEVELS.index(level) + 1 if level in LEVELS else 0


def overview_item(commodity: str, own: pa.Table, last: date) -> dict[str, Any]:
    """One commodity on its newest day; changes are null without a price on the very day before."""
    newest = pc.max(own["market_date"]).as_py()
    rows = own.filter(pc.field("market_date") == newest).to_pylist()
    national = dict(zip(own["market_date"].to_pylist(), own["national_price_idr"].to_pylist(), strict=True))
    price = national[newest]
    changes: dict[str, float | None] = {}
    for days in CHANGES:
        base = national.get(newest - timedelta(days=days))
        changes[f"change_{days}d_pct"] = None if base is None else round(100 * (price / base - 1), 2)
    ordered = sorted(rows, key=lambda row: (row["median_price_idr"], row["region"]))
    spark = [newest - timedelta(days=SPARK_DAYS - 1 - step) for step in range(SPARK_DAYS)]
    return {
        "commodity": commodity,
        "name": commodities()[commodity].name,
        "unit": commodities()[commodity].unit,
        "price_level": rows[0]["level"],
        "market_date": newest.isoformat(),
        "age_days": (last - newest).days,
        "national_price_idr": round(price, 1),
        **changes,
        **reference_of(rows, price),
        "dispersion_pct": rounded(rows[0]["dispersion_pct"]),
        "rise_level": level_of(changes["change_7d_pct"], commodity),
        **warning_of(rows),
        "provinces": len(rows),
        "highest": place(ordered[-1]),
        "lowest": place(ordered[0]),
        "spark": [None if day not in national else round(national[day], 1) for day in spark],
    }


def reference_of(rows: list[Row], price: float) -> dict[str, Any]:
    """The ceiling of most provinces: its kind, their median price, the gap, and who is above the own one."""
    with_reference = [row for row in rows if row["reference_price_idr"] is not None]
    if not with_reference:
        names = ("reference_kind", "reference_price_idr", "gap_pct", "regions_above", "days_above")
        return dict.fromkeys(names)
    kind = Counter(row["reference_kind"] for row in with_reference).most_common(1)[0][0]
    reference = median(row["reference_price_idr"] for row in with_reference)
    return {
        "reference_kind": kind,
        "reference_price_idr": reference,
        "gap_pct": round(100 * (price / reference - 1), 2),
        "regions_above": sum(row["gap_pct"] > 0 for row in with_reference),
        "days_above": max(int(row["days_above"] or 0) for row in with_reference),
    }


def level_of(rise_pct: float | None, commodity: str) -> str | None:
    """The level of a 7-day rise of a commodity, or of its gap above the ceiling; None without it."""
    change = np.array([np.nan if rise_pct is None else rise_pct])
    level: str | None = change_level(change, levels_of(commodity))[0]
    return level


def warning_of(rows: list[Row]) -> dict[str, Any]:
    """IFPA of the province where it is highest, and the gravest class of ALPS; else why there is no IFPA."""
    known = [row for row in rows if row["ifpa"] is not None]
    highest = max(known, key=lambda row: row["ifpa"], default=None)
    classes = [row["alps_class"] for row in rows if row["alps_class"] is not None]
    return {
        "ifpa": rounded(highest["ifpa"]) if highest else None,
        "ifpa_class": highest and highest["ifpa_class"],
        "ifpa_region": highest and highest["region"],
        "ifpa_reason": None if highest else rows[0]["ifpa_reason"],
        "alps_class": max(classes, key=ALPS_CLASSES.index, default=None),
    }


def place(row: Row) -> dict[str, Any]:
    """A province and its price."""
    return {"region": row["region"], "price_idr": row["median_price_idr"]}


def rounded(value: float | None) -> float | None:
    """The value with two decimals."""
    return None if value is None else round(value, 2)


def reporting_markets(markets: Snapshot) -> int:
    """Markets that have ever reported a price."""
    is_market = pc.field("level") == "market"
    return int(markets.rows.filter(is_market & pc.field("last_event_time").is_valid()).num_rows)
