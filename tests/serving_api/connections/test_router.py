"""A request is compared with few routes, and is answered as FastAPI's own would."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from starlette.routing import Match
from starlette.testclient import TestClient

from serving_api import pages
from serving_api.app import routers
from serving_api.http.router import RouteTable, StrictRoute

prices = APIRouter(prefix="/prices")
names = APIRouter()
sockets = APIRouter()


@prices.get("/{name}/live")
async def live(name: str) -> str:
    return name


@prices.post("/all")
async def post_all() -> str:
    return "all"


@names.get("/{name}")
async def named(name: str) -> str:
    return f"name {name}"


@sockets.websocket("/ws/{name}")
async def socket(websocket: WebSocket, name: str) -> None:
    await websocket.accept()
    await websocket.send_text(name)
    await websocket.close()


@pytest.mark.parametrize("root_path", ["", "/behind/proxy"])
def test_answers_are_those_without_it(root_path: str) -> None:
    collected = (prices, names, sockets)
    application, tabled = FastAPI(), FastAPI()
    for router in collected:
        application.include_router(router)
    tabled.router.routes.append(RouteTable(collected))
    plain, by_table = (TestClient(each, root_path=root_path) for each in (application, tabled))
    for method in ("GET", "POST", "HEAD"):
        for path in ("/prices/garam/live", "/prices/all", "/prices", "/pricesx", "/prices/", "/x/y", "/"):
            wanted = plain.request(method, root_path + path)
            answer = by_table.request(method, root_path + path)
            assert (answer.status_code, answer.text) == (wanted.status_code, wanted.text), (method, path)
            assert answer.headers.get("allow") == wanted.headers.get("allow")
    with by_table.websocket_connect(f"{root_path}/ws/garam") as connection:
        assert connection.receive_text() == "garam"


def test_path_of_a_shop_is_compared_with_few_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    whole = StrictRoute.matches

    def counted(self: StrictRoute, scope: Any) -> Any:
        compared.append(self)
        return whole(self, scope)

    monkeypatch.setattr(StrictRoute, "matches", counted)
    scope = {"type": "http", "method": "GET", "path": "/analytics/revenue", "root_path": ""}
    assert RouteTable([*routers(), pages.router]).matches(scope)[0] is Match.FULL
    assert len(compared) == 1
