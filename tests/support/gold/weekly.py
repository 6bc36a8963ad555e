"""Weekly index: the formula of the handbook with lists and loops."""

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from statistics import fmean, stdev
from typing import Any

from lakehouse.reference import basket, commodities, provinces
from tests.support.early_warning import month_before
from tests.support.gold.subject import Row, Tables
from tests.support.recomputed_gold import chosen_days

Days = dict[date, float]
BEGIN = date(2025, 5, 3)
ITEMS = ("beras-medium", "beras-premium", "cabai-rawit-merah", "bawang-merah", "garam")  # salt is not in it


def weeks_of_prices(rng: random.Random) -> dict[str, list[Row]]:
    """Four months of five members in three provinces with gaps, and two figures of BPS."""
    rows = []
    for region in ("11", "32", "51"):
        for commodity in ITEMS:
            for level in ("market", "province"):
                reported = rng.choice((0.95, 0.7, 0.25))
                idr = commodities()[commodity].typical_idr
                for back in range(rng.choice((40, 125))):
                    day = BEGIN + timedelta(days=124 - back)
                    idr *= 1 + rng.gauss(0, 0.02)
                    if rng.random() < reported and (level == "province" or rng.random() < 0.5):
                        rows.append(price_row(region, commodity, level, day, round(idr)))
    figures = [bps_row("iph-jawa-barat", "2025-07-13", 0.41), bps_row("iph-jawa-barat", "2025-07-20", 0.4)]
    return {"silver.prices": rows, "silver.macro": figures}


def price_row(region: str, commodity: str, level: str, day: date, price_idr: float) -> Row:
    return {
        "event_id": f"{region}-{commodity}-{level}-{day}",
        "market_id": f"{level}-{region}",
        "region_code": region,
        "region": provinces()[region].name,
        "level": level,
        "commodity": commodity,
        "channel": "retail",
        "provider": "pihps",
        "price_idr": float(price_idr),
        "unit": "kg",
        "event_time": datetime(day.year, day.month, day.day, 3, tzinfo=UTC),
        "market_date": day,
    }


def bps_row(indicator: str, period: str, value: float) -> Row:
    released = datetime.fromisoformat(f"{period}T17:00:00+00:00")
    named = {"event_id": f"{indicator}-{period}", "indicator": indicator, "period": period, "value": value}
    return named | {"unit": "percent", "released_at": released, "event_time": released}


def weekly_index(tables: Tables, newest: datetime) -> list[Row]:
    series: dict[tuple[str, str, str], Days] = defaultdict(dict)
    for row in chosen_days({"silver.prices": tables["silver.prices"].to_pylist()}):
        if item_of(row["commodity"]):
            place = (row["region_code"], row["commodity"], row["level"])
            series[place][row["market_date"]] = row["median_price_idr"]
    newest_day = max(max(days) for days in series.values())
    bps = {(row["indicator"], row["period"]): row["value"] for row in tables["silver.macro"].to_pylist()}
    weeks: dict[date, dict[str, dict[str, Row]]] = defaultdict(dict)
    for (region, commodity, level), days in sorted(series.items()):
        for monday in sorted({day - timedelta(days=day.weekday()) for day in days}):
            if change := change_of(days, monday, newest_day):
                members = weeks[monday].setdefault(region, {})
                known = members.get(commodity, {"both_days": 0})
                if (
                    change["is_comparable"]
                    and change["both_days"] + (level == "province") / 2 > known["both_days"]
                ):
                    members[commodity] = change
    rows = []
    for monday, regions in weeks.items():
        shares = {region: contributions(members) for region, members in regions.items()}
        indexed = {
            region: sum(row["contribution_pct"] for row in rows) for region, rows in shares.items() if rows
        }
        for region in (*regions, "ID"):
            own = shares[region] if region in shares else of_nation([shares[name] for name in indexed])
            name = provinces()[region].name if region != "ID" else "Indonesia"
            sunday = monday + timedelta(days=6)
            rows.append(
                {
                    "week": monday,
                    "week_end": sunday,
                    "is_complete": newest_day >= sunday,
                    "last_day": min(newest_day, sunday),
                    "region_code": region,
                    "region": name,
                    "index_pct": sum(row["contribution_pct"] for row in own) if own else None,
                    "rank": 1 + sum(value > indexed[region] for value in indexed.values())
                    if region in indexed
                    else None,
                    "regions": len(indexed),
                    "weight_pct": sum(row["weight"] for row in own),
                    "missing_weight_pct": sum(row["weight"] for row in missing(own)),
                    "up": sum(row["change_pct"] > 0.1 for row in own),
                    "down": sum(row["change_pct"] < -0.1 for row in own),
                    "stable": sum(abs(row["change_pct"]) <= 0.1 for row in own),
                    "items": sorted([*own, *missing(own)], key=lambda row: row["commodity"]),
                    "weights": basket().text,
                    "region_weights": "equal",
                    "bps_index_pct": bps.get((f"iph-{name.lower().replace(' ', '-')}", f"{sunday}")),
                }
            )
    return rows


