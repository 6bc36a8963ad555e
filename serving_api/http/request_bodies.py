"""Request bodies: size limit, media type, strict JSON, and dependencies that parse a body by a model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import Depends
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from conf.settings import settings
from lakehouse.event import Fault, Malformed, parse_strict
from lakehouse.identity.roles import Principal
from serving_api.http.callers import REQUIREMENTS
from serving_api.http.problems import Problem, from_body_errors, payload_too_large
from serving_api.http.request_checks import (
    JSON_MEDIA_TYPE,
    content_type_of,
    refuse_query_parameters,
    require_acceptable,
)

NOT_JSON = ("payload_json", "payload_utf8")  # such bytes are not JSON: 400; other faults are 422
Model = TypeVar("Model", bound=BaseModel)
Caller = TypeVar("Caller", bound=Principal | None)
Value = TypeVar("Value")
Identify = Callable[[Request], Caller]


@dataclass(frozen=True)
class JsonBody(Generic[Caller, Value]):
    """A validated body, its exact bytes, and its sender."""

    caller: Caller
    raw: bytes
    value: Value


async def read_limited(request: Request, limit: int) -> bytes:
    """The body. Raises Problem 413: before reading by Content-Length, else as soon as the limit is passed."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise payload_too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise payload_too_large()
    return bytes(body)


async def read_json(request: Request, identify: Identify[Caller], limit: int) -> JsonBody[Caller, Any]:
    """A JSON document of at most `limit` bytes. The order of checks: 413, 415, 401, 403, 400, 422."""
    raw = await read_limited(request, limit)
    if content_type_of(request) != JSON_MEDIA_TYPE:
        raise Problem("unsupported-media-type", name=JSON_MEDIA_TYPE)
    caller = identify(request)
    try:
        value = parse_strict(raw)
    except Malformed as error:
        slug = "malformed-body" if error.code in NOT_JSON else "validation"
        raise Problem(slug, [Fault("", error.code, str(error))], reason=str(error)) from None
    refuse_query_parameters(request)
    return JsonBody(caller, raw, value)


def parse_model(value: Any, model: type[Model]) -> Model:
    """The value as the model. Raises Problem 422 with every fault."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise from_body_errors(error.errors()) from None


def json_body(model: type[BaseModel], identify: Identify[Any], large: bool = False) -> Any:
    """Dependency: the body as `model`, from a caller that `identify` accepts.

    The order of checks is the documented one.

    `large`: up to the size of a batch instead of that of an event.
    """

    async def read(request: Request) -> JsonBody[Any, Any]:
        require_acceptable(request)
        limit = settings().api.batch_max_bytes if large else settings().api.event_max_bytes
        body = await read_json(request, identify, limit)
        return JsonBody(body.caller, body.raw, parse_model(body.value, model))

    REQUIREMENTS[read] = identify.__name__
    return Depends(read)


def json_document(identify: Identify[Any]) -> Any:
    """Dependency: the body as parsed JSON of at most the size of an event; the route validates it."""

    async def read(request: Request) -> JsonBody[Any, Any]:
        return await read_json(request, identify, settings().api.event_max_bytes)

    REQUIREMENTS[read] = identify.__name__
    return Depends(read)
