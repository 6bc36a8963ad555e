"""Rows of bronze.events of one kind -> their verdict by the row rules and their silver row.

A pure function from an Arrow table to Arrow tables. A kind is data: `RESOLVED` (columns found once per
distinct value) and `COLUMNS` (DuckDB SQL) of lakehouse/silver/<table>.py, and the rules of its contract.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import arrow_type
from lakehouse.contracts.contract import Contract, Rule, kinds, rule_set
from lakehouse.contracts.history_rules import with_knobs
from lakehouse.contracts.rule_masks import mask_of, names_in
from lakehouse.verdicts.engine import query
from lakehouse.verdicts.payload import FACTS, parse
from lakehouse.verdicts.resolve import header

# Columns of bronze.events that a verdict keeps with the silver row.
BRONZE_COLUMNS = (
    "topic",
    "partition",
    "offset",
    "event_id",
    "source",
    "received_at",
    "content_type",
    "ingested_at",
)
# Values as given, for people who look through the quarantine.
RAW = {"raw_market": "market_id", "raw_commodity": "commodity"}
LONGEST_RAW = 200
# Several silver rows in one event: list<struct<…>> of the columns that differ.
READINGS = "readings"
MQTT_SOURCE = "mqtt:"  # and the device of the topic
MALFORMED = "malformed"
NAMES = pa.list_(pa.string())


@cache
def transform_of(kind: str) -> ModuleType:
    """The module that makes the kind's silver rows: silver.prices -> lakehouse/silver/prices.py."""
    return import_module(f"lakehouse.{kinds()[kind].table}")


@cache
def row_columns(kind: str) -> tuple[str, ...]:
    """Columns of the silver row: the contract's that are neither BRONZE_COLUMNS nor inside READINGS."""
    contract = kinds()[kind]
    transform = transform_of(kind)
    inside = getattr(transform, "READ_TOGETHER", ())
    names = [name for name in contract.column_names if name not in BRONZE_COLUMNS and name not in inside]
    return (*names, *([READINGS] if inside else []))


def constants(contract: Contract) -> dict[str, str]:
    """SQL for each `${…}` in the rules of every kind."""
    numbers = [field.name for field in contract.payload if field.type in ("number", "integer")]
    finite = (f"(p.{name} is null or abs(p.{name}) < 1.7976931348623157E308)" for name in numbers)
    return {
        "numbers_finite": " and ".join(finite) or "true",
        "kinds": ", ".join(f"'{kind}'" for kind in kinds()),
        **{f"nearest_{field.name}": f"nearest_{field.name}" for field in contract.payload if field.names},
    }


def rules_of(kind: str, knobs: Mapping[str, object]) -> tuple[Rule, ...]:
    """The rules of a kind with every `${…}` replaced; bit n of a mask is rule n."""
    contract = kinds()[kind]
    return with_knobs(contract.table, contract.rules, {**knobs, **constants(contract)})


@dataclass(frozen=True)
class Verdicts:
    """One row an event.

    `table`: BRONZE_COLUMNS, payload, mask, the columns of the silver row (`row_columns`), RAW.
    `rows`: what rules and messages read, for the reasons of the refused.
    """

    kind: str
    rules: tuple[Rule, ...]
    table: pa.Table
    rows: pa.Table

    @property
    def mask(self) -> npt.NDArray[np.int64]:
        """Violated rules of each event, one bit a rule."""
        return np.asarray(self.table["mask"].to_numpy())


def row_verdicts(events: pa.Table, kind: str, knobs: Mapping[str, object]) -> Verdicts:
    """`events`: rows of bronze.events of this kind. `knobs`: of settings().validation."""
    contract = kinds()[kind]
    rules = rules_of(kind, knobs)
    rows = read_rows(events, contract)
    computed = [name for name in row_columns(kind) if name not in ("_warnings", "rule_set")]
    raw = [
        f"p.{field}[:{LONGEST_RAW}] as {name}"
        if field in rows.schema.field("p").type.names
        else f"null::varchar as {name}"
        for name, field in RAW.items()
    ]
    kept = ", ".join(
        [*(f'"{name}"' for name in (*BRONZE_COLUMNS, "payload")), *(f'"{name}"' for name in computed), *raw]
    )
    sql = f"select {kept}, ({_mask_sql(rules)})::bigint as mask from ({transformed_sql(kind)})"
    table = query(sql, rows=rows).combine_chunks()
    mask = table["mask"].to_numpy()
    derived = {
        "_warnings": warnings(mask, rules),
        "rule_set": pa.repeat(pa.scalar(rule_set(knobs)), len(mask)),
    }
    for name, column in derived.items():
        table = table.append_column(name, column)
    return Verdicts(kind, rules, table.cast(_schema(kind, table)), rows)


def _schema(kind: str, table: pa.Table) -> pa.Schema:
    """The types of the contract for its columns, DuckDB's for others."""
    types = {column.name: arrow_type(column.type) for column in kinds()[kind].columns}
    return pa.schema([(field.name, types.get(field.name, field.type)) for field in table.schema])


