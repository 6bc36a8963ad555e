"""The OpenAPI document of the application, and what is wrong in it."""

from collections.abc import Iterator
from typing import Any

from serving_api.app import create

SCHEMA: dict[str, Any] = create().openapi()
OPERATIONS: list[dict[str, Any]] = [
    operation for methods in SCHEMA["paths"].values() for operation in methods.values()
]


def references(value: Any) -> Iterator[str]:
    """Every $ref below a value."""
    if isinstance(value, dict):
        for key, member in value.items():
            if key == "$ref":
                yield member
            else:
                yield from references(member)
    elif isinstance(value, list):
        for member in value:
            yield from references(member)


def dangling_references() -> set[str]:
    """References to component schemas that do not exist."""
    known = {f"#/components/schemas/{name}" for name in SCHEMA["components"]["schemas"]}
    return set(references(SCHEMA)) - known
