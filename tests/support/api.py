"""The API under test: in this process behind a test client, or as a process of its own."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest
from confluent_kafka import Message
from pydantic import TypeAdapter
from starlette.routing import BaseRoute, Match
from starlette.testclient import TestClient

from conf.settings import REPO, Settings, settings
from lakehouse.signatures import SigningKeys
from scripts.stack import secrets_file
from scripts.stack.throwaway import Stack
from serving_api.app import create, routers
from tests.conftest import Broker, headers_of
from tests.support.waiting import eventually

LOOPBACK = "127.0.0.1"


class Environment:
    """The variables and settings of one home, in effect while it is entered; threads may enter together.

    In effect for Python: delta-rs reads the variables of C in other threads, and a change meanwhile may move
    them, which ends the process with SIGSEGV.
    """

    def __init__(self, stack: Stack) -> None:
        self._variables = {key: value for key, value in stack.env.items() if key.isupper()}
        self._lock = threading.Lock()
        self._entered = 0
        self._patch: pytest.MonkeyPatch | None = None
        self._settings: Settings | None = None

    @contextmanager
    def entered(self) -> Iterator[None]:
        with self._lock:
            if self._entered == 0:
                self._enter()
            self._entered += 1
        try:
            yield
        finally:
            with self._lock:
                self._entered -= 1
                if self._entered == 0:
                    self._leave()

    def _enter(self) -> None:
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(os, "environ", {**os.environ, **self._variables})
        settings.cache_clear()
        if self._settings is not None:  # reading them again would take 70 ms a request
            self._patch.setattr("conf.settings.Settings", lambda: self._settings)
        self._settings = settings()

    def _leave(self) -> None:
        assert self._patch is not None
        self._patch.undo()
        settings.cache_clear()


class Api:
    """The application in this process; `get` and `post` with the bearer of a role.

    Every successful JSON response is validated against the model that its route declares.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._environment = Environment(stack)
        with self._environment.entered():
            client = TestClient(
                create(),
                base_url=f"http://{LOOPBACK}",
                raise_server_exceptions=False,
                follow_redirects=False,
                client=(LOOPBACK, 50_000),
            )
            self.http = client.__enter__()

    def shared(self, kind: Any) -> Any:
        """The object of a type that requests share."""
        return self.http.app.state.shared[kind]  # type: ignore[attr-defined]

    def request(self, method: str, path: str, role: str | None = None, **more: Any) -> httpx2.Response:
        headers = dict(more.pop("headers", {}))
        if role:
            headers["Authorization"] = f"Bearer {self.stack.tokens[role]}"
        with self._environment.entered():
            response = self.http.request(method, path, headers=headers, **more)
        require_declared_model(response)
        return response

    def get(self, path: str, role: str | None = None, **more: Any) -> httpx2.Response:
        return self.request("GET", path, role, **more)

    def post(
        self, path: str, body: bytes, role: str | None = "operator", content_type: str = "application/json"
    ) -> httpx2.Response:
        return self.request("POST", path, role, content=body, headers={"Content-Type": content_type})

    def stop(self) -> None:
        with self._environment.entered():
            self.http.__exit__(None, None, None)


class ApiProcess(Api):
    """The API as a process on its port: for tests of signals, crashes, sockets and commands that call it."""

    def __init__(self, stack: Stack, log: Path | None = None) -> None:
        """`log`: a file that gets what the process writes."""
        self.stack = stack
        self._output = {} if log is None else {"stdout": log.open("ab"), "stderr": subprocess.STDOUT}
        self.start()

    def start(self) -> None:
        """Start the process, for the first time or again, and wait until it answers."""
        command = [sys.executable, "-m", "serving_api"]
        self.process = subprocess.Popen(command, cwd=REPO, env=self.stack.env, **self._output)
        self.http = httpx2.Client(base_url=self.stack.api_url, timeout=60)
        eventually(self._is_up_or_ended, passing=(httpx2.TransportError,))
        assert self.process.poll() is None, "the API does not start"

    def _is_up_or_ended(self) -> bool:
        return self.process.poll() is not None or self.http.get("/livez").is_success

    def request(self, method: str, path: str, role: str | None = None, **more: Any) -> httpx2.Response:
        headers = dict(more.pop("headers", {}))
        if role:
            headers["Authorization"] = f"Bearer {self.stack.tokens[role]}"
        return self.http.request(method, path, headers=headers, **more)

    def stop(self) -> int:  # type: ignore[override]
        self.http.close()
        self.process.terminate()
        return self.process.wait(60)


