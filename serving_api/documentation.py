"""OpenAPI 3.1 of the application: what holds for every row is added here, examples come from examples.yml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from serving_api.shapes import PROBLEM_SCHEMA, problems

EXAMPLES: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("examples.yml").read_text(encoding="utf-8"))
PERSONAL = ("/api/v1/quarantine", "/api/v1/events", "/api/v1/models/retrain", "/api/v1/models/jobs")
UNCHANGED = {"description": "If-None-Match names the version that still stands"}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    "description": "for a day the same request under the same key gets its first answer, with `Idempotency-Replayed: true`",
    "example": "order-4711",
}
REPLAYED = {"Idempotency-Replayed": {"schema": {"type": "string", "enum": ["true"]}, "description": "an earlier answer again"}}


def described(application: FastAPI) -> dict[str, Any]:
    """The schema, made once."""
    if application.openapi_schema is None:
        schema = get_openapi(
            title=application.title,
            version=application.version,
            openapi_version="3.1.0",
            description=application.description,
            routes=application.routes,
        )
        schema["components"]["schemas"]["Problem"] = PROBLEM_SCHEMA
        schema["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        for path, methods in schema["paths"].items():
            for method, operation in methods.items():
                complete(method.upper(), path, operation)
        application.openapi_schema = schema
    return application.openapi_schema


def complete(method: str, path: str, operation: dict[str, Any]) -> None:
    """What every row of its sort has: common errors, bearer, caching, Idempotency-Key; and the row's example."""
    answers: dict[str, Any] = operation["responses"]
    common = {str(status): answer for status, answer in problems(422, *((409,) if method == "POST" else ())).items()}
    answers = {**answers, **common}  # the framework's own 422 has another shape
    good = next(answers[status] for status in sorted(answers) if status < "400")
    if method == "GET" and "200" in answers and not path.startswith(PERSONAL) and "$ref" in str(answers["200"]):
        answers["304"] = UNCHANGED
    if method == "POST":
        operation["parameters"] = [*operation.get("parameters", ()), KEY]
        good["headers"] = REPLAYED
    if path.startswith(PERSONAL):
        operation["security"] = [{"bearer": []}]
    if "308" in answers:
        good.pop("content", None)
        good["headers"] = {"Location": {"schema": {"type": "string"}, "description": "the full address, query kept"}}
    elif (example := EXAMPLES.get(f"{method} {path}")) is not None:
        media = "application/json" if isinstance(example, dict) else "text/plain"
        good["content"] = {media: {**good.get("content", {}).get(media, {}), "example": example}}
    operation["responses"] = dict(sorted(answers.items()))
