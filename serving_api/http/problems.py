"""Problems (RFC 9457): the catalogue in two languages, the exception that carries one, and its response."""

import errno
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from conf.settings import settings
from lakehouse.event import Fault
from lakehouse.io.identity.database import StoreUnavailable
from lakehouse.io.table_files import UnreadableTable
from lakehouse.translation import Language
from serving_api.http.messages import MESSAGES, TranslatedText, joined, message, text_in

SHOWN_FAULTS = 5  # in the text of a problem; `errors` lists up to LISTED_FAULTS
LISTED_FAULTS = 100


class ProblemText(BaseModel):
    """Title and detail in one language; the code that raises the problem fills {name} in the detail."""

    model_config = ConfigDict(extra="forbid")
    title: str
    detail: str


class CatalogueEntry(BaseModel):
    """One problem of problems.yml."""

    model_config = ConfigDict(extra="forbid")
    status: int
    retry_after_seconds: int | None = None
    en: ProblemText
    id: ProblemText

    def text(self, language: Language) -> ProblemText:
        """The texts in a language."""
        return self.en if language == "en" else self.id


CATALOGUE = TypeAdapter(dict[str, CatalogueEntry]).validate_python(
    yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))
)


class Problem(HTTPException):
    """An error response. `parameters` fill the catalogue's text; `extensions` are additional members."""

    headers: dict[str, str]

    def __init__(
        self,
        slug: str,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
        **parameters: object,
    ) -> None:
        super().__init__(CATALOGUE[slug].status, slug, dict(headers or {}))
        self.slug = slug
        self.errors = errors
        self.parameters = parameters
        self.extensions = extensions or {}
        self.status = self.status_code
        if CATALOGUE[slug].retry_after_seconds is not None:
            self.headers.setdefault("Retry-After", str(CATALOGUE[slug].retry_after_seconds))
        if self.status == 401:
            self.headers.setdefault("WWW-Authenticate", "Bearer")


def invalid(pointer: str, code: str, message: str) -> Problem:
    """422 with one fault."""
    return Problem("validation", [Fault(pointer, code, message)], reason=message)


def invalid_fields(faults: Sequence[Fault], listed: int | None = LISTED_FAULTS) -> Problem:
    """422 with the first `listed` faults, None for all of them."""
    return Problem("validation", faults[:listed], reason=shown(faults))


def payload_too_large() -> Problem:
    """413 with both limits."""
    knobs = settings().api
    return Problem("payload-too-large", event=knobs.event_max_bytes, batch=knobs.batch_max_bytes)


def language_of(request: HTTPConnection) -> Language:
    """`id` when Accept-Language names Indonesian before English, else `en`."""
    header = request.headers.get("accept-language", "")
    accepted = [part.split(";")[0].strip().lower()[:2] for part in header.split(",")]
    return "id" if next((name for name in accepted if name in ("id", "en")), "en") == "id" else "en"


def summary_of(problem: Problem, language: Language) -> dict[str, Any]:
    """Type, title, status and detail in a language."""
    text = CATALOGUE[problem.slug].text(language)
    parameters = {name: text_in(value, language)[:200] for name, value in problem.parameters.items()}
    return {
        "type": f"/problems/{problem.slug}",
        "title": text.title,
        "status": problem.status,
        "detail": text.detail.format(**parameters),
    }


def problem_response(problem: Problem, request: Request) -> Response:
    """The problem as application/problem+json."""
    language = language_of(request)
    body: dict[str, Any] = {
        **summary_of(problem, language),
        "instance": request.url.path,
        "trace_id": request.scope["state"]["request_id"],
        **problem.extensions,
    }
    if problem.errors:
        body["errors"] = [
            {
                "pointer": fault.pointer,
                "code": fault.code,
                "message": text_in(fault.message, language),
            }
            for fault in problem.errors
        ]
    return Response(orjson.dumps(body), problem.status, problem.headers, "application/problem+json")


def from_http_exception(error: HTTPException, request: Request) -> Problem:
    """The problem for an error of the framework: unknown address, unknown method."""
    if error.status_code == 405:
        return Problem("method-not-allowed", headers=error.headers, name=request.method)
    if error.status_code == 404:
        return Problem("not-found", reason=message("no_address"))
    return Problem("malformed-body" if error.status_code == 400 else "internal", reason=error.detail)


def from_exception(error: BaseException) -> Problem:
    """The problem for an error that no route expects.

    503 when storage is full or unreachable, or a file of a table is damaged, else 500.
    """
    unreachable = isinstance(error, StoreUnavailable)
    cause: BaseException | None = error
    while cause is not None:
        full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return Problem("storage-full", reason="free some space on the disk and send the request again")
        if isinstance(cause, UnreadableTable):
            return Problem("table-unreadable", name=cause.table)
        cause = cause.__cause__ or cause.__context__
    return Problem("warming-up", reason=message("no_accounts")) if unreachable else Problem("internal")


def from_validation_errors(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """The problem for pydantic's errors in path, query or body; those of a body come last.

    Codes of a body follow the pattern of rule names.
    """
    outside = [error for error in errors if error["loc"][0] != "body"]
    faults = [fault_of(error) for error in outside or errors]
    return Problem("validation", faults[:LISTED_FAULTS], reason=shown(faults))


def fault_of(error: Mapping[str, Any]) -> Fault:
    """One of pydantic's errors, in our words."""
    source, *location = error["loc"]
    if source == "body":
        return Fault(_pointer(location), _code_of(error), _message_of(error, location, "field_unknown"))
    codes = {"missing": "required", "extra_forbidden": "unknown_parameter"}
    code = codes.get(error["type"], error["type"])
    return Fault(_pointer(location), code, _message_of(error, location, "unknown_parameter"))


def shown(faults: Sequence[Fault]) -> TranslatedText:
    """The messages of the first faults, for the text of a problem."""
    return joined(fault.message for fault in faults[:SHOWN_FAULTS])


def _pointer(location: Sequence[str | int]) -> str:
    return "".join(f"/{part}" for part in location)


def _message_of(error: Mapping[str, Any], location: Sequence[str | int], unknown: str) -> str:
    """One of pydantic's errors in our words; `unknown` is the text for a name that is not declared."""
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return context["error"].args[0]  # type: ignore[no-any-return]  # as our schema raised it
    name = unknown if error["type"] == "extra_forbidden" else error["type"]
    field = _pointer(location)[1:][:60] or "the body"
    return message(name, field=field, **context) if name in MESSAGES else f"{field}: {error['msg']}"


def _code_of(error: Mapping[str, Any]) -> str:
    """`field_unknown`, `field_type`, or the field's name with what is wrong, as `reason_required`."""
    if error["type"] == "extra_forbidden":
        return "field_unknown"
    endings = {
        "missing": "required",
        "literal_error": "known",
        "value_error": "fits",
        **dict.fromkeys(("string_too_short", "string_too_long", "too_short", "too_long"), "length"),
    }
    field = next(part for part in reversed(error["loc"]) if isinstance(part, str))
    ending = endings.get(error["type"])
    return f"{field}_{ending}" if ending else "field_type"
