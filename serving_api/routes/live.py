"""WebSockets: prices and alerts as they change."""

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


def _live(socket: WebSocket) -> Live:
    live: Live = socket.app.state.services.live
    return live
