"""A store of accounts that is locked, damaged or gone: 503 with Retry-After, and 200 again afterwards."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lakehouse.io.identity import database
from tests.conftest import Broker
from tests.support.api import Api, new_stack
from tests.support.identity.people import PASSWORD, add_person, send, sign_in

REGISTER = "/api/auth/device/register"


@contextmanager
def locked(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("begin immediate")
        yield


@contextmanager
def without_tables(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        names = ("devices", "users", "audit")
        for name in names:
            other.execute(f"alter table {name} rename to kept_{name}")
        yield
        for name in names:
            other.execute(f"alter table kept_{name} rename to {name}")


@contextmanager
def overwritten(file: Path) -> Iterator[None]:
    parts = [path for path in file.parent.glob("identity.sqlite*") if path.is_file()]
    kept = {path: path.read_bytes() for path in parts}
    for path in parts:
        path.write_bytes(b"no database" * 1000)
    yield
    for path, content in kept.items():
        path.write_bytes(content)


@pytest.mark.parametrize("failure", [locked, without_tables, overwritten])
def test_request_that_needs_the_store_is_503_until_it_is_back(
    broker: Broker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: Callable[[Path], Iterator[None]],
):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    api = Api(new_stack(tmp_path, broker, LUMBUNG_IDENTITY__RIGHTS_SECONDS="0"))
    try:
        add_person(api.stack, "person@example.id")
        token = sign_in(api, "person@example.id")["access_token"]
        operator = api.stack.tokens["operator"]
        key = {"name": "n", "scopes": ["read"], "password": PASSWORD}
        device = {"market_id": "PASAR-001", "device_id": "DEV-STORE"}
        login = {"email": "person@example.id", "password": PASSWORD}
        requests = [
            ("POST", "/api/v1/users/me/keys", key, token),
            ("POST", REGISTER, device, operator),
            ("POST", "/api/v1/auth/login", login, None),
        ]
        if failure is not locked:
            requests += [("GET", "/api/v1/users/me", None, token), ("GET", "/api/v1/devices", None, operator)]
        with failure(tmp_path / "state" / "identity.sqlite"):
            for method, path, body, bearer in requests:
                answer = send(api, method, path, body, bearer)
                assert answer.status_code == 503, (path, answer.text)
                assert answer.headers["content-type"].startswith("application/problem+json")
                assert int(answer.headers["retry-after"]) > 0
                assert "sqlite" not in answer.text.lower() and "select" not in answer.text.lower()
        assert send(api, "POST", REGISTER, device, operator).status_code == 201
        assert send(api, "GET", "/api/v1/users/me", token=token).status_code == 200
    finally:
        api.stop()
        shutil.rmtree(tmp_path, ignore_errors=True)
