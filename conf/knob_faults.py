"""A value that no knob can have, in a sentence that names its variable or its place in conf/lumbung.yml."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

NEEDED = {  # pydantic's type of an error -> what the value must be
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "literal_error": "{expected}",
}


def variable_of(knob: str) -> str:
    """The environment variable of a knob: kafka.bootstrap -> LUMBUNG_KAFKA__BOOTSTRAP."""
    return f"LUMBUNG_{knob.replace('.', '__').upper()}"


def sentences(error: ValidationError | SettingsError, environment: Mapping[str, str]) -> list[str]:
    """A sentence per value that cannot be used. `environment`: variables and their values."""
    if isinstance(error, ValidationError):
        return [_sentence(fault, environment) for fault in error.errors()]
    section = str(error).partition('"')[2].partition('"')[0]
    variables = [name for name in environment if name.upper().startswith(variable_of(section))]
    return [f"{', '.join(variables)}: not readable; a list or a mapping is written as JSON"]


def _sentence(fault: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    knob = ".".join(map(str, fault["loc"]))
    variable = knob if knob.isupper() else variable_of(knob)
    needed = NEEDED.get(fault["type"])
    text = (
        f"must be {needed.format(**fault.get('ctx', {}))}"
        if needed
        else fault["msg"].removeprefix("Value error, ")
    )
    place = variable if variable in environment else f"{knob} in conf/lumbung.yml"
    return f"{place} is {fault['input']!r}: {text}"
