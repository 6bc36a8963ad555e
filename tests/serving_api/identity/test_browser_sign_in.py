"""The sign-in of a browser: the refresh token in a cookie that only pages of this address can use."""

from collections.abc import Iterator
from http.cookies import Morsel, SimpleCookie
from typing import Any

import pytest

from conf.settings import settings
from tests.conftest import Broker
from tests.support.api import Api, new_stack
from tests.support.identity.people import JSON, PASSWORD, add_person, send

OWN = "http://127.0.0.1"
LOGIN = "/api/v1/auth/login"
REFRESH = "/api/v1/auth/refresh"
FOREIGN = (None, "null", "https://evil.example", "http://127.0.0.1:9", "http://127.0.0.1.evil.example")


@pytest.fixture(scope="module")
def own(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    running = Api(new_stack(tmp_path_factory.mktemp("browser-sign-in"), broker))
    yield running
    running.stop()


def post(
    api: Api, path: str, body: dict[str, Any], origin: str | None = OWN, cookie: str | None = None
) -> Any:
    """The response to a page of `origin` with a cookie, and with no other."""
    api.http.cookies.clear()
    headers = dict(JSON)
    if origin is not None:
        headers["Origin"] = origin
    if cookie is not None:
        headers["Cookie"] = f"lumbung_refresh={cookie}"
    return api.request("POST", path, headers=headers, json=body)


def cookie_of(response: Any) -> Morsel[str]:
    assert response.status_code in (200, 204), response.text
    return SimpleCookie(response.headers["set-cookie"])["lumbung_refresh"]


def login(api: Api, email: str, origin: str | None = OWN) -> Any:
    return post(api, LOGIN, {"email": email, "password": PASSWORD, "cookie": True}, origin)


def test_refresh_token_is_in_the_cookie_alone_and_renews_the_sign_in(own: Api):
    add_person(own.stack, "page@example.id")
    answer = login(own, "page@example.id")
    assert answer.json()["refresh_token"] is None and answer.json()["access_token"]
    first = cookie_of(answer)
    assert first["httponly"] and first["samesite"] == "strict" and first["path"] == REFRESH
    assert int(first["max-age"]) == 7 * 86_400 and not first["secure"]
    second = post(own, REFRESH, {}, cookie=first.value)
    assert second.json()["refresh_token"] is None and second.json()["role"] == "user"
    assert cookie_of(second).value != first.value
    assert post(own, REFRESH, {}, cookie=first.value).status_code == 401, "it is spent"
    assert post(own, REFRESH, {}, cookie=cookie_of(second).value).status_code == 401, "the sign-in ended"


def test_cookie_is_secure_where_the_page_came_over_tls(own: Api):
    add_person(own.stack, "tls@example.id")
    assert cookie_of(login(own, "tls@example.id", "https://127.0.0.1"))["secure"]


@pytest.mark.parametrize("origin", FOREIGN)
def test_page_of_another_origin_neither_sets_nor_spends_the_cookie(own: Api, origin: str | None):
    email = f"forged-{FOREIGN.index(origin)}@example.id"
    add_person(own.stack, email)
    refused = login(own, email, origin)
    assert refused.status_code == 403 and "set-cookie" not in refused.headers
    token = cookie_of(login(own, email)).value
    assert post(own, REFRESH, {}, origin, token).status_code == 403
    assert post(own, REFRESH, {}, cookie=token).status_code == 200, "the refused request spent nothing"


@pytest.mark.parametrize(
    ("host", "public_url", "status"),
    [
        ("evil.example", "", 403),  # its owner lets the name point to this machine
        ("localhost:8000", "", 200),
        ("[::1]:8000", "", 200),
        ("harga.example.id", "http://harga.example.id/", 200),
        ("evil.example", "http://harga.example.id", 403),
    ],
)
def test_origin_that_agrees_with_the_host_is_own_by_a_known_name_alone(
    own: Api, monkeypatch: pytest.MonkeyPatch, host: str, public_url: str, status: int
):
    with own._environment.entered():
        monkeypatch.setattr(settings().api, "public_url", public_url)
        email = f"{status}-{len(host)}-{len(public_url)}@example.id"
        add_person(own.stack, email)
        headers = JSON | {"Host": host, "Origin": f"http://{host}"}
        body = {"email": email, "password": PASSWORD, "cookie": True}
        assert own.request("POST", LOGIN, headers=headers, json=body).status_code == status


def test_sign_out_removes_the_cookie_and_ends_its_token(own: Api):
    add_person(own.stack, "leaving@example.id")
    answer = login(own, "leaving@example.id")
    gone = cookie_of(send(own, "POST", "/api/v1/auth/logout", {}, answer.json()["access_token"]))
    assert (gone.value, gone["path"], gone["max-age"]) == ("", REFRESH, "0")
    assert post(own, REFRESH, {}, cookie=cookie_of(answer).value).status_code == 401


def test_refresh_without_token_and_cookie_is_refused(own: Api):
    assert post(own, REFRESH, {}).status_code == 401
