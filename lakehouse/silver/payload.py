"""Bytes -> fields: what every kind's transform starts from. Absent, wrong and unreadable stay apart."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.contract import Contract, Field, kinds
from lakehouse.event import BAD_ESCAPE
from lakehouse.quality import sql_text
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
    "object": "string",  # Spark copies the text of an object as it stands
}
# How a JSON value of a type begins; another beginning (null aside) is the wrong type.
BEGINS = {"string": '"', "double": "-?[0-9]", "boolean": "true|false", "strings": r"\[", "object": r"\x7B"}  # a brace
NOT_MEASURED = (8888, 9999, -999)  # how weather services and statistics offices write a gap
# Spark's JSON parser stops at the end of the first object and does not mind what follows.
TRAILING = r'\}\s*+[^\s,\]}"]'
STRING_LITERAL = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'


def wrong_type_pattern(contract: Contract) -> str:
    """Regular expression whose group 1 names a field that holds another JSON type than its contract says (null is absent).

    A quote inside a JSON string is always escaped, so `"name"` followed by a colon can only be a field.
    """
    named: dict[str, list[str]] = {}
    for field in contract.payload:
        named.setdefault(BEGINS.get(field.type) or BEGINS[SPARK_TYPE[field.type]], []).append(field.name)
    wrong = (rf'(?:{"|".join(fields)})(?="\s*+:\s*+(?!{begin}|null))' for begin, fields in named.items())
    return rf'"({"|".join(wrong)})"'


def types_whole(contract: Contract) -> str:
    """SQL: every field holds the JSON type that its contract says.

    Spark takes a number or an object where text is asked for. The oldest kinds put up with that and are asked only when something
    did not fit: they are most of the stream. The others are asked always.
    """
    wrong = f"text rlike {sql_text(wrong_type_pattern(contract))}"
    if not contract.rules_from_fields:
        return f"(p._corrupt is null or not {wrong})"
    arrays = [field.name for field in contract.payload if field.type == "strings"]
    stranger = rf'"(?:{"|".join(arrays)})"\s*+:\s*+\[(?:\s*+{STRING_LITERAL}\s*+,?)*+\s*+[^"\s\],]'
    return f"not {wrong}" + (f" and not text rlike {sql_text(stranger)}" if arrays else "")


def constants(contract: Contract) -> dict[str, str]:
    """What `${…}` in the rules of every kind stands for, as SQL: `nearest_<field>` are suggestions for an unknown name."""
    numbers = [field.name for field in contract.payload if SPARK_TYPE[field.type] == "double"]
    finite = (f"(p.{name} is null or abs(p.{name}) < 1.7976931348623157E308D)" for name in numbers)
    return {
        "known_fields": f"array({', '.join(sql_text(field.name) for field in contract.payload)})",
        "wrong_type_pattern": sql_text(wrong_type_pattern(contract)),
        "types_whole": types_whole(contract),
        "numbers_finite": " and ".join(finite) or "true",
        "bad_escape": sql_text(BAD_ESCAPE),
        "kinds": f"array({', '.join(map(sql_text, kinds()))})",
        **{f"nearest_{field.name}": nearest(field.names, _name(field)) for field in contract.payload if field.names},
    }


def _name(field: Field) -> str:
    """SQL of the name in a field; of several names the first that can be unknown stands for all."""
    return f"get(unknown_{field.name}, 0)" if field.type == "strings" else f"p.{field.name}"


def time_of(text: str) -> Column:
    """The time that an RFC 3339 text with its offset says, null for any other text."""
    return F.when(F.col(text).rlike(rf"\A{RFC3339}\z"), F.upper(text).try_cast("timestamp"))


def day_of(text: str) -> Column:
    """The day that a text YYYY-MM-DD says, null for any other text and for a day that no calendar has."""
    return F.when(F.col(text).rlike(rf"\A{DAY}\z"), F.col(text).try_cast("date"))


def is_not_measured(name: str) -> str:
    """SQL: the number stands for "nothing was measured"."""
    return f"coalesce({name} in ({', '.join(map(str, NOT_MEASURED))}), false)"


def measured(name: str) -> Column:
    """The number, null where it stands for "nothing was measured"."""
    return F.expr(f"if({is_not_measured(name)}, null, {name})")


def given_times(contract: Contract) -> dict[str, Column]:
    """`given_<field>` of the time and day fields, null unless well-formed."""
    made = {field.name: {"timestamp": time_of, "date": day_of}.get(field.type) for field in contract.payload}
    return {f"given_{name}": read(f"p.{name}") for name, read in made.items() if read and name != "event_time"}


def parse(events: DataFrame, contract: Contract) -> DataFrame:
    """Rows with `text` (the payload as a string, any bytes) + what can be read of it.

    Adds: p struct (one field per payload field; null: absent or unreadable), field_names array<string>,
    plain boolean (every field known, given once and well-typed: the quick way past the costlier checks), malformed boolean,
    given_time timestamp (null unless RFC 3339 with offset), event_time timestamp, is_replay boolean,
    given_<field> timestamp or date of the kind's other times.
    """
    schema = ", ".join(f"`{field.name}` {SPARK_TYPE[field.type]}" for field in contract.payload) + ", _corrupt string"
    options = {"allowNonNumericNumbers": "false", "allowSingleQuotes": "false", "columnNameOfCorruptRecord": "_corrupt"}
    filled = " + ".join(f"int(p.{field.name} is not null)" for field in contract.payload)
    text = F.col("text")
    # Braces inside a string mean nothing, but strings are taken out only where something seems to follow an object.
    ends_there = ~text.rlike(TRAILING) | ~F.regexp_replace(text, STRING_LITERAL, '""').rlike(TRAILING)
    one_object = (text.endswith("}") | F.rtrim(text).endswith("}")) & ends_there
    # Unreadable, or readable up to a raw control character; a field of the wrong type is told apart by its pattern.
    broken = F.col("p._corrupt").isNotNull() & ~text.rlike(wrong_type_pattern(contract))
    return (
        events.withColumns({"p": F.from_json("text", schema, options), "field_names": F.expr("json_object_keys(text)")})
        .withColumns(
            {
                "plain": F.col("p._corrupt").isNull() & F.expr(f"size(field_names) = {filled}"),
                "malformed": F.col("field_names").isNull() | F.col("p").isNull() | ~one_object | broken,
                "given_time": time_of("p.event_time"),
                "is_replay": F.col("source").startswith("file:"),
                **given_times(contract),
            }
        )
        .withColumn("event_time", F.coalesce("given_time", "received_at"))
    )
