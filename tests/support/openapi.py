"""The OpenAPI document of the application, and a transport for clients made from it."""

from collections.abc import Iterator
from typing import Any

import httpx

from serving_api.app import create
from tests.support.api import Api

SCHEMA: dict[str, Any] = create().openapi()
OPERATIONS: list[dict[str, Any]] = [
    operation for methods in SCHEMA["paths"].values() for operation in methods.values()
]


def references(value: Any) -> Iterator[str]:
    """Every $ref below a value."""
    if isinstance(value, dict):
        for key, member in value.items():
            if key == "$ref":
                yield member
            else:
                yield from references(member)
    elif isinstance(value, list):
        for member in value:
            yield from references(member)


def dangling_references() -> set[str]:
    """References to component schemas that do not exist."""
    known = {f"#/components/schemas/{name}" for name in SCHEMA["components"]["schemas"]}
    return set(references(SCHEMA)) - known


class InProcess(httpx.BaseTransport):
    """Requests to an API of the tests, whatever their host."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        headers = dict(request.headers)
        response = self._api.request(request.method, path, content=request.read(), headers=headers)
        stream = httpx.ByteStream(response.content)
        # The test client has decoded the body already.
        kept = [pair for pair in response.headers.multi_items() if pair[0] != "content-encoding"]
        return httpx.Response(response.status_code, headers=kept, stream=stream)
