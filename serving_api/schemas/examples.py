"""Examples of models, by the names of their fields: one name means the same everywhere."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import orjson
import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

FILE = Path(__file__).with_suffix(".yml")
OF_TYPE: dict[Any, Any] = {bool: True, int: 1, float: 1.0}


@cache
def known_values() -> Mapping[str, Any]:
    """`field`, `Model.field` or `Model` -> value."""
    values: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return values


def example_of(model: type[BaseModel]) -> dict[str, Any]:
    """An example of the model. Raises KeyError for a field without one: examples.yml then lacks its name."""
    extra = model.model_config.get("json_schema_extra")
    if isinstance(extra, dict) and "examples" in extra:
        listed: Any = extra["examples"]
        return dict(listed[0])
    if model.__name__ in known_values():
        return dict(known_values()[model.__name__])
    return {field.alias or name: value_of(model, name, field) for name, field in model.model_fields.items()}


def value_of(model: type[BaseModel], name: str, field: FieldInfo) -> Any:
    """The example of a field: of its model, of a nested model, of its name, or of its type."""
    name = field.alias or name
    if (own := f"{model.__name__}.{name}") in known_values():
        return known_values()[own]
    nested = nested_value(field.annotation)
    if nested is not None:
        return nested
    if name in known_values() and fits(known_values()[name], field):
        return known_values()[name]
    kinds = parts_of(field.annotation)
    for kind in kinds:
        if get_origin(kind) is Literal:
            return get_args(kind)[0]
    if NoneType in kinds:
        return None
    plain = next((OF_TYPE[kind] for kind in kinds if kind in OF_TYPE), None)
    if plain is None or not fits(plain, field):
        raise KeyError(f"{FILE.name} has no example of {own}")
    return plain


def nested_value(annotation: Any) -> Any:
    """The example of a model, or of a list of models; None for another type."""
    for kind in parts_of(annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return example_of(kind)
        if get_origin(kind) is list and (inner := nested_value(get_args(kind)[0])) is not None:
            return [inner]
    return None


def parts_of(annotation: Any) -> tuple[Any, ...]:
    """The types that an annotation allows."""
    if get_origin(annotation) is Annotated:
        return parts_of(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(part for choice in get_args(annotation) for part in parts_of(choice))
    return (annotation,)


def fits(value: Any, field: FieldInfo) -> bool:
    """Whether the field takes the value."""
    annotation: Any = field.annotation
    limited: Any = Annotated[annotation, *field.metadata] if field.metadata else annotation
    adapter: TypeAdapter[Any] = TypeAdapter(limited)
    try:
        adapter.validate_json(orjson.dumps(value), strict=True)
    except ValidationError:
        return False
    return True
