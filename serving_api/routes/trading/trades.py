"""Paper trading: the dashboard of an account, orders, their history and their blocks."""

from typing import Annotated, Any

import orjson
import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import Query, Request, Response

from lakehouse.identity.roles import Principal, Role
from serving_api.http.callers import principal_of
from serving_api.http.cursors import Key, TimeRange, time_range
from serving_api.http.dependencies import USER
from serving_api.http.idempotency import identity_of
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.live.service import Live
from serving_api.reads.responses import (
    PRIVATE,
    CurrentResponses,
    EncodedPage,
    KeyedItem,
    encode_page,
    json_response,
    rows_after,
    to_json_value,
)
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.reads.trading.accounts import HOUSE, PORTFOLIO, dashboard_of
from serving_api.reads.trading.market import TABLE as BARS
from serving_api.reads.trading.market import bar_of
from serving_api.schemas.envelope import Page
from serving_api.schemas.problem import problems
from serving_api.schemas.trading.trades import (
    ExecuteBody,
    RecordsQuery,
    TradeBlock,
    TradeDecision,
    TradeRow,
    TradesQuery,
    TradingDashboard,
)
from serving_api.writes.paper_orders import PaperOrders, RequestedOrder

router = Router(prefix="/api", tags=["trading"])
TRADES = "gold.trades"
LEDGER = "gold.ledger"
DECIDED = ("trade_id", "status", "symbol", "side", "confidence", "oracle", "event_id", "decided_at")
ORDER_COLUMNS = tuple(name for name in TradeRow.model_fields if name != "block_hash")
UNSOLD = dict.fromkeys(("exit_price", "exited_at"))
UNFILLED = dict.fromkeys(("price", "pnl", "executed_at"))


def account_of(request: Request) -> str:
    """The account of a person, or of a key that may read; for others that of the house, which is public.

    Raises Problem 401 for an unknown token.
    """
    caller = principal_of(request)
    is_own = caller is not None and caller.role >= Role.USER and caller.may("read")
    return caller.subject if caller is not None and is_own else HOUSE


@router.get(
    "/dashboard",
    response_model=TradingDashboard,
    responses=problems(401),
    summary="A paper account: positions, results, limits",
)
async def trading_dashboard(
    snapshots: Shared[Snapshots], orders: Shared[PaperOrders], responses: CurrentResponses
) -> Response:
    """With a token one's own account, without one the house account, which follows every verified signal."""
    account = account_of(responses.request)
    read = [snapshots[PORTFOLIO], snapshots[BARS]]
    under_way = [order for order in orders.of_account(account) if order["status"] == "ACCEPTED"]
    item = dashboard_of(snapshots, account, under_way)
    if account == HOUSE:
        return responses.item(read, item)
    return responses.personal(read, item, None)


@router.post("/trades/execute", status_code=201, response_model=TradeDecision, summary="Give a paper order")
async def execute_trade(
    request: Request,
    body: ExecuteBody,
    caller: Annotated[Principal, USER],
    orders: Shared[PaperOrders],
    live: Shared[Live],
) -> Response:
    """Decided at once. ACCEPTED fills at the open of the next bar; a refusal is recorded too."""
    order = RequestedOrder(**body.model_dump())
    row, is_new = await orders.execute(order, caller, identity_of(request))
    decision = decision_of(row)
    if is_new:
        live.trading.publish_trade(caller.subject, decision)
    return json_response(decision, 201, PRIVATE)


def decision_of(row: dict[str, Any]) -> dict[str, Any]:
    """A decided order as the answer to its request."""
    decision = {name: to_json_value(row[name]) for name in DECIDED}
    return decision | UNFILLED | {"quantity": row["decided_quantity"], "validation": row["validation"]}


@router.get(
    "/trades/history",
    response_model=Page[TradeRow],
    responses=problems(401, 404),
    summary="Paper orders, newest first",
)
async def trade_history(
    query: Annotated[TradesQuery, Query()],
    snapshots: Shared[Snapshots],
    orders: Shared[PaperOrders],
    responses: CurrentResponses,
) -> Response:
    """One's own orders, without a token those of the house. Default: the 30 days that end with the newest."""
    account = account_of(responses.request)
    remembered = orders.of_account(account)

    def respond() -> Response:
        snapshot = snapshots[TRADES]
        rows = orders_of_account(snapshot, remembered, account)
        newest = max((row["decided_at"] for row in rows), default=None)
        times = time_range(query.from_, query.to, newest)

        def read(key: Key | None, limit: int) -> EncodedPage:
            listed = rows_after(matching(rows, query, snapshots, times), key)[: limit + 1]
            hashes = block_hashes(snapshots[LEDGER], [item["event_id"] for _, item in listed])
            items = [(at, history_item(item, hashes)) for at, item in listed]
            return encode_page(items, limit)

        read_from = [snapshot, snapshots[LEDGER]]
        is_own = account != HOUSE
        return responses.page(read_from, query, read, times=times, personal=is_own, cached=False)

    return await run_sync(respond)