def new_stack(home: Path, broker: Broker | None = None, **knobs: str) -> Stack:
    """A home with secrets; on a broker, or without one."""
    stack = Stack(home, **(broker.knobs if broker else {}) | knobs)
    if broker is not None:
        stack.bootstrap = broker.stack.bootstrap
    with Environment(stack).entered():
        secrets_file.main()
    return stack


def answered(send: Callable[[], httpx2.Response]) -> httpx2.Response:
    """The first response that is no 503, to a request that is sent again for as long as a 503 asks for it."""

    def response() -> httpx2.Response | None:
        given = send()
        return None if given.status_code == 503 else given

    answer = eventually(response)
    assert answer is not None
    return answer


def require_declared_model(response: httpx2.Response) -> None:
    """Fails for a successful JSON response that is not exactly of the model that its route declares."""
    is_json = response.headers.get("content-type", "").startswith("application/json")
    model = declared_model(response.request.method, response.request.url.path)
    if model is None or response.status_code >= 300 or not is_json:
        return
    adapter = adapter_of(model)
    value = adapter.validate_json(response.content, strict=True)
    undeclared = undeclared_fields(response.json(), adapter.dump_python(value, mode="json", by_alias=True))
    assert not undeclared, f"{response.request.url.path} returns fields that its model lacks: {undeclared}"


@cache
def adapter_of(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def declared_model(method: str, path: str) -> Any:
    scope = {"type": "http", "method": method, "path": path, "headers": [], "root_path": ""}
    matching = (route for route in declared_routes() if route.matches(scope)[0] is Match.FULL)
    return getattr(next(matching, None), "response_model", None)


@cache
def declared_routes() -> list[BaseRoute]:
    """Of every module; to look for the modules takes half of the time of a request."""
    return [route for router in routers() for route in router.routes]


def undeclared_fields(body: Any, declared: Any, path: str = "") -> list[str]:
    """Paths of object members of `body` that `declared` does not have."""
    if isinstance(body, dict):
        own = [f"{path}/{name}" for name in body if name not in declared]
        return own + [
            field
            for name, value in body.items()
            if name in declared
            for field in undeclared_fields(value, declared[name], f"{path}/{name}")
        ]
    if isinstance(body, list):
        pairs = zip(body, declared, strict=True)
        return [field for value, known in pairs for field in undeclared_fields(value, known, path)]
    return []


def pages(api: Api, path: str, role: str | None = None) -> list[dict[str, Any]]:
    """The items of all pages, followed by their cursors. `path` has a query string."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        response = api.get(path + cursor, role)
        assert response.status_code == 200, response.text
        items += response.json()["items"]
        if response.json()["next_cursor"] is None:
            assert "link" not in response.headers
            return items
        assert 'rel="next"' in response.headers["link"]
        cursor = f"&cursor={response.json()['next_cursor']}"


def is_signed(record: Message, home: Path) -> bool:
    """Whether a record of Kafka has a signature by the first key of the home."""
    headers = headers_of(record)
    received_at = datetime.fromisoformat(headers["received_at"])
    named = {name: headers[name] for name in ("event_id", "kind", "source")}
    keys = (home / "secrets.env").read_text().partition("LUMBUNG_DECISION_KEYS=")[2].split()
    event = {**named, "received_at": received_at, "value": record.value()}
    return SigningKeys((keys[0],)).verify(event, headers["signature"], received_at)
