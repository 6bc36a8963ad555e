"""A payload field's declaration -> its rules: the strict door and the stream refuse by the same names."""

import re
from collections.abc import Iterator

from lakehouse.contracts.rule_messages import number_text
from lakehouse.contracts.schema import Field, Rule

# 2^63: no larger number is counted.
LARGEST_WHOLE = 9223372036854775808
UNITS = ("_c", "_pct", "_mm", "_m", "_kg", "_km", "_count")


def snake(name: str) -> str:
    """`NumReviews` -> `num_reviews`: rule names are lower case whatever a payload's author preferred."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def required_rule(name: str) -> str:
    """`market_id` -> `market_required`, `quantity_kg` -> `quantity_required`; `event_id` keeps its name."""
    return (
        "event_id_required"
        if name == "event_id"
        else measure_rule(name.removesuffix("_id").removesuffix("ID"), "required")
    )


def measure_rule(name: str, what: str) -> str:
    """`temperature_c`, `range` -> `temperature_range`: rule names leave the unit out."""
    plain = snake(name)
    return f"{next((plain.removesuffix(unit) for unit in UNITS if plain.endswith(unit)), plain)}_{what}"


def value_rule(name: str, what: str) -> str:
    """`market_id`, `format` -> `market_id_format`."""
    return f"{snake(name)}_{what}"


def bounds(field: Field) -> tuple[str, str]:
    """The range of a number in words, in English and Indonesian."""
    low, high = (None if limit is None else number_text(limit) for limit in (field.min, field.max))
    if low is None:
        return f"above {high}", f"di atas {high}"
    if high is None:
        return f"below {low}", f"di bawah {low}"
    return f"outside {low} to {high}", f"di luar {low} sampai {high}"


def field_rules(payload: tuple[Field, ...], guarded: tuple[Field, ...] = ()) -> tuple[Rule, ...]:
    """The error rules that the fields state.

    Of `guarded` fields, which have rules in every kind, only `required` becomes a rule.
    """
    known = {field.name for field in guarded}
    rules: list[Rule] = []
    for field in payload:
        if field.required and not field.one_of:
            rules.append(_required(field))
        if field.name not in known:
            rules += _value_rules(field)
    for group in dict.fromkeys(field.one_of for field in payload if field.one_of):
        members = [field.name for field in payload if field.one_of == group]
        given = " or ".join(f"p.{name} is not null" for name in members)
        listed = ", ".join(members)
        texts = f"none of {listed} is given", f"tidak ada satu pun dari {listed}"
        rules.append(_error(f"{group}_required", given, *texts))
    return tuple(rules)


def _error(name: str, check: str, message: str, message_id: str) -> Rule:
    return Rule(name=name, severity="error", check=check, message=message, message_id=message_id)


def _required(field: Field) -> Rule:
    name = field.name
    blank = (
        f" and trim(both ' ' from p.{name}) <> ''" if field.type in ("string", "timestamp", "date") else ""
    )
    texts = f"{name} is missing", f"{name} tidak ada"
    return _error(required_rule(name), f"p.{name} is not null{blank}", *texts)


def _value_rules(field: Field) -> Iterator[Rule]:
    def rule(name: str, check: str, message: str, message_id: str) -> Rule:
        texts = f"{field.name} {message}", f"{field.name} {message_id}"
        return _error(name, f"p.{field.name} is null or {check}", *texts)

    value = f"p.{field.name}"
    shown = f"{{p.{field.name}}}"
    if field.type in ("timestamp", "date"):
        is_time = field.type == "timestamp"
        form = "an RFC 3339 time with its offset" if is_time else "a day, YYYY-MM-DD"
        form_id = "waktu RFC 3339 dengan zona waktu" if is_time else "tanggal, YYYY-MM-DD"
        yield rule(
            value_rule(field.name, "format"),
            f"given_{field.name} is not null",
            f"'{shown}' is not {form}",
            f"'{shown}' bukan {form_id}",
        )
    if field.pattern:
        text = field.pattern.removeprefix("^").removesuffix("$").replace("'", "''")
        yield rule(
            value_rule(field.name, "format"),
            f"regexp_like({value}, '^(?:{text})$')",
            f"'{shown}' has not the form of one ({field.description})",
            f"'{shown}' tidak sesuai dengan bentuknya ({field.description})",
        )
    if field.enum:
        listed = ", ".join(f"'{word}'" for word in field.enum)
        yield rule(
            value_rule(field.name, "known"),
            f"{value} in ({listed})",
            f"'{shown}' is not one of {', '.join(field.enum)}",
            f"'{shown}' bukan salah satu dari {', '.join(field.enum)}",
        )
    if field.min_length is not None or field.max_length is not None:
        low = field.min_length or 0
        high = field.max_length or 2**31 - 1
        length = f"char_length({value})"
        yield rule(
            value_rule(field.name, "length"),
            f"{length} between {low} and {high}",
            f"has {{{length}}} characters, not {low} to {high}",
            f"terdiri dari {{{length}}} karakter, bukan {low} sampai {high}",
        )
    if field.type == "integer":
        yield rule(
            measure_rule(field.name, "whole"),
            f"{value} = floor({value}) and abs({value}) <= {LARGEST_WHOLE}",
            f"{shown} is not a whole number",
            f"{shown} bukan bilangan bulat",
        )
    if field.above is not None:
        yield rule(
            measure_rule(field.name, "positive"),
            f"{value} > {field.above}",
            f"{shown} is not above {number_text(field.above)}",
            f"{shown} tidak di atas {number_text(field.above)}",
        )
    if field.min is not None or field.max is not None:
        ends = ((">=", field.min), ("<=", field.max))
        check = " and ".join(f"{value} {sign} {end}" for sign, end in ends if end is not None)
        english, indonesian = bounds(field)
        yield rule(
            measure_rule(field.name, "range"),
            f"({check})",
            f"{shown} lies {english}",
            f"{shown} {indonesian}",
        )
