"""Bytes of an event -> fields, from which the transform of every kind starts."""

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.contracts.contract import Contract, Field, kinds
from lakehouse.contracts.rule_messages import sql_literal
from lakehouse.event import BAD_ESCAPE
from lakehouse.silver.names import nearest
from lakehouse.times import DAY, RFC3339

SPARK_TYPE = {
    "string": "string",
    "timestamp": "string",
    "date": "string",
    "number": "double",
    "integer": "double",
    "boolean": "boolean",
    "strings": "array<string>",
    # Spark copies the text of an object unchanged.
    "object": "string",
}
# How a JSON value of a type begins; another beginning (null aside) is the wrong type.
BEGINS = {
    "string": '"',
    "double": "-?[0-9]",
    "boolean": "true|false",
    "strings": r"\[",
    "object": r"\x7B",
}
MQTT_SOURCE = "mqtt:"  # and the device of the topic
# How weather services and statistics offices write a gap.
NOT_MEASURED = (8888, 9999, -999)
# Spark's JSON parser stops at the end of the first object and accepts any text after it.
TRAILING = r'\}\s*+[^\s,\]}"]'
STRING_LITERAL = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'


def wrong_type_pattern(contract: Contract) -> str:
    """Regular expression whose group 1 names a field of another JSON type than that of its contract.

    Null counts as absent. A quote inside a JSON string is always escaped, so `"name"` followed by a
    colon can only be a field.
    """
    named: dict[str, list[str]] = {}
    for field in contract.payload:
        named.setdefault(BEGINS.get(field.type) or BEGINS[SPARK_TYPE[field.type]], []).append(field.name)
    wrong = (rf'(?:{"|".join(fields)})(?="\s*+:\s*+(?!{begin}|null))' for begin, fields in named.items())
    return rf'"({"|".join(wrong)})"'


def types_whole(contract: Contract) -> str:
    """SQL: every field holds the JSON type of its contract.

    Spark accepts a number or an object for a text. The oldest kinds, most of the stream, are checked only
    when something did not fit; the others are always checked.
    """
    wrong = f"text rlike {sql_literal(wrong_type_pattern(contract))}"
    if not contract.rules_from_fields:
        return f"(p._corrupt is null or not {wrong})"
    arrays = [field.name for field in contract.payload if field.type == "strings"]
    other_item = rf'"(?:{"|".join(arrays)})"\s*+:\s*+\[(?:\s*+{STRING_LITERAL}\s*+,?)*+\s*+[^"\s\],]'
    return f"not {wrong}" + (f" and not text rlike {sql_literal(other_item)}" if arrays else "")


def constants(contract: Contract) -> dict[str, str]:
    """SQL for each `${…}` in the rules of every kind; `nearest_<field>` suggests names for an unknown one."""
    numbers = [field.name for field in contract.payload if SPARK_TYPE[field.type] == "double"]
    finite = (f"(p.{name} is null or abs(p.{name}) < 1.7976931348623157E308D)" for name in numbers)
    return {
        "known_fields": f"array({', '.join(sql_literal(field.name) for field in contract.payload)})",
        "wrong_type_pattern": sql_literal(wrong_type_pattern(contract)),
        "types_whole": types_whole(contract),
        "numbers_finite": " and ".join(finite) or "true",
        "bad_escape": sql_literal(BAD_ESCAPE),
        "kinds": f"array({', '.join(map(sql_literal, kinds()))})",
        **{
            f"nearest_{field.name}": nearest(field.names, _name(field))
            for field in contract.payload
            if field.names
        },
    }


def _name(field: Field) -> str:
    """SQL of the name in a field; of several names the first unknown one."""
    return f"get(unknown_{field.name}, 0)" if field.type == "strings" else f"p.{field.name}"


def time_of(text: str) -> Column:
    """The time of an RFC 3339 text with its offset, null for any other text."""
    return F.when(F.col(text).rlike(rf"\A{RFC3339}\z"), F.upper(text).try_cast("timestamp"))


