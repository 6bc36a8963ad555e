"""Live prices as items: the newest retail price of each market and commodity, in each order."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io.query import run_contract_sql
from serving_api.http.cursors import Key
from serving_api.reads.dashboard.daily_figures import prices_known_on
from serving_api.reads.price_impacts import PriceImpacts
from serving_api.reads.provenance import simulated_rows
from serving_api.reads.responses import KeyedItem, to_json_value
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.schemas.prices import LiveOrder, LivePrice

DERIVED = ("status", "age_days", "is_current", "impact_score")
LIVE = tuple(name for name in LivePrice.model_fields if name not in DERIVED)
READ = [*LIVE, "status", "region_code", "previous_price_idr"]
RETAIL = "retail"
CURRENT_DAYS = 7  # a market that reports once a week is current, and so are all of them after a holiday
# What comes before the time in each order of the live prices.
LIVE_ORDERS: Mapping[LiveOrder, Callable[[dict[str, Any]], Key]] = {
    "newest": lambda item: (),
    "price": lambda item: (not item["is_current"], item["price_idr"]),
    "age": lambda item: (item["age_days"],),
    "change": lambda item: (item["change_pct"] is None, -(item["change_pct"] or 0.0)),
    "name": lambda item: (item["market_name"],),
}
SERIES = ("market_id", "commodity", "channel")


def live_table(snapshots: Snapshots, known_on: date | None) -> pa.Table:
    """gold.live_prices, or its rows as computed from what had been stored by the close of a day."""
    snapshot = snapshots["gold.live_prices"]
    if known_on is None:
        return snapshot.rows

    def compute() -> pa.Table:
        prices = prices_known_on(snapshots, known_on)
        return run_contract_sql(contracts()["gold.live_prices"], {"silver_prices": prices})

    return snapshot.cached(("live prices known on", known_on), compute)


def live_rows(
    table: pa.Table, order: LiveOrder, impacts: PriceImpacts | None, chosen: pc.Expression
) -> list[KeyedItem]:
    """The retail series that satisfy a condition, in an order.

    Chosen before they are built: a new version comes with every batch, and building all of them takes 60 ms.
    `impacts`: None when those of today were not known yet.
    """
    newest = pc.max(table["market_date"]).as_py()
    rows = []
    shown = table.filter((pc.field("channel") == RETAIL) & chosen).select(READ)
    for row in newest_by_market(shown.to_pylist()):
        item = {name: to_json_value(row[name]) for name in LIVE}
        age = (newest - row["market_date"]).days
        item |= {"status": row["status"] or "validated", "age_days": age, "is_current": age <= CURRENT_DAYS}
        item["impact_score"] = impacts.score(row) if impacts else None
        newest_first = (-row["event_time"].timestamp(), row["market_id"], row["commodity"])
        rows.append(((*LIVE_ORDERS[order](item), *newest_first), item))
    return sorted(rows, key=lambda row: row[0])


def of_place(ids: frozenset[str] | None, code: str | None) -> pc.Expression:
    """The condition that a row is of these commodities and of a province; None: of all."""
    condition = pc.scalar(True)
    if ids is not None:
        condition &= pc.field("commodity").isin(sorted(ids))
    return condition if code is None else condition & (pc.field("region_code") == code)


def newest_by_market(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row of each market and commodity: of its providers that with the newest market day.

    Of equals the one that the knob lake.providers names first, then the newest price.
    """
    rank = {provider: -nth for nth, provider in enumerate(settings().lake.providers)}

    def order(row: dict[str, Any]) -> Key:
        return (row["market_date"], rank.get(row["provider"], -len(rank)), row["event_time"])

    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(rows, key=order):
        newest[row["market_id"], row["commodity"]] = row
    return list(newest.values())


def is_simulated(snapshot: Snapshot) -> Callable[[dict[str, Any]], bool]:
    """Whether the simulator reported an item; only retail prices are served."""
    simulated = simulated_rows(snapshot, SERIES)
    return lambda item: (item["market_id"], item["commodity"], RETAIL) in simulated
