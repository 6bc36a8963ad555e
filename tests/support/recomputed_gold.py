"""Gold in plain Python from all rows of silver at once, which the product's gold is compared with."""

import math
from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from itertools import groupby
from statistics import fmean, median, stdev
from typing import Any

from lakehouse.reference import ceiling_on, markets, provinces
from tests.support.early_warning import alps_of, ifpa_of, month_before, months_between

Row = dict[str, Any]
Silver = dict[str, list[Row]]
LEVELS = {"naik": 5.0, "waspada": 8.0, "siaga": 12.0, "kritis": 20.0}


def grouped(rows: Iterable[Row], *names: str) -> dict[tuple, list[Row]]:
    groups: dict[tuple, list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return groups


def newest(rows: Iterable[Row]) -> Row:
    return max(rows, key=lambda row: (row["event_time"], row["event_id"]))


def live_prices(silver: Silver) -> list[Row]:
    result_rows = []
    for rows in grouped(silver["silver.prices"], "market_id", "commodity", "channel", "provider").values():
        by_day = sorted(grouped(rows, "market_date").items())
        last, before = newest(by_day[-1][1]), newest(by_day[-2][1]) if len(by_day) > 1 else None
        names = ("price_idr", "event_time", "market_date", "event_id")
        previous = {f"previous_{name}": before[name] if before else None for name in names}
        change = 100 * (last["price_idr"] / before["price_idr"] - 1) if before else None
        decided = {"corrected", "released"} & set(last["_warnings"] or ())
        status = min(decided, default="validated")
        result_rows.append(last | previous | {"change_pct": change, "status": status})
    return result_rows


def price_history(silver: Silver) -> list[Row]:
    return [row | {"warnings": row["_warnings"]} for row in silver["silver.prices"]]


def sensors_live(silver: Silver) -> list[Row]:
    return [
        newest(rows)
        for rows in grouped(silver["silver.sensors"], "market_id", "device_id_hash", "metric").values()
    ]


def markets_seen(silver: Silver) -> list[Row]:
    result_rows = []
    prices, readings = (
        grouped(silver["silver.prices"], "market_id"),
        grouped(silver["silver.sensors"], "market_id"),
    )
    for market_id in {*markets(), *(key for (key,) in prices)}:
        rows, sensed = prices.get((market_id,), []), readings.get((market_id,), [])
        listed = markets().get(market_id)
        code = listed.region_code if listed else rows[0]["region_code"]
        times = [row["event_time"] for row in rows + sensed]
        result_rows.append(
            {
                "market_id": market_id,
                "name": listed.name if listed else rows[0]["market_name"],
                "level": listed.level if listed else rows[0]["level"],
                "region_code": code,
                "region": provinces()[code].name,
                "latitude": listed.latitude if listed else None,
                "longitude": listed.longitude if listed else None,
                "timezone": provinces()[code].timezone,
                "commodities": len({row["commodity"] for row in rows}),
                "last_event_time": max(times) if times else None,
            }
        )
    return result_rows


def daily_prices(silver: Silver) -> list[Row]:
    result_rows = []
    key = ("commodity", "region_code", "channel", "level", "provider", "market_date")
    for rows in grouped(silver["silver.prices"], *key).values():
        prices = [row["price_idr"] for row in rows]
        result_rows.append(
            rows[0]
            | {
                "min_price_idr": min(prices),
                "median_price_idr": median(prices),
                "mean_price_idr": fmean(prices),
                "max_price_idr": max(prices),
                "observations": len(rows),
                "markets": len({row["market_id"] for row in rows}),
            }
        )
    return result_rows


def chosen_days(silver: Silver) -> list[Row]:
    """Days of the provider that each series is taken from: of those current, the one with the most days."""
    result_rows: list[Row] = []
    for rows in grouped(daily_prices(silver), "commodity", "channel", "level", "region_code").values():
        newest = max(row["market_date"] for row in rows)
        by_provider = grouped(rows, "provider")
        *_, chosen = max(
            (
                (newest - max(row["market_date"] for row in days)).days <= 30,
                len(days),
                [-ord(letter) for letter in name],
                name,
            )
            for (name,), days in by_provider.items()
        )
        none = dict.fromkeys(("spliced_from", "splice_day", "splice_factor"))
        own = [row | none for row in by_provider[(chosen,)]]
        result_rows += [
            *own,
            *_earlier_days(own, [days for name, days in by_provider.items() if name != (chosen,)]),
        ]
    return result_rows


def _earlier_days(own: list[Row], others: list[list[Row]]) -> list[Row]:
    """Days of the other provider that has most before the first own one, if 30, at the level of the own."""
    first = min(row["market_date"] for row in own)
    before = [[row for row in rows if row["market_date"] < first] for rows in others]
    enough = [
        (len(days), [-ord(letter) for letter in days[0]["provider"]], days, rows)
        for days, rows in zip(before, others, strict=True)
        if len(days) >= 30
    ]
    if not enough:
        return []
    *_, days, rows = max(enough, key=lambda entry: entry[:2])
    log = [{row["market_date"]: math.log(row["median_price_idr"]) for row in of} for of in (own, rows)]
    common = sorted(log[0].keys() & log[1].keys())
    if len(common) >= 7:
        gap = median(log[0][day] - log[1][day] for day in common[:180])
    else:
        last = [log[1][day] for day in sorted(log[1]) if day < first][-28:]
        gap = median([log[0][day] for day in sorted(log[0])][:28]) - median(last)
    seam = {"splice_day": first, "splice_factor": math.exp(gap), "provider": own[0]["provider"]}
    return [
        row
        | seam
        | {"spliced_from": row["provider"], "median_price_idr": row["median_price_idr"] * math.exp(gap)}
        for row in days
    ]


def monthly_indicators(silver: Silver) -> list[Row]:
    result_rows = []
    days = chosen_days(silver)
    newest_days = {
        name: max(row["market_date"] for row in of) for (name,), of in grouped(days, "commodity").items()
    }
    series = grouped(days, "commodity", "channel", "level", "region_code")
    for rows in series.values():
        by_month = {
            month: list(of)
            for month, of in groupby(
                sorted(rows, key=lambda r: r["market_date"]), key=lambda r: r["market_month"]
            )
        }
        months = months_between(min(by_month), max(by_month))
        means = [
            fmean(row["median_price_idr"] for row in by_month[m]) if m in by_month else None for m in months
        ]
        for t, month in enumerate(months):
            if month in by_month:
                of = _month_changes(by_month, month, newest_days[rows[0]["commodity"]]) | {
                    "days": len(by_month[month]),
                    "spliced_from": next(filter(None, (r["spliced_from"] for r in by_month[month])), None),
                    "mean_price_idr": means[t],
                    "prices": "nominal",
                    "vintage_month": months[-1],
                }
                result_rows.append(
                    rows[0]
                    | {"market_month": month}
                    | of
                    | ifpa_of(means, months, t)
                    | alps_of(means, months, t)
                )
    return result_rows


def _month_changes(by_month: dict[str, list[Row]], month: str, newest: date) -> Row:
    """`newest`: newest day of the commodity."""
    price_on = {row["market_date"]: row["median_price_idr"] for row in by_month[month]}
    first, last = min(price_on), max(price_on)
    length = monthrange(first.year, first.month)[1]
    is_complete = first.replace(day=length) <= newest and len(price_on) >= 0.7 * length
    changes: Row = {}
    for name, back in (("mom_pct", 1), ("yoy_pct", 12)):
        earlier = month
        for _ in range(back):
            earlier = month_before(earlier)
        base = [
            row["median_price_idr"]
            for row in by_month.get(earlier, ())
            if is_complete or first.day <= row["market_date"].day <= last.day
        ]
        changes[name] = 100 * (fmean(price_on.values()) / fmean(base) - 1) if base else None
    span = None if is_complete else f"{first.day}-{last.day}"
    return changes | {"last_day": last, "is_complete": is_complete, "compared_days": span}


def indicators(silver: Silver) -> list[Row]:
    days = chosen_days(silver)
    at = {
        tuple(row[n] for n in ("commodity", "channel", "level", "region_code", "market_date")): row
        for row in days
    }
    warned = {
        tuple(row[n] for n in ("commodity", "channel", "level", "region_code", "market_month")): row
        for row in monthly_indicators(silver)
    }
    nation = grouped(days, "commodity", "channel", "level", "market_date")
    result_rows = []
    for series, rows in grouped(days, "commodity", "channel", "level", "region_code").items():
        ordered = sorted(rows, key=lambda row: row["market_date"])
        for nth, row in enumerate(ordered):
            peers = [peer["median_price_idr"] for peer in nation[*series[:3], row["market_date"]]]
            warning = warned.get((*series, month_before(row["market_month"])), {})
            result_rows.append(
                row
                | _changes(at, series, row)
                | _volatility([day["median_price_idr"] for day in ordered[: nth + 1]])
                | _nation(row, peers)
                | _reference(ordered[: nth + 1])
                | _margin(at, row)
                | {name: warning.get(name) for name in ("ifpa", "ifpa_class", "alps", "alps_class")}
                | {
                    name: warning.get(name) if warning else "no price in the month"
                    for name in ("ifpa_reason", "alps_reason")
                }
            )
    return result_rows


def _changes(at: dict[tuple, Row], series: tuple, row: Row) -> Row:
    changes: Row = {}
    for days in (1, 7, 28, 30, 365):
        before = at.get((*series, row["market_date"] - timedelta(days)))
        changes[f"change_{days}d_pct"] = (
            100 * (row["median_price_idr"] / before["median_price_idr"] - 1) if before else None
        )
    rise = changes["change_7d_pct"]
    passed = [name for name, above in LEVELS.items() if rise is not None and rise > above]
    return changes | {"change_level": None if rise is None else passed[-1] if passed else "normal"}


def _volatility(prices: list[float]) -> Row:
    steps = [math.log(b / a) for a, b in zip(prices, prices[1:], strict=False)]
    return {"volatility_pct": 100 * stdev(steps[-30:]) if len(steps) >= 30 else None}


def _nation(row: Row, peers: list[float]) -> Row:
    return {
        "national_price_idr": fmean(peers),
        "national_gap_pct": 100 * (row["median_price_idr"] / fmean(peers) - 1),
        "national_weights": "equal",
        "provinces": len(peers),
        "dispersion_pct": 100 * stdev(peers) / fmean(peers) if len(peers) > 1 else None,
    }


def _gap(row: Row) -> tuple[str, float, float] | None:
    """(kind, figure, percent beyond it)."""
    level = {"retail": "consumer", "modern": "consumer", "producer": "producer"}.get(row["channel"])
    ceiling = ceiling_on(row["market_date"], row["commodity"], row["region_code"], level) if level else None
    if ceiling is None or ceiling.bound_idr is None:
        return None
    bound = ceiling.bound_idr
    beyond = row["median_price_idr"] / (row["splice_factor"] or 1) - bound
    return ceiling.kind, bound, 100 * (beyond if level == "consumer" else -beyond) / bound


def _reference(until: list[Row]) -> Row:
    """Of the last of these days; the others are its past."""
    here = _gap(until[-1])
    if here is None:
        return {"reference_kind": None, "reference_price_idr": None, "gap_pct": None, "days_above": None}
    run = 0
    for row in reversed(until):
        gap = _gap(row)
        if gap is None:
            continue
        if gap[2] <= 0:
            break
        run += 1
    return {"reference_kind": here[0], "reference_price_idr": here[1], "gap_pct": here[2], "days_above": run}


def _margin(at: dict[tuple, Row], row: Row) -> Row:
    producer = at.get((row["commodity"], "producer", row["level"], row["region_code"], row["market_date"]))
    if row["channel"] != "retail" or producer is None:
        return {"producer_margin_pct": None}
    return {
        "producer_margin_pct": 100
        * (row["median_price_idr"] - producer["median_price_idr"])
        / row["median_price_idr"]
    }


RECOMPUTED: dict[str, Callable[[Silver], list[Row]]] = {
    "gold.live_prices": live_prices,
    "gold.price_history": price_history,
    "gold.daily_prices": daily_prices,
    "gold.markets": markets_seen,
    "gold.sensors_live": sensors_live,
    "gold.indicators": indicators,
    "gold.monthly_indicators": monthly_indicators,
}
