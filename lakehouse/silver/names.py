"""Names as people write them -> ids of the reference lists, as map literals: no join, no lookup service."""

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakehouse.contracts.rule_messages import sql_literal
from lakehouse.reference import (
    DEFAULT_TIMEZONE,
    commodities,
    commodity_aliases,
    provinces,
    region_aliases,
    spellings,
)

SUGGESTIONS = 3


def lookup_row(table: Mapping[str, Mapping[str, object]], key: str) -> Column:
    """The row (a struct) of the SQL expression `key` in a small table, null when it is not there.

    One search finds all columns.
    """
    rows = (
        ", ".join(f"'{name}', {sql_literal(value)}" for name, value in row.items()) for row in table.values()
    )
    literal = ", ".join(
        f"{sql_literal(name)}, named_struct({row})" for name, row in zip(table, rows, strict=True)
    )
    return F.expr(f"element_at(map({literal}), {key})")


def lookup_sql(table: Mapping[str, object], key: str) -> str:
    """SQL of the value of the SQL expression `key` in a small table, null when it is not there.

    The table must not be empty.
    """
    literal = ", ".join(sql_literal(item) for pair in table.items() for item in pair)
    return f"element_at(map({literal}), {key})"


def lookup(table: Mapping[str, object], key: str) -> Column:
    """`lookup_sql` as a column."""
    return F.expr(lookup_sql(table, key))


def matching_key(name: str) -> str:
    """SQL of `lakehouse.reference.matching_key`: letters and digits only, lower case."""
    return f"regexp_replace(lower({name}), '[^0-9a-z]', '')"


def region_row(name: str) -> Column:
    """struct<code, name, timezone> of the province that the SQL expression names; null when it is none."""
    places = {
        place.code: {"code": place.code, "name": place.name, "timezone": place.timezone}
        for place in provinces().values()
    }
    return lookup_row({key: places[code] for key, code in region_aliases().items()}, matching_key(name))


def commodity_row(name: str) -> Column:
    """struct<id, is_group> of the commodity that the SQL expression names; null when it is none."""
    rows = {
        commodity.id: {"id": commodity.id, "is_group": commodity.is_group}
        for commodity in commodities().values()
    }
    by_alias = {alias: rows[commodity_id] for alias, commodity_id in commodity_aliases().items()}
    return lookup_row(by_alias, matching_key(name))


def local_day(time: str, timezone: Column) -> Column:
    """The day of a time in a zone; Jakarta's where no zone is known."""
    return F.to_date(F.from_utc_timestamp(time, F.coalesce(timezone, F.lit(DEFAULT_TIMEZONE))))


def month(day: Column) -> Column:
    """yyyy-mm of a day or time: the partition, so that partitions stay few."""
    return F.substring(day.cast("string"), 1, 7)


def nearest(list_name: str, name: str) -> str:
    """SQL of a text: the names of a reference list nearest to `name`, by the number of letters that differ.

    `name` is an SQL expression. For messages only: every spelling is compared, which is too slow for a check.
    """
    rows = ", ".join(
        f"named_struct('key', {sql_literal(key)}, 'name', {sql_literal(shown)})"
        for key, shown in spellings(list_name)
    )
    distance = "named_struct('far', levenshtein(n.key, k), 'name', n.name)"
    ordered = f"array_sort(transform(array({rows}), n -> {distance}))"
    first = f"array_join(slice(array_distinct(transform({ordered}, n -> n.name)), 1, {SUGGESTIONS}), ', ')"
    key = matching_key(f"substring({name}, 1, 64)")
    # A lambda, so that the key is made once and not once a spelling.
    return f"get(transform(array({key}), k -> {first}), 0)"
