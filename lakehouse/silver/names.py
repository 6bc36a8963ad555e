"""Names as people write them -> ids of the reference lists, as map literals: no join, no lookup service."""

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F


def lookup(table: Mapping[str, object], key: Column) -> Column:
    """Value of `key` in a small table, null when it is not there. The table must not be empty."""
    literal = F.create_map(*(F.lit(item) for pair in table.items() for item in pair))
    return F.element_at(literal, key)


def matching_key(name: Column) -> Column:
    """As `lakehouse.reference.matching_key`: letters and digits only, lower case."""
    return F.regexp_replace(F.lower(name), "[^0-9a-z]", "")
