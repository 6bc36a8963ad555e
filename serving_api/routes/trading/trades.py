"""Paper trading: the dashboard of an account, orders, their history and their blocks."""

from typing import Any

from fastapi import Request, Response

from serving_api.http.dependencies import CurrentUser
from serving_api.http.idempotency import identity_of
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.live.service import Live
from serving_api.reads.responses import (
    PRIVATE,
    CurrentResponses,
    json_response,
    to_json_value,
)
from serving_api.reads.trading.accounts import HOUSE, PORTFOLIO, account_of, dashboard_of
from serving_api.reads.trading.market import TABLE as BARS
from serving_api.schemas.problem import problems
from serving_api.schemas.trading.trades import (
    ExecuteBody,
    TradeDecision,
    TradingDashboard,
)
from serving_api.writes.paper_orders import PaperOrders

router = Router(prefix="/api", tags=["trading"])
DECIDED = ("trade_id", "status", "symbol", "side", "confidence", "oracle", "event_id", "decided_at")
UNFILLED = dict.fromkeys(("price", "pnl", "executed_at"))


@router.get(
    "/dashboard",
    response_model=TradingDashboard,
    responses=problems(401),
    summary="A paper account: positions, results, limits",
)
async def trading_dashboard(orders: Shared[PaperOrders], responses: CurrentResponses) -> Response:
    """With a token one's own account, without one the house account, which follows every verified signal."""
    snapshots = responses.snapshots
    account = account_of(responses.request)
    read = [snapshots[PORTFOLIO], snapshots[BARS]]
    under_way = [order for order in orders.of_account(account) if order["status"] == "ACCEPTED"]
    item = dashboard_of(snapshots, account, under_way)
    if account == HOUSE:
        return responses.item(read, item)
    return responses.personal(read, item)


@router.post("/trades/execute", status_code=201, response_model=TradeDecision, summary="Give a paper order")
async def execute_trade(
    request: Request,
    body: ExecuteBody,
    caller: CurrentUser,
    orders: Shared[PaperOrders],
    live: Shared[Live],
) -> Response:
    """Decided at once. ACCEPTED fills at the open of the next bar; a refusal is recorded too."""
    row, is_new = await orders.execute(body, caller, identity_of(request))
    decision = decision_of(row)
    if is_new:
        live.trading.publish_trade(caller.subject, decision)
    return json_response(decision, 201, PRIVATE)


def decision_of(row: dict[str, Any]) -> dict[str, Any]:
    """A decided order as the answer to its request."""
    decision = {name: to_json_value(row[name]) for name in DECIDED}
    return decision | UNFILLED | {"quantity": row["decided_quantity"], "validation": row["validation"]}
