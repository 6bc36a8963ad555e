"""The list of paper orders: one's own, or those of the house, with orders that the tables do not show yet."""

from collections.abc import Sequence
from datetime import date

import orjson
import pyarrow.compute as pc
from fastapi import Depends, Request

from serving_api.http.cursors import Key
from serving_api.http.shared import Shared
from serving_api.listings.listing import Filter, Listing, ListRequest, Row, listing_router
from serving_api.reads.responses import rows_after, to_json_value
from serving_api.reads.snapshots import Snapshot
from serving_api.reads.table_rows import read_rows
from serving_api.reads.trading.accounts import HOUSE, UNFILLED, account_of
from serving_api.reads.trading.market import bar_of
from serving_api.schemas.envelope import Name
from serving_api.schemas.trading.trades import Status, TradeRow
from serving_api.writes.paper_orders import PaperOrders

LEDGER = "gold.ledger"
COLUMNS = tuple(name for name in TradeRow.model_fields if name != "block_hash")
UNSOLD = dict.fromkeys(("exit_price", "exited_at"))


async def orders_of_reader(request: Request, orders: Shared[PaperOrders]) -> tuple[str, list[Row]]:
    """The account of the caller, and its orders that this process remembers."""
    account = account_of(request)
    return account, orders.of_account(account)


def all_orders(request: ListRequest) -> list[Row]:
    """The orders of the account: rows of gold.trades, and those that it does not show yet."""
    account, remembered = request.context
    assert request.snapshot.rows is not None
    stored = request.snapshot.rows.filter(pc.field("account") == account).to_pylist()
    known = {row["trade_id"] for row in stored}
    new = [remembered_row(row) for row in remembered if row["trade_id"] not in known]
    return [row | {"violations": orjson.loads(row["violations"])} for row in stored] + new


def remembered_row(row: Row) -> Row:
    """An order that the tables do not show yet, as they will."""
    violations = row["validation"]["violations"]
    return row | UNFILLED | UNSOLD | {"quantity": row["decided_quantity"], "violations": violations}


def newest_decision(request: ListRequest) -> date | None:
    """When the newest order of the account was decided; None without any."""
    return max((row["decided_at"] for row in all_orders(request)), default=None)


def orders_after(
    request: ListRequest, condition: pc.Expression, key: Key | None, limit: int
) -> list[tuple[Key, Row]]:
    """The orders after `key`, newest first. Raises Problem 404 for an unknown symbol."""
    name, status, times = request.values["symbol"], request.values["status"], request.times
    symbol = None if name is None else bar_of(request.snapshots, name)["symbol"]
    assert times is not None
    rows = [
        ((-int(row["decided_at"].timestamp() * 1e6), row["trade_id"]), row)
        for row in all_orders(request)
        if symbol in (None, row["symbol"])
        and status in (None, row["status"])
        and times.start <= row["decided_at"]
        and (times.end is None or row["decided_at"] < times.end)
    ]
    return list(rows_after(sorted(rows, key=lambda each: each[0]), key)[: limit + 1])


def with_blocks(rows: Sequence[Row], request: ListRequest) -> list[Row]:
    """Orders as items, with the hashes of their blocks."""
    hashes = block_hashes(request.others[LEDGER], [row["event_id"] for row in rows])
    return [
        {name: to_json_value(row[name]) for name in COLUMNS} | {"block_hash": hashes.get(row["event_id"])}
        for row in rows
    ]


def block_hashes(snapshot: Snapshot, event_ids: list[str]) -> dict[str, str]:
    """Event -> hash of its block in chain `trade`."""
    condition = (pc.field("chain") == "trade") & pc.field("event_id").isin(event_ids)
    rows = read_rows(snapshot, condition, ["event_id", "hash"]) if event_ids else None
    return {} if rows is None else {row["event_id"]: row["hash"] for row in rows.to_pylist()}


ORDERS = Listing(
    table="gold.trades",
    path="/api/trades/history",
    name="trade_history",
    item=TradeRow,
    summary="Paper orders, newest first",
    description="One's own orders, without a token those of the house. Default: the 30 days that end with "
    "the newest.",
    times="decided_at",
    newest=newest_decision,
    others=(LEDGER,),
    filters=(
        Filter("symbol", "only this stock or coin", annotation=Name),
        Filter("status", "only orders of this status", annotation=Status),
    ),
    read=orders_after,
    present=with_blocks,
    context=Depends(orders_of_reader),
    personal=lambda request: request.context[0] != HOUSE,
    cached=False,
    statuses=(401, 404),
)
router = listing_router("trading", ORDERS)
