"""Short addresses that callers already use: 308 to the full ones, query kept."""

from fastapi import APIRouter, Request, Response

router = APIRouter(tags=["short forms"])
SHORT = ("/commodity/price/live", "/commodity/price/history", "/market/list", "/forecast")


async def moved(request: Request) -> Response:
    """Permanently at /api/public."""
    query = f"?{request.url.query}" if request.url.query else ""
    return Response(status_code=308, headers={"Location": f"/api/public{request.url.path}{query}"})


for path in SHORT:
    router.add_api_route(path, moved, methods=["GET"], status_code=308, summary=f"Moved to /api/public{path}", name=path)
