"""OpenAPI 3.1 of the application: the parts that all endpoints share, and the example of each response."""

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from lakehouse.contracts.contract import sent_over_http
from lakehouse.contracts.json_schema import event_name, payload_schema
from serving_api.http.dependencies import CHECKS, known_caller
from serving_api.http.idempotency import NOT_KEPT
from serving_api.http.router import calls
from serving_api.http.spreadsheets import MEDIA_TYPES
from serving_api.schemas.envelope import field_types, sent_as_file
from serving_api.schemas.examples import example_of
from serving_api.schemas.problem import PROBLEM_SCHEMA, problems

UNCHANGED = {"description": "the version in If-None-Match is current"}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    "description": "for a day, the same request of a known caller under the same key gets its first response "
    "again, with `Idempotency-Replayed: true`",
    "example": "order-4711",
}
REPLAYED = {
    "Idempotency-Replayed": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "the response to an earlier request, repeated",
    }
}
BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
BODY_STATUSES = (400, 413, 415, 422, 503)  # not JSON, too long, another type, not valid, no store


def reference(name: str) -> dict[str, str]:
    """A reference to a component schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def body_of_events(schema: dict[str, Any], example: Any, description: str) -> dict[str, Any]:
    """`openapi_extra` of a route that reads the events of its body itself."""
    content = {"application/json": {"schema": schema, "example": example}}
    body = {"required": True, "description": description, "content": content}
    return {"requestBody": body, "security": BEARER}


def event_schemas() -> dict[str, Any]:
    """The payload of each kind by its contract, `Event` for any of them, and `EventBatch`."""
    payloads = {event_name(contract): payload_schema(contract) for contract in sent_over_http().values()}
    event = {
        "title": "Event",
        "description": "An event of any kind that is sent over HTTP.",
        "anyOf": [reference(name) for name in payloads],
    }
    batch = {"title": "EventBatch", "type": "array", "items": reference("Event"), "minItems": 1}
    return payloads | {"Event": event, "EventBatch": batch}


def share_schemas(operation: dict[str, Any], components: dict[str, Any]) -> None:
    """Move the schema of a body that a contract gives to the components, in place."""
    for media in operation.get("requestBody", {}).get("content", {}).values():
        if "title" in media["schema"]:
            components[media["schema"]["title"]] = media["schema"]
            media["schema"] = reference(media["schema"]["title"])


def model_of(route: APIRoute) -> type[BaseModel] | None:
    """The model of the response; of several models, the first."""
    model: type[BaseModel] | None = next(iter(get_args(route.response_model)), route.response_model)
    return model


def routes_of(routers: Sequence[APIRouter]) -> Iterator[tuple[str, APIRoute]]:
    """(`METHOD path`, route) of every documented endpoint."""
    for route in (route for router in routers for route in router.routes):
        if isinstance(route, APIRoute) and route.include_in_schema:
            yield from ((f"{method} {route.path}", route) for method in route.methods or ())


def describe(application: FastAPI, routers: Sequence[APIRouter]) -> dict[str, Any]:
    """The OpenAPI document, created once."""
    if application.openapi_schema is None:
        schema = get_openapi(
            title=application.title,
            version=application.version,
            openapi_version="3.1.0",
            description=application.description,
            routes=[route for router in routers for route in router.routes],
        )
        components: dict[str, Any] = schema["components"]["schemas"]
        components |= {"Problem": PROBLEM_SCHEMA} | event_schemas()
        schema["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        for address, route in routes_of(routers):
            operation = schema["paths"][route.path][address.split()[0].lower()]
            checks = (call.__name__ for call in calls(route.dependant) if call in CHECKS)
            operation.setdefault("x-requires", next(checks, "anybody"))
            share_schemas(operation, components)
            if route.body_field is not None:
                body: Any = route.body_field.field_info.annotation
                operation["requestBody"]["content"]["application/json"]["example"] = example_of(body)
            complete(address, operation, model_of(route), implied_statuses(route))
        application.openapi_schema = schema
    return application.openapi_schema


def file_contents(page: type[BaseModel]) -> dict[str, Any]:
    """The files that a list is also sent as."""
    header = ",".join(field_types(page)) + "\r\n"
    return {
        MEDIA_TYPES["csv"]: {"schema": {"type": "string"}, "example": header},
        MEDIA_TYPES["xlsx"]: {"schema": {"type": "string", "format": "binary"}, "example": "items.xlsx"},
    }


def implied_statuses(route: APIRoute) -> list[int]:
    """Error statuses that follow from what an endpoint declares."""
    called = set(calls(route.dependant))
    statuses = [422]
    if route.param_convertors:
        statuses.append(404)
    if known_caller in called:
        statuses.append(401)
    if called & set(CHECKS):
        statuses += [401, 403]
    if "requestBody" in (route.openapi_extra or {}) or route.body_field is not None:
        statuses += BODY_STATUSES
    if "POST" in (route.methods or ()):
        statuses.append(409)
    if "next_cursor" in getattr(route.response_model, "model_fields", {}):
        statuses.append(410)
    return statuses


def complete(
    address: str, operation: dict[str, Any], model: type[BaseModel] | None, statuses: Sequence[int]
) -> None:
    """Add what all operations of a kind share: errors, bearer, caching, Idempotency-Key; and the example."""
    method, path = address.split(" ")
    responses: dict[str, Any] = operation["responses"]
    documented = problems(*statuses).items()
    responses |= {str(status): text for status, text in documented}  # also FastAPI's own 422
    success = next(responses[status] for status in sorted(responses) if status < "400")
    personal = "403" in responses
    if personal:
        operation.setdefault("security", BEARER)
    if method == "GET" and model is not None and "meta" in model.model_fields and not personal:
        responses["304"] = UNCHANGED
    if method == "POST" and not path.startswith(NOT_KEPT):
        operation["parameters"] = [*operation.get("parameters", ()), KEY]
        success["headers"] = REPLAYED
    if "308" in responses:
        success.pop("content", None)
        success["headers"] = {
            "Location": {"schema": {"type": "string"}, "description": "the full address with the query"}
        }
    elif model is not None:
        media = success["content"]["application/json"]
        media["example"] = example_of(model)
        if sent_as_file(model):
            success["content"] |= file_contents(model)
    operation["responses"] = dict(sorted(responses.items()))
