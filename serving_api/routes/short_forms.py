"""Short addresses that callers already use: 308 to the full ones, with the query."""

from fastapi import APIRouter, Request, Response

router = APIRouter(tags=["short forms"])
SHORT_PATHS = (
    "/commodity/price/live",
    "/commodity/price/history",
    "/market/list",
    "/forecast",
    "/alerts/live",
)


async def redirect(request: Request) -> Response:
    """Permanently moved to /api/public."""
    query = f"?{request.url.query}" if request.url.query else ""
    return Response(status_code=308, headers={"Location": f"/api/public{request.url.path}{query}"})


for path in SHORT_PATHS:
    router.add_api_route(
        path,
        redirect,
        methods=["GET"],
        status_code=308,
        summary=f"Moved to /api/public{path}",
        name=f"redirect{path.replace('/', '_')}",
    )