def day_of(text: str) -> Column:
    """The day of a text YYYY-MM-DD, null for any other text and for a day that no calendar has."""
    return F.when(F.col(text).rlike(rf"\A{DAY}\z"), F.col(text).try_cast("date"))


def is_not_measured(name: str) -> str:
    """SQL: the number means that nothing was measured."""
    return f"coalesce({name} in ({', '.join(map(str, NOT_MEASURED))}), false)"


def measured(name: str) -> Column:
    """The number, null where it means that nothing was measured."""
    return F.expr(f"if({is_not_measured(name)}, null, {name})")


def given_times(contract: Contract) -> dict[str, Column]:
    """`given_<field>` of the time and day fields, null unless well-formed."""
    readers = {"timestamp": time_of, "date": day_of}
    by_field = {field.name: readers.get(field.type) for field in contract.payload}
    return {
        f"given_{name}": read(f"p.{name}") for name, read in by_field.items() if read and name != "event_time"
    }


def parse(events: DataFrame, contract: Contract) -> DataFrame:
    """Rows with `text` (the payload as a string, any bytes) and the columns that can be read from it.

    p struct: one field per payload field, null when it is absent or unreadable
    field_names array<string>
    plain boolean: every field is known, given once and well-typed, so the costlier checks can be skipped
    malformed boolean
    given_time timestamp: null unless it is RFC 3339 with an offset
    event_time timestamp
    is_replay boolean
    given_<field> timestamp or date: the other times of the kind
    """
    schema = (
        ", ".join(f"`{field.name}` {SPARK_TYPE[field.type]}" for field in contract.payload)
        + ", _corrupt string"
    )
    options = {
        "allowNonNumericNumbers": "false",
        "allowSingleQuotes": "false",
        "columnNameOfCorruptRecord": "_corrupt",
    }
    filled = " + ".join(f"int(p.{field.name} is not null)" for field in contract.payload)
    text = F.col("text")
    # Braces inside a string mean nothing. Strings are removed only where text seems to follow an object.
    ends_there = ~text.rlike(TRAILING) | ~F.regexp_replace(text, STRING_LITERAL, '""').rlike(TRAILING)
    one_object = (text.endswith("}") | F.rtrim(text).endswith("}")) & ends_there
    # Unreadable, or readable up to a raw control character. A field of the wrong type has its own pattern.
    broken = F.col("p._corrupt").isNotNull() & ~text.rlike(wrong_type_pattern(contract))
    return (
        events.withColumns(
            {"p": F.from_json("text", schema, options), "field_names": F.expr("json_object_keys(text)")}
        )
        .withColumns(
            {
                "plain": F.col("p._corrupt").isNull() & F.expr(f"size(field_names) = {filled}"),
                "malformed": F.col("field_names").isNull() | F.col("p").isNull() | ~one_object | broken,
                "given_time": time_of("p.event_time"),
                "is_replay": F.col("source").startswith("file:"),
                **given_times(contract),
                "p": with_topic(contract),  # in this projection: one of its own costs a copy of every row
            }
        )
        .withColumn("event_time", F.coalesce("given_time", "received_at"))
    )


def with_topic(contract: Contract) -> Column:
    """`p` with market and device of the MQTT topic where the payload has none: from header and source.

    The struct is copied only where a field is filled.
    """
    of_topic = {
        "market_id": F.element_at("other_headers", "market_id"),
        "device_id": F.when(F.col("source").startswith(MQTT_SOURCE), F.substring("source", 6, 64)),
    }
    payload = F.col("p")
    names = [field.name for field in contract.payload if contract.over_mqtt and field.name in of_topic]
    if not names:
        return payload
    lacking = (F.col(f"p.{name}").isNull() & of_topic[name].isNotNull() for name in names)
    fields = {name: F.coalesce(f"p.{name}", of_topic[name]) for name in names}
    filled = reduce(lambda struct, name: struct.withField(name, fields[name]), names, payload)
    return F.when(reduce(Column.__or__, lacking), filled).otherwise(payload)
