"""Checks of a request's headers and query string."""

from starlette.requests import Request

from serving_api.http.messages import message
from serving_api.http.problems import Problem, invalid

JSON_MEDIA_TYPE = "application/json"


def prefers(request: Request, media_type: str) -> bool:
    """Whether the Accept header names `media_type` and does not name JSON."""
    accepted = media_types(request.headers.get("accept", ""))
    return media_type in accepted and JSON_MEDIA_TYPE not in accepted


def media_types(header: str) -> set[str]:
    """The media types of an Accept header, without their parameters."""
    return {part.split(";")[0].strip().lower() for part in header.split(",")}


def require_acceptable(request: Request, media_type: str = JSON_MEDIA_TYPE) -> None:
    """Raises Problem 406 when the caller's Accept header excludes `media_type`."""
    header = request.headers.get("accept")
    if not header:
        return
    family = media_type.split("/")[0]
    if not media_types(header) & {"*/*", f"{family}/*", media_type}:
        raise Problem("not-acceptable", name=media_type)


def refuse_query_parameters(request: Request) -> None:
    """For addresses without parameters. Raises Problem 422, so that a misspelt parameter is noticed."""
    if request.query_params:
        name = next(iter(request.query_params))
        raise invalid(f"/{name}", "unknown_parameter", message("unknown_parameter", field=name[:60]))


def content_type_of(request: Request) -> str:
    """The media type without parameters; empty without a Content-Type."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()
