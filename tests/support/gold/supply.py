"""Stocks and deliveries, days of cover, routes and transfers."""

import math
import random
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from statistics import fmean, median
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from lakehouse.contracts.contract import contracts
from lakehouse.io.query import reference_tables, run_contract_sql
from lakehouse.paths import view_name
from lakehouse.reference import province_timezone
from lakehouse.supply.route_time import (
    Conditions,
    crosses_sea,
    heuristic_hours,
    traffic_share,
    weather_share,
)
from tests.support.gold.subject import Row, Tables
from tests.support.gold.supply_chain import FIRST, simulate
from tests.support.recomputed_gold import grouped


def chain(rng: random.Random) -> dict[str, list[Row]]:
    """Stocks and deliveries of two chains, of whose routes some are observed often enough, and rain."""
    rows: dict[str, list[Row]] = {"silver.stocks": [], "silver.shipments": [], "silver.weather": []}
    for name, days in (("A", 66), ("B", 60)):
        simulated = simulate(days, rng.randrange(99))
        for row in simulated.stocks:
            scarce = {"region_code": "31", "region": "DKI Jakarta", "quantity_kg": row["quantity_kg"] / 50}
            region = {} if name == "A" else scarce
            own = {"event_id": f"{name}{row['event_id']}", "entity_id": f"{name}-{row['entity_id']}"}
            rows["silver.stocks"].append(row | region | own)
        for row in simulated.shipments:
            ends = {end: f"{name}-{row[end]}" for end in ("origin", "destination", "route_id", "event_id")}
            rows["silver.shipments"].append(row | ends)
    rows["silver.weather"] = [
        {"event_id": f"w{day}-{station}", "region_code": "32", "date": (FIRST + timedelta(days=day)).date()}
        | {"rainfall_mm": rng.choice((0.0, 30.0, 120.0)), "event_time": FIRST + timedelta(days=day)}
        for day in range(66)
        for station in range(2)
    ]
    return rows


def _of_sql(table: str, tables: Tables) -> pa.Table:
    sql_tables = {view_name(name): rows for name, rows in tables.items()}
    return run_contract_sql(contracts()[table], {**reference_tables(), **sql_tables})


def stock_days(tables: Tables, newest: datetime) -> list[Row]:
    """By the contract's SQL for all holders at once."""
    rows: list[Row] = _days(tables).to_pylist()
    return rows


def stocks(tables: Tables, newest: datetime) -> list[Row]:
    """The newest day of each stock."""
    groups = grouped(stock_days(tables, newest), "entity_id", "commodity").values()
    return [max(rows, key=lambda row: (row["event_time"], row["market_date"])) for rows in groups]


def supply_transfers(tables: Tables, newest: datetime) -> list[Row]:
    """By the contract's SQL over all stocks."""
    newest_stocks = _of_sql("gold.stocks", {"gold.stock_days": _days(tables)})
    rows: list[Row] = _of_sql("gold.supply_transfers", {"gold.stocks": newest_stocks}).to_pylist()
    return rows


def _days(tables: Tables) -> pa.Table:
    holders = pa.table({"entity_id": tables["silver.stocks"]["entity_id"].unique()})
    return _of_sql("gold.stock_days", {**tables, "changed": holders})


def routes(tables: Tables, newest: datetime) -> list[Row]:
    """Each route from its deliveries one by one."""
    rain: dict[tuple[str, date], float] = {}
    for row in tables["silver.weather"].to_pylist():
        place = (row["region_code"], row["date"])
        rain[place] = max(rain.get(place, 0.0), row["rainfall_mm"])
    groups = grouped(tables["silver.shipments"].to_pylist(), "route_id").values()
    return [_route(rows, rain) for rows in groups]


def _route(reports: list[Row], rain: Mapping[tuple[str, date], float]) -> Row:
    deliveries: dict[tuple[Any, ...], Row] = {}
    for row in sorted(
        reports, key=lambda row: (row["arrived_at"] is not None, row["event_time"], row["event_id"])
    ):
        identity = row["departed_at"] or row["event_id"]
        deliveries[row["origin"], row["destination"], row["commodity"], identity] = row
    single = sorted(deliveries.values(), key=lambda row: (row["event_time"], row["event_id"]))
    arrived = [row for row in single if (row["travel_hours"] or 0) > 0 and row["distance_km"]]
    copied = ("route_id", "origin", "origin_region_code", "destination", "destination_region_code")
    distances = [row["distance_km"] for row in single if row["distance_km"]]
    return {
        **{name: single[-1][name] for name in copied},
        "by_sea": crosses_sea(single[-1]["origin_region_code"], single[-1]["destination_region_code"]),
        "deliveries": len(single),
        "arrived": len(arrived),
        "distance_km": median(distances) if distances else None,
        "median_hours": median(row["travel_hours"] for row in arrived) if arrived else None,
        "event_time": max(row["event_time"] for row in reports),
        **observed_times([_with_heuristic(row, rain) for row in arrived]),
    }


def _with_heuristic(row: Row, rain: Mapping[tuple[str, date], float]) -> Row:
    codes = (row["origin_region_code"], row["destination_region_code"])
    timezone = province_timezone(codes[0])
    fallen = max(
        (rain.get((code, row["departed_at"].astimezone(ZoneInfo(timezone)).date()), 0.0) for code in codes),
        default=0.0,
    )
    conditions = Conditions(weather_share(fallen), traffic_share(row["departed_at"], timezone))
    return row | {"heuristic": heuristic_hours(row["distance_km"], conditions, crosses_sea(*codes))}


def observed_times(arrived: list[Row]) -> Row:
    """Quantiles of the newest 500 arrivals, oldest first, and the errors on their newest fifth."""
    newest = arrived[-500:]
    if len(newest) < 50:
        return {"basis": "heuristic"}
    cut = len(newest) - math.ceil(len(newest) / 5)
    later = newest[cut:]
    pace = [row["travel_hours"] / row["distance_km"] for row in newest]
    p50, p90 = np.quantile(pace[:cut], [0.5, 0.9])
    usual = median(row["travel_hours"] for row in newest[:cut])
    observed = fmean(abs(row["travel_hours"] - p50 * row["distance_km"]) for row in later)
    heuristic = fmean(abs(row["travel_hours"] - row["heuristic"]) for row in later)
    return {
        "p50_hours_per_km": float(np.quantile(pace, 0.5)),
        "p90_hours_per_km": float(np.quantile(pace, 0.9)),
        "observed_mae_hours": observed,
        "heuristic_mae_hours": heuristic,
        "baseline_mae_hours": fmean(abs(row["travel_hours"] - usual) for row in later),
        "p90_coverage": fmean(row["travel_hours"] <= p90 * row["distance_km"] for row in later),
        "basis": "observed" if observed <= heuristic else "heuristic",
    }
