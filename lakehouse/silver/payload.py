"""Bytes -> fields: what every kind's transform starts from. Absent, wrong and unreadable stay apart."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.contract import Contract
from lakehouse.event import BAD_ESCAPE, RFC3339
from lakehouse.quality import sql_text

SPARK_TYPE = {"string": "string", "timestamp": "string", "number": "double", "integer": "double"}
# Spark's JSON parser stops at the end of the first object and does not mind what follows.
TRAILING = r'\}\s*+[^\s,\]}"]'


def wrong_type_pattern(contract: Contract) -> str:
    """Regular expression whose group 1 names a field that holds another JSON type than its contract says (null is absent).

    A quote inside a JSON string is always escaped, so `"name"` followed by a colon can only be a field.
    """
    textual = "|".join(field.name for field in contract.payload if SPARK_TYPE[field.type] == "string")
    numeric = "|".join(field.name for field in contract.payload if SPARK_TYPE[field.type] == "double")
    return rf'"((?:{textual})(?="\s*+:\s*+(?!"|null))|(?:{numeric})(?="\s*+:\s*+(?!-?[0-9]|null)))"'


def constants(contract: Contract) -> dict[str, str]:
    """What `${…}` in the rules of every kind stands for, as SQL literals."""
    return {
        "known_fields": f"array({', '.join(sql_text(field.name) for field in contract.payload)})",
        "wrong_type_pattern": sql_text(wrong_type_pattern(contract)),
        "bad_escape": sql_text(BAD_ESCAPE),
    }


def parse(events: DataFrame, contract: Contract) -> DataFrame:
    """Rows with `text` (the payload as a string, any bytes) + what can be read of it.

    Adds: p struct (one field per payload field; null: absent or unreadable), field_names array<string>,
    plain boolean (every field known, given once and well-typed: the quick way past the costlier checks), malformed boolean,
    given_time timestamp (null unless RFC 3339 with offset), event_time timestamp, is_replay boolean.
    """
    schema = ", ".join(f"`{field.name}` {SPARK_TYPE[field.type]}" for field in contract.payload) + ", _corrupt string"
    options = {"allowNonNumericNumbers": "false", "allowSingleQuotes": "false", "columnNameOfCorruptRecord": "_corrupt"}
    filled = " + ".join(f"int(p.{field.name} is not null)" for field in contract.payload)
    text = F.col("text")
    one_object = (text.endswith("}") | F.rtrim(text).endswith("}")) & ~text.rlike(TRAILING)
    # Unreadable, or readable up to a raw control character; a field of the wrong type is told apart by its pattern.
    broken = F.col("p._corrupt").isNotNull() & ~text.rlike(wrong_type_pattern(contract))
    return (
        events.withColumns({"p": F.from_json("text", schema, options), "field_names": F.expr("json_object_keys(text)")})
        .withColumns(
            {
                "plain": F.col("p._corrupt").isNull() & F.expr(f"size(field_names) = {filled}"),
                "malformed": F.col("field_names").isNull() | F.col("p").isNull() | ~one_object | broken,
                "given_time": F.when(F.col("p.event_time").rlike(f"^{RFC3339}$"), F.upper("p.event_time").try_cast("timestamp")),
                "is_replay": F.col("source").startswith("file:"),
            }
        )
        .withColumn("event_time", F.coalesce("given_time", "received_at"))
    )