def orders_of_account(
    snapshot: Snapshot, remembered: list[dict[str, Any]], account: str
) -> list[dict[str, Any]]:
    """Rows of gold.trades of an account, with the orders that it does not show yet."""
    assert snapshot.rows is not None
    stored = snapshot.rows.filter(pc.field("account") == account).to_pylist()
    known = {row["trade_id"] for row in stored}
    new = [remembered_row(row) for row in remembered if row["trade_id"] not in known]
    return [row | {"violations": orjson.loads(row["violations"])} for row in stored] + new


def remembered_row(row: dict[str, Any]) -> dict[str, Any]:
    """An order that the tables do not show yet, as they will."""
    violations = row["validation"]["violations"]
    return row | UNFILLED | UNSOLD | {"quantity": row["decided_quantity"], "violations": violations}


def matching(
    rows: list[dict[str, Any]], query: TradesQuery, snapshots: Snapshots, times: TimeRange
) -> list[KeyedItem]:
    """The orders that the query asks for, newest first. Raises Problem 404 for an unknown symbol."""
    symbol = bar_of(snapshots, query.symbol)["symbol"] if query.symbol is not None else None
    listed = [
        ((-int(row["decided_at"].timestamp() * 1e6), row["trade_id"]), row)
        for row in rows
        if symbol in (None, row["symbol"])
        and query.status in (None, row["status"])
        and times.start <= row["decided_at"]
        and (times.end is None or row["decided_at"] < times.end)
    ]
    return sorted(listed, key=lambda each: each[0])


def history_item(row: dict[str, Any], hashes: dict[str, str]) -> dict[str, Any]:
    """An order as an item."""
    item = {name: to_json_value(row[name]) for name in ORDER_COLUMNS}
    return item | {"block_hash": hashes.get(row["event_id"])}


def block_hashes(snapshot: Snapshot, event_ids: list[str]) -> dict[str, str]:
    """Event -> hash of its block in chain `trade`."""
    if snapshot.delta is None or not event_ids:
        return {}
    condition = (pc.field("chain") == "trade") & pc.field("event_id").isin(event_ids)
    rows = snapshot.read(condition, ["event_id", "hash"])
    return dict(zip(rows["event_id"].to_pylist(), rows["hash"].to_pylist(), strict=True))


@router.get(
    "/smartcontract/records",
    response_model=Page[TradeBlock],
    responses=problems(404),
    summary="Blocks about paper orders, newest first",
)
async def list_trade_blocks(
    query: Annotated[RecordsQuery, Query()], snapshots: Shared[Snapshots], responses: CurrentResponses
) -> Response:
    """Blocks of chain `trade`. A ledger of this machine that detects alteration, not a public blockchain."""

    def respond() -> Response:
        snapshot = snapshots[LEDGER]

        def read(key: Key | None, limit: int) -> EncodedPage:
            symbol = bar_of(snapshots, query.symbol)["symbol"] if query.symbol is not None else None
            rows = snapshot.cached("trade blocks", lambda: trade_blocks(snapshot))
            listed = [row for row in rows if symbol in (None, row[1]["trade"]["symbol"])]
            return encode_page(list(rows_after(listed, key)[: limit + 1]), limit)

        return responses.page([snapshot], query, read)

    return await run_sync(respond)


def trade_blocks(snapshot: Snapshot) -> list[KeyedItem]:
    """The blocks of chain `trade` that are about orders, newest first."""
    if snapshot.delta is None:
        return []
    condition = (pc.field("chain") == "trade") & (pc.field("table") == "silver.orders")
    condition &= pc.field("kind") == "trade"
    columns = ["index", "hash", "previous_hash", "timestamp", "payload"]
    rows = snapshot.read(condition, columns)
    return [
        ((-row["index"],), block_item(row)) for row in rows.sort_by([("index", "descending")]).to_pylist()
    ]


def block_item(row: dict[str, Any]) -> dict[str, Any]:
    """A record of the ledger as an item."""
    payload = orjson.loads(row["payload"])
    return {
        "block_number": row["index"],
        "block_hash": row["hash"],
        "previous_hash": row["previous_hash"],
        "trade": {name: payload[name] for name in ("trade_id", "symbol", "side", "status")},
        "timestamp": to_json_value(row["timestamp"]),
    }
