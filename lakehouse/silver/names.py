"""Names as people write them -> ids of the reference lists, as map literals: no join, no lookup service."""

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakehouse.quality import sql_text


def lookup_row(table: Mapping[str, Mapping[str, object]], key: str) -> Column:
    """The row (a struct) of the SQL expression `key` in a small table, null when it is not there: one search for all columns."""
    rows = (", ".join(f"'{name}', {sql_text(value)}" for name, value in row.items()) for row in table.values())
    literal = ", ".join(f"{sql_text(name)}, named_struct({row})" for name, row in zip(table, rows, strict=True))
    return F.expr(f"element_at(map({literal}), {key})")


def lookup(table: Mapping[str, object], key: str) -> Column:
    """Value of the SQL expression `key` in a small table, null when it is not there. The table must not be empty."""
    literal = ", ".join(sql_text(item) for pair in table.items() for item in pair)
    return F.expr(f"element_at(map({literal}), {key})")


def matching_key(name: str) -> str:
    """SQL of `lakehouse.reference.matching_key`: letters and digits only, lower case."""
    return f"regexp_replace(lower({name}), '[^0-9a-z]', '')"
