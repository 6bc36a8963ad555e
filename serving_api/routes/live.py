"""WebSockets: prices, alerts and paper trading as they change."""

from fastapi import APIRouter
from starlette.websockets import WebSocket

from serving_api.http.shared import Shared
from serving_api.live.service import Live

router = APIRouter(tags=["live"])


@router.websocket("/ws/prices")
async def watch_prices(socket: WebSocket, live: Shared[Live]) -> None:
    """Prices as they change: `price_update` for each, filtered by `commodity` and `region`."""
    await live.serve(socket, "prices")


@router.websocket("/api/alerts/ws")
async def watch_alerts(socket: WebSocket, live: Shared[Live]) -> None:
    """Alerts as they change: `alert` with the item of GET /api/public/alerts/live."""
    await live.serve(socket, "alerts")


@router.websocket("/ws")
async def watch_trading(socket: WebSocket, live: Shared[Live]) -> None:
    """`dashboard` and `market_prices` every two seconds, `signal` and `trade` as they happen.

    Other channels by `subscribe`; one's own `trades`, or the `quarantine`, after `auth` with a ticket.
    """
    await live.serve(socket, "dashboard", "market_prices", "signals", "house_trades")
