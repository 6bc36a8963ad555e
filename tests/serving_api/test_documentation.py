"""OpenAPI documents every endpoint: an example that fits its model, and every status."""

import re
from typing import Any

import pytest
from pydantic import TypeAdapter

from lakehouse.contracts.contract import sent_over_http
from lakehouse.contracts.json_schema import event_name
from serving_api.app import routers
from serving_api.http.idempotency import NOT_KEPT
from serving_api.http.openapi import model_of, reference, routes_of
from serving_api.schemas.examples import example_of
from tests.support.api import undeclared_fields
from tests.support.openapi import OPERATIONS as ALL
from tests.support.openapi import SCHEMA, dangling_references

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
        assert all("example" in content for content in success.get("content", {}).values())
    if method == "POST":
        assert {"409", "422", "503"} <= responses.keys()
        names = [parameter["name"] for parameter in operation.get("parameters", ())]
        assert ("Idempotency-Key" in names) is not path.startswith(NOT_KEPT)
    if "requestBody" in operation:
        assert {"400", "413", "415"} <= responses.keys()
        assert operation["requestBody"]["content"]["application/json"]
    for status in (status for status in responses if status >= "400"):
        assert responses[status]["content"].keys() == {"application/problem+json"}


@pytest.mark.parametrize(
    ("operation", "model"),
    [(address, model) for address, route in routes_of(routers()) if (model := model_of(route)) is not None],
)
def test_example_is_exactly_of_the_declared_model(operation: str, model: Any) -> None:
    example = example_of(model)
    adapter = TypeAdapter(model)
    dumped = adapter.dump_python(adapter.validate_python(example), mode="json", by_alias=True)
    assert not undeclared_fields(example, dumped) and dumped.keys() == example.keys()


def test_no_reference_dangles_and_every_event_has_a_schema_from_its_contract() -> None:
    assert not dangling_references()
    schemas = SCHEMA["components"]["schemas"]
    for contract in sent_over_http().values():
        assert schemas[event_name(contract)]["properties"].keys() == {
            field.name for field in contract.payload
        }
    media = SCHEMA["paths"]["/ingest"]["post"]["requestBody"]["content"]["application/json"]
    assert media["schema"] == {"anyOf": [reference("Event"), reference("EventBatch")]}
    assert schemas["PriceEvent"]["required"] == ["market_id", "commodity", "price"]


@pytest.mark.parametrize("operation", ALL, ids=lambda operation: operation["operationId"])
def test_operation_has_a_readable_id_and_describes_its_parameters(operation: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", operation["operationId"])
    for parameter in operation.get("parameters", ()):
        assert parameter.get("description"), parameter["name"]


def test_operation_ids_are_unique() -> None:
    assert len({operation["operationId"] for operation in ALL}) == len(ALL)
    assert "list_live_prices" in {operation["operationId"] for operation in ALL}
