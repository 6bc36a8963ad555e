"""A request is compared with the routes of few routers, and is answered as FastAPI's own would."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from starlette.testclient import TestClient

from serving_api import pages
from serving_api.app import routers
from serving_api.http.router import Router

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


def client_of(*included: APIRouter, root_path: str) -> TestClient:
    application = FastAPI()
    for router in included:
        application.include_router(router)
    return TestClient(application, root_path=root_path)


@pytest.mark.parametrize("root_path", ["", "/behind/proxy"])
def test_answers_are_those_without_it(root_path: str) -> None:
    collected = (prices, names, sockets)
    plain = client_of(*collected, root_path=root_path)
    sorted_by_path = client_of(*(Router(routes=router.routes) for router in collected), root_path=root_path)
    for method in ("GET", "POST", "HEAD"):
        for path in ("/prices/garam/live", "/prices/all", "/prices", "/pricesx", "/prices/", "/x/y", "/"):
            wanted = plain.request(method, root_path + path)
            answer = sorted_by_path.request(method, root_path + path)
            assert (answer.status_code, answer.text) == (wanted.status_code, wanted.text), (method, path)
            assert answer.headers.get("allow") == wanted.headers.get("allow")
    with sorted_by_path.websocket_connect(f"{root_path}/ws/garam") as connection:
        assert connection.receive_text() == "garam"


def test_path_of_a_shop_is_compared_with_few_routers(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    whole = APIRouter.matches

    def counted(self: APIRouter, scope: Any) -> Any:
        compared.append(self)
        return whole(self, scope)

    monkeypatch.setattr(APIRouter, "matches", counted)
    collected = [*routers(), pages.router]
    scope = {"type": "http", "method": "GET", "path": "/analytics/revenue", "root_path": ""}
    for router in collected:
        router.matches(scope)
    assert len(compared) <= 4 < len(collected)
