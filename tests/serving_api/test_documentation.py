"""OpenAPI documents every endpoint: an example that fits its model, and every status."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from serving_api.app import create, routers
from serving_api.http.openapi import response_models
from serving_api.schemas.envelope import example_of
from tests.support.api import undeclared_fields

SCHEMA = create().openapi()
OPERATIONS = [(method.upper(), path) for path, methods in SCHEMA["paths"].items() for method in methods]


def operation_of(method: str, path: str) -> dict[str, Any]:
    operation: dict[str, Any] = SCHEMA["paths"][path][method.lower()]
    return operation


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_endpoint_documents_its_statuses_and_an_example(method: str, path: str) -> None:
    operation = operation_of(method, path)
    responses = operation["responses"]
    assert operation["summary"] and {"405", "406", "500"} <= responses.keys()
    success = next(responses[status] for status in sorted(responses) if status < "300" or status == "308")
    if "308" in responses:
        assert "Location" in success["headers"]
    else:
        assert all("example" in content for content in success["content"].values())
    if method == "POST":
        assert {"400", "409", "413", "415", "422", "503"} <= responses.keys()
        assert "Idempotency-Key" in [parameter["name"] for parameter in operation["parameters"]]
        assert operation["requestBody"]["content"]["application/json"]
    for status in (status for status in responses if status >= "400"):
        assert responses[status]["content"].keys() == {"application/problem+json"}


@pytest.mark.parametrize(("operation", "model"), response_models(routers()).items())
def test_example_is_exactly_of_the_declared_model(operation: str, model: Any) -> None:
    example = example_of(model)
    adapter = TypeAdapter(model)
    dumped = adapter.dump_python(adapter.validate_python(example), mode="json")
    assert not undeclared_fields(example, dumped) and dumped.keys() == example.keys()