def item_of(commodity: str) -> str | None:
    return next((name for name, item in basket().items.items() if commodity in item.commodities), None)


def change_of(days: Days, monday: date, newest_day: date) -> Row | None:
    """None when the week has no day of the month of its Sunday."""
    sunday = monday + timedelta(days=6)
    month = f"{sunday:%Y-%m}"
    before = month_before(month)
    own = [day for day in days if f"{day:%Y-%m}" == month and day <= sunday]
    if not any(day >= monday for day in own):
        return None
    base = [days[day] for day in days if f"{day:%Y-%m}" == before]
    last = max(own)
    year = [day for day in days if timedelta(0) <= last - day < timedelta(days=365)]
    usual = len(year) / min(365, (last - min(days)).days + 1)
    first = sunday.replace(day=1)
    span = (min(sunday, newest_day) - first).days + 1
    length = (first - date.fromisoformat(f"{before}-01")).days
    row: Row = {"both_days": len(own) + len(base), "is_comparable": False}
    if base and len(own) >= 0.5 * usual * span and len(base) >= 0.5 * usual * length:
        prices = [days[day] for day in own]
        mean = fmean(prices)
        figures = {"price_idr": mean, "before_idr": fmean(base), "change_pct": 100 * (mean / fmean(base) - 1)}
        row |= figures | {"cv_pct": 100 * stdev(prices) / mean if len(prices) > 1 else None}
        row["is_comparable"] = True
    return row


def contributions(members: dict[str, Row]) -> list[Row]:
    present = [item_of(name) for name in members]
    weights = {
        name: basket().items[item_of(name)].weight_pct / present.count(item_of(name)) for name in members
    }
    return [
        {
            "commodity": name,
            "weight": weights[name],
            **{figure: row[figure] for figure in ("price_idr", "before_idr", "change_pct", "cv_pct")},
            "contribution_pct": weights[name] * row["change_pct"] / sum(weights.values()),
        }
        for name, row in members.items()
    ]


def of_nation(regions: list[list[Row]]) -> list[Row]:
    rows = []
    for name in {row["commodity"] for region in regions for row in region}:
        of: list[dict[str, Any]] = [row for region in regions for row in region if row["commodity"] == name]
        rows.append(
            {
                "commodity": name,
                "weight": sum(row["weight"] for row in of) / len(regions),
                "price_idr": None,
                "before_idr": None,
                "change_pct": fmean(row["change_pct"] for row in of),
                "contribution_pct": sum(row["contribution_pct"] for row in of) / len(regions),
                "cv_pct": None,
            }
        )
    return rows


def missing(own: list[Row]) -> list[Row]:
    known = {item_of(row["commodity"]) for row in own}
    figures = dict.fromkeys(("price_idr", "before_idr", "change_pct", "contribution_pct", "cv_pct"))
    return [
        {"commodity": item.commodities[0], "weight": item.weight_pct, **figures}
        for name, item in basket().items.items()
        if name not in known
    ]
