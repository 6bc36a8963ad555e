"""WebSockets: prices, alerts and paper trading as they change."""

from fastapi import APIRouter
from starlette.websockets import WebSocket

from serving_api.live.service import Live

router = APIRouter(tags=["live"])


@router.websocket("/ws/prices")
async def watch_prices(socket: WebSocket) -> None:
    """Prices as they change: `price_update` for each, filtered by `commodity` and `region`."""
    await _live(socket).serve(socket, "prices")


@router.websocket("/api/alerts/ws")
async def watch_alerts(socket: WebSocket) -> None:
    """Alerts as they change: `alert` with the item of GET /api/public/alerts/live."""
    await _live(socket).serve(socket, "alerts")


@router.websocket("/ws")
async def watch_trading(socket: WebSocket) -> None:
    """`dashboard` and `market_prices` every two seconds, `signal` and `trade` as they happen.

    Other channels by `subscribe`; one's own `trades`, or the `quarantine`, after `auth` with a ticket.
    """
    await _live(socket).serve(socket, "dashboard", "market_prices", "signals", "house_trades")


def _live(socket: WebSocket) -> Live:
    live: Live = socket.app.state.services.live
    return live
