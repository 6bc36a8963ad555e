"""Names as people write them -> entries of the reference lists, found once per distinct value of a column."""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.reference import (
    commodities,
    commodity_aliases,
    matching_key,
    provinces,
    region_aliases,
    spellings,
)
from lakehouse.verdicts.engine import query

SUGGESTIONS = 3
LONGEST_NAME = 64  # characters of an unknown name that are compared with the lists
PLACE_TYPE = pa.struct({"code": pa.string(), "name": pa.string(), "timezone": pa.string()})
COMMODITY_TYPE = pa.struct({"id": pa.string(), "is_group": pa.bool_()})
# Of a table with the payload's fields and `other_headers` -> a column.
Resolver = Callable[[pa.Table], pa.Array]


def each(column: str, function: Callable[[Any], Any], arrow_type: pa.DataType | None = None) -> Resolver:
    """A column made of another: `function` of each distinct value. Null stays null; a text by default.

    A column of lists is read row by row.
    """

    def resolve(rows: pa.Table) -> pa.Array:
        values = rows[column].combine_chunks()
        resolved = arrow_type or pa.string()
        if pa.types.is_list(values.type):
            return pa.array([function(value) for value in values.to_pylist()], resolved)
        encoded = values.dictionary_encode()
        known = [function(value) for value in encoded.dictionary.to_pylist()]
        return pa.array(known, resolved).take(encoded.indices)

    return resolve


def entry_of(table: Mapping[str, Any], key: Callable[[str], str] = matching_key) -> Callable[[str], Any]:
    """A function of a name: its entry in a list, None when it is not there."""
    return lambda name: table.get(key(name))


def place_entries() -> dict[str, dict[str, str]]:
    """Province code -> code, name and time zone."""
    return {
        place.code: {"code": place.code, "name": place.name, "timezone": place.timezone}
        for place in provinces().values()
    }


def region(column: str) -> Resolver:
    """PLACE_TYPE of the province that a column names."""
    places = place_entries()
    return each(column, entry_of({key: places[code] for key, code in region_aliases().items()}), PLACE_TYPE)


def commodity(column: str) -> Resolver:
    """COMMODITY_TYPE that a column names."""
    entries = {entry.id: {"id": entry.id, "is_group": entry.is_group} for entry in commodities().values()}
    return each(
        column, entry_of({key: entries[name] for key, name in commodity_aliases().items()}), COMMODITY_TYPE
    )


def nearest(list_name: str, names: pa.Array) -> pa.Array:
    """For each name the names of a reference list nearest to it, by the number of letters that differ.

    For messages only: every spelling is compared, which is too slow for a check.
    """
    encoded = names.dictionary_encode()
    keys = [matching_key(name[:LONGEST_NAME]) for name in encoded.dictionary.to_pylist()]
    known = spellings(list_name)
    spelled = pa.table({"key": [key for key, _ in known], "name": [name for _, name in known]})
    sql = f"""
      with far as (select nth, name, min(levenshtein(spelled.key, names.key)) as distance
                   from names, spelled group by nth, name),
      near as (select * from far
               qualify row_number() over (partition by nth order by distance, name) <= {SUGGESTIONS})
      select string_agg(name, ', ' order by distance, name) as nearest from near group by nth order by nth"""
    written = pa.table({"nth": range(len(keys)), "key": pa.array(keys, pa.string())})
    return query(sql, names=written, spelled=spelled)["nearest"].combine_chunks().take(encoded.indices)


def header(rows: pa.Table, name: str) -> pa.Array:
    """The value of one further header of each record; null where it has none."""
    headers = rows["other_headers"].combine_chunks()
    if headers.null_count == len(headers):
        return pa.nulls(len(headers), pa.string())
    return pc.map_lookup(headers, pa.scalar(name), "last")


def needs_decision(rows: pa.Table) -> pa.Array:
    """Whether a message that an intake refused is to be decided on, by its headers."""
    answered = pc.equal(pc.fill_null(header(rows, "door"), ""), "http")
    return pc.and_not(pc.invert(answered), pc.equal(pc.fill_null(header(rows, "listed"), ""), "no"))
