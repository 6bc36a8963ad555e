"""Problems (RFC 9457): the catalogue in two languages, the exception that carries one, and how it is written down."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import yaml
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from lakehouse.event import Fault

CATALOGUE: Mapping[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))
RETRY_AFTER_SECONDS = 2


class Problem(Exception):
    """An answer that is an error. `said` fills the catalogue's text; `more` are extension members."""

    def __init__(
        self,
        slug: str,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
        **said: object,
    ) -> None:
        super().__init__(slug)
        self.slug, self.errors, self.said, self.more = slug, errors, said, more or {}
        self.status = CATALOGUE[slug]["status"]
        self.headers = dict(headers or {})
        if self.status == 503:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
        if self.status == 401:
            self.headers.setdefault("WWW-Authenticate", "Bearer")


def invalid(pointer: str, code: str, message: str) -> Problem:
    """422 with one fault."""
    return Problem("validation", [Fault(pointer, code, message)], why=message)


def nothing_asked(request: Request) -> None:
    """For addresses without parameters. Raises Problem 422: what is misspelt must not be ignored in silence."""
    if request.query_params:
        name = next(iter(request.query_params))
        raise invalid(f"/{name}", "unknown_parameter", f"there is no parameter '{name[:60]}' here")


def indonesian(request: Request) -> bool:
    """Whether Indonesian comes before English in Accept-Language."""
    wanted = [part.split(";")[0].strip().lower()[:2] for part in request.headers.get("accept-language", "").split(",")]
    return next((tongue for tongue in wanted if tongue in ("id", "en")), "en") == "id"


def written(problem: Problem, request: Request) -> Response:
    """The problem as application/problem+json."""
    texts = CATALOGUE[problem.slug]["id" if indonesian(request) else "en"]
    said = {name: str(value)[:200] for name, value in problem.said.items()}
    body: dict[str, Any] = {
        "type": f"/problems/{problem.slug}",
        "title": texts["title"],
        "status": problem.status,
        "detail": texts["detail"].format(**said),
        "instance": request.url.path,
        "trace_id": request.scope["state"]["request_id"],
        **problem.more,
    }
    if problem.errors:
        body["errors"] = [{"pointer": one.pointer, "code": one.code, "message": one.message} for one in problem.errors]
    return Response(orjson.dumps(body), problem.status, problem.headers, "application/problem+json")


def of_http_exception(error: HTTPException, request: Request) -> Problem:
    """What the framework itself refuses: no such address, no such method."""
    if error.status_code == 405:
        return Problem("method-not-allowed", headers=error.headers, name=request.method)
    slugs = {404: "not-found", 400: "malformed-body"}
    return Problem(slugs.get(error.status_code, "internal"), why=error.detail)


def of_query(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """What pydantic found wrong with path or query."""
    codes = {"missing": "required", "extra_forbidden": "unknown_parameter"}
    faults = [
        Fault("/" + "/".join(str(part) for part in one["loc"][1:]), codes.get(one["type"], one["type"]), one["msg"])
        for one in errors
    ]
    return Problem("validation", faults, why="; ".join(f"{fault.pointer[1:]}: {fault.message}" for fault in faults[:5]))


def of_body(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """What pydantic found wrong with a body; codes are built as the names of rules are."""
    endings = {"missing": "required", "literal_error": "known", "value_error": "fits"}
    lengths = ("string_too_short", "string_too_long", "too_short", "too_long")
    faults = []
    for one in errors:
        name = next((part for part in reversed(one["loc"]) if isinstance(part, str)), "body")
        ending = "length" if one["type"] in lengths else endings.get(one["type"])
        code = "field_unknown" if one["type"] == "extra_forbidden" else f"{name}_{ending}" if ending else "field_type"
        pointer = "".join(f"/{part}" for part in one["loc"])
        faults.append(Fault(pointer, code, one["msg"].removeprefix("Value error, ")))
    why = "; ".join(f"{fault.pointer[1:]}: {fault.message}".removeprefix(": ") for fault in faults[:5])
    return Problem("validation", faults[:100], why=why)