def read_rows(events: pa.Table, contract: Contract) -> pa.Table:
    """BRONZE_COLUMNS, kind, other_headers, payload, `p` (a struct of its fields), FACTS, RESOLVED."""
    transform = transform_of(contract.kind or "")
    payloads = getattr(transform, "payloads", None)
    values = payloads(events) if payloads else events["value"].combine_chunks()
    parsed = parse(values, contract)
    base = (
        events.select([*BRONZE_COLUMNS, "kind", "other_headers"])
        .combine_chunks()
        .append_column("payload", values)
    )
    fields = {field.name: parsed[field.name].combine_chunks() for field in contract.payload}
    if contract.over_mqtt:
        fields |= _of_topic(fields, base)
    p = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    rows = base.append_column("p", p)
    for name in FACTS:
        rows = rows.append_column(name, parsed[name])
    # Resolvers read fields by name; a field may have the name of a column of bronze.events.
    readable = pa.table({"other_headers": rows["other_headers"], **fields})
    for name, resolver in transform.RESOLVED.items():
        rows = rows.append_column(name, resolver(readable))
    return rows


def _of_topic(fields: Mapping[str, pa.Array], base: pa.Table) -> dict[str, pa.Array]:
    """Market and device of the MQTT topic where the payload has none: from header and source."""
    filled = {}
    if "market_id" in fields and fields["market_id"].null_count:
        filled["market_id"] = pc.coalesce(fields["market_id"], header(base, "market_id"))
    if "device_id" in fields and fields["device_id"].null_count:
        encoded = base["source"].combine_chunks().dictionary_encode()
        sources = encoded.dictionary.to_pylist()
        devices = [
            source[len(MQTT_SOURCE) :][:64] if source.startswith(MQTT_SOURCE) else None for source in sources
        ]
        device = pa.array(devices, pa.string()).take(encoded.indices)
        filled["device_id"] = pc.coalesce(fields["device_id"], device)
    return filled


@cache
def transformed_sql(kind: str) -> str:
    """`rows` with the times in their payload and the columns of their transform, null where one fails.

    A column that the transform does not make is the payload's field of its name; a time or day as read.
    """
    contract = kinds()[kind]
    transform = transform_of(kind)
    fixed = {*BRONZE_COLUMNS, "kind", "payload", "event_time", *FACTS}
    readers = {"timestamp": "time_of", "date": "day_of"}
    fields = {
        field.name: f"given_{field.name}" if field.type in readers else f"p.{field.name}"
        for field in contract.payload
        if field.name in contract.column_names and field.name not in {*fixed, *transform.RESOLVED}
    }
    times = {
        f"given_{field.name}": f"{readers[field.type]}(p.{field.name})"
        for field in contract.payload
        if field.type in readers and field.name != "event_time"
    }
    given = ", ".join(f'{sql} as "{name}"' for name, sql in times.items())
    timed = (
        "select *, coalesce(given_time, received_at) as event_time, "
        "starts_with(source, 'file:') as is_replay "
        f"from (select *, time_of(p.event_time) as given_time{', ' + given if given else ''} from rows)"
    )
    columns = fields | transform.COLUMNS
    guarded = {name: f"try({sql})" if "(" in sql else sql for name, sql in columns.items()}
    replaced = ", ".join(f'{sql} as "{name}"' for name, sql in guarded.items() if name in fixed)
    added = ", ".join(f'{sql} as "{name}"' for name, sql in guarded.items() if name not in fixed)
    replace = f" replace ({replaced})" if replaced else ""
    return f"select *{replace}, {added} from ({timed})"


def _mask_sql(rules: tuple[Rule, ...]) -> str:
    """Mask of the rules that a row violates: those whose check is not true. No rule stops another.

    A check that fails on a row (a number out of range, say) is not true of it. Rules on the payload do not
    apply where it cannot be read; those that read the stream are left to it.
    """

    def bits(reads: str) -> str:
        parts = [
            f"if(coalesce(try({rule.check}), false), 0, {1 << bit})"
            for bit, rule in enumerate(rules)
            if rule.reads == reads
        ]
        return " | ".join(parts) or "0"

    return f"{bits('raw')} | if({MALFORMED}, 0, {bits('payload')})"


def warnings(mask: npt.NDArray[np.int64], rules: tuple[Rule, ...]) -> pa.Array:
    """list<string>: names of the warnings in each mask."""
    distinct, codes = np.unique(mask & mask_of(rules, "warn"), return_inverse=True)
    return pa.array([list(names_in(int(bits), rules)) for bits in distinct], NAMES).take(
        pa.array(codes.reshape(-1))
    )


def silver_rows(accepted: pa.Table, kind: str) -> pa.Table:
    """Rows of the kind's table in the contract's columns, of rows of `Verdicts.table` that land in silver."""
    explode = getattr(transform_of(kind), "rows", None)
    return (explode(accepted) if explode else accepted).select(kinds()[kind].column_names)
