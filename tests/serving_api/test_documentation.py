"""OpenAPI says of every row what it answers: an example of its shape, and every status."""

import importlib
import pkgutil
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from serving_api import routes
from serving_api.app import create
from serving_api.documentation import EXAMPLES, described

SCHEMA = described(create())
ROWS = [(method.upper(), path) for path, methods in SCHEMA["paths"].items() for method in methods]


def operation_of(method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = SCHEMA["paths"][path][method.lower()]
    return found


@pytest.mark.parametrize(("method", "path"), ROWS)
def test_every_row_has_its_statuses_and_an_example(method: str, path: str) -> None:
    operation = operation_of(method, path)
    answers = operation["responses"]
    assert operation["summary"] and {"405", "406", "500"} <= answers.keys()
    good = next(answers[status] for status in sorted(answers) if status < "300" or status == "308")
    if "308" in answers:
        assert "Location" in good["headers"]
    else:
        assert all("example" in content for content in good["content"].values())
    if method == "POST":
        assert {"400", "409", "413", "415", "422", "503"} <= answers.keys()
        assert "Idempotency-Key" in [parameter["name"] for parameter in operation["parameters"]]
        assert operation["requestBody"]["content"]["application/json"]
    for status in (status for status in answers if status >= "400"):
        assert answers[status]["content"].keys() == {"application/problem+json"}


def shapes() -> dict[str, Any]:
    """Row -> the model of its answer."""
    found = {}
    rooms = [importlib.import_module(room.name) for room in pkgutil.iter_modules(routes.__path__, "serving_api.routes.")]
    for route in (route for room in rooms for route in room.router.routes):
        if isinstance(route, APIRoute):
            declared = {status: entry["model"] for status, entry in route.responses.items() if "model" in entry}
            model = route.response_model or next(iter(declared.values()), None)
            found |= {f"{method} {route.path}": model for method in route.methods if model is not None}
    return found


@pytest.mark.parametrize(("row", "model"), shapes().items())
def test_an_example_has_the_shape_of_its_row(row: str, model: Any) -> None:
    adapter = TypeAdapter(model)
    shown = adapter.dump_python(adapter.validate_python(EXAMPLES[row]), mode="json")
    assert shown.keys() == EXAMPLES[row].keys()


def test_no_example_is_of_a_row_that_is_not_there() -> None:
    named = {name for name in EXAMPLES if not name.startswith("_")}
    assert named <= {f"{method} {path}" for method, path in ROWS}
