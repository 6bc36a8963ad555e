"""The API of this machine, called with a bearer that this process signs: who can read secrets.env can."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import httpx2

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import Refused
from conf.settings import settings
from lakehouse.identity.roles import Role
from lakehouse.io.identity.tokens import TokenSigner
from scripts.console import console, fail
from scripts.stack.readiness import api_url

SECONDS = 300
PAGE_ROWS = 1000


def local_token(role: Role, seconds: int = SECONDS) -> str:
    """A token of the role that ends after so many seconds. Exits 3 without a secret that can sign."""
    try:
        return TokenSigner().sign_local(role, seconds)
    except Refused as refusal:
        fail(str(refusal), ExitCode.MISSING)


def local_bearer(role: Role) -> dict[str, str]:
    """The header of a request in this role. Exits 3 without a secret that can sign."""
    return {"Authorization": f"Bearer {local_token(role)}"}


class Api:
    """The API, called as operator. Exits 4 when it does not run, 3 without a secret, 1 when it refuses."""

    def __init__(self) -> None:
        headers = {**local_bearer(Role.OPERATOR), "Accept-Language": settings().language}
        self._http = httpx2.Client(base_url=api_url(), headers=headers, timeout=60)

    def response(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """The response, whatever its status."""
        try:
            return self._http.request(method, path, **options)
        except httpx2.TransportError:
            fail(f"the API at {api_url()} does not answer; remedy: ./run.sh up", ExitCode.NOT_RUNNING)

    def request(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of the response. Exits 2 when it refuses a parameter."""
        response = self.response(method, path, **options)
        if response.status_code >= 400:
            problem = response.json()
            code = ExitCode.USAGE if response.status_code == 422 else ExitCode.FAILED
            fail(f"{problem['title']}: {problem['detail']}", code)
        return response.json()

    def first(self, path: str, filters: dict[str, Any], limit: int) -> list[dict[str, Any]]:
        """The first `limit` items of a list; with a message when there are more."""
        items = list(islice(self.rows(path, filters, limit + 1), limit + 1))
        if len(items) > limit:
            console.print(f"the newest {limit} rows; --limit shows more", markup=False)
        return items[:limit]

    def rows(
        self, path: str, filters: dict[str, Any], page_rows: int = PAGE_ROWS
    ) -> Iterator[dict[str, Any]]:
        """The items of a list in its order, page by page. A filter that is None is left out."""
        parameters = {name: value for name, value in filters.items() if value is not None}
        parameters["limit"] = min(page_rows, PAGE_ROWS)
        is_last = False
        while not is_last:
            page = self.request("GET", path, params=parameters)
            yield from page["items"]
            parameters["cursor"] = page["next_cursor"]
            is_last = page["next_cursor"] is None
