"""Short addresses that callers already use: 308 to the full ones, with the query."""

from fastapi import Request, Response

from serving_api.http.router import Router
from serving_api.schemas.problem import problems

router = Router(tags=["short forms"])
SHORT_PATHS = {
    "/commodity/price/live": "GET",
    "/commodity/price/history": "GET",
    "/market/list": "GET",
    "/forecast": "GET",
    "/impact": "GET",
    "/alerts/live": "GET",
    "/device/register": "POST",
}


async def redirect(request: Request) -> Response:
    """Permanently moved to /api/public."""
    query = f"?{request.url.query}" if request.url.query else ""
    return Response(status_code=308, headers={"Location": f"/api/public{request.url.path}{query}"})


for path, method in SHORT_PATHS.items():
    router.add_api_route(
        path,
        redirect,
        methods=[method],
        status_code=308,
        responses=problems(503) if method == "POST" else None,
        summary=f"Moved to /api/public{path}",
        name=f"redirect{path.replace('/', '_')}",
    )
