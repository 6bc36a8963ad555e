"""Payload bytes of one kind -> columns: plain rows by one DuckDB pass, all others one by one (`exact.read`).

A row is plain when it is one JSON object without escapes that gives fields of the contract only, each once
and with its type. Most rows are: they cost a tenth of the others.
"""

from functools import cache, reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import utf8_texts
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.schema import Field
from lakehouse.event import EVENT_MAX_BYTES
from lakehouse.verdicts import exact
from lakehouse.verdicts.engine import query

ARROW_TYPE = {
    "number": pa.float64(),
    "integer": pa.float64(),
    "boolean": pa.bool_(),
    "strings": pa.list_(pa.string()),
}
SQL_TYPE = {"number": "DOUBLE", "integer": "DOUBLE", "boolean": "BOOLEAN", "strings": ["VARCHAR"]}
JSON_TYPES = {
    "number": {"DOUBLE", "UBIGINT", "BIGINT"},
    "integer": {"DOUBLE", "UBIGINT", "BIGINT"},
    "boolean": {"BOOLEAN"},
    "strings": {"ARRAY"},
    "object": set(),  # its text is kept as it is written, which DuckDB does not
}
# What the rules of every kind read of a payload besides its fields; the same of every plain row.
FACTS = {
    "payload_bytes": pa.int64(),
    "is_utf8": pa.bool_(),
    "malformed": pa.bool_(),
    "repeated": pa.bool_(),
    "broken_text": pa.bool_(),
    "wrong_type": pa.string(),
    "unknown_fields": pa.string(),
}
PLAIN = exact.Payload()


def arrow_type(field: Field) -> pa.DataType:
    """Type of the column of a payload field."""
    return ARROW_TYPE.get(field.type, pa.string())


def parse(values: pa.Array, contract: Contract) -> pa.Table:
    """One row a payload: its fields with the names and order of the contract, null where absent or of another
    type; then FACTS.
    """
    numbers, plain = plain_rows(values, contract)
    if len(numbers) == len(values):
        return plain
    others = np.setdiff1d(np.arange(len(values)), numbers, assume_unique=True)
    rest = exact_rows(values.take(pa.array(others)), contract)
    order = np.empty(len(values), dtype=np.int64)
    order[np.concatenate([numbers, others])] = np.arange(len(values))
    return pa.concat_tables([plain, rest]).combine_chunks().take(pa.array(order))


def exact_rows(values: pa.Array, contract: Contract) -> pa.Table:
    """The same columns, each payload read in Python."""
    payloads = [exact.read(value or b"", contract) for value in values.to_pylist()]
    columns = {
        field.name: pa.array([payload.fields.get(field.name) for payload in payloads], arrow_type(field))
        for field in contract.payload
    }
    facts = {
        name: pa.array([getattr(payload, name) for payload in payloads], fact_type)
        for name, fact_type in FACTS.items()
    }
    return pa.table(list((columns | facts).values()), names=[*columns, *facts])


def plain_rows(values: pa.Array, contract: Contract) -> tuple[np.ndarray, pa.Table]:
    """Numbers of the plain rows, and their columns."""
    sizes = pc.fill_null(pc.binary_length(values), 0)
    texts = pa.table({"nth": np.arange(len(values)), "t": _texts(values, sizes)})
    rows = query(_plain_sql(contract), texts=texts).combine_chunks()
    is_plain = reduce(pc.and_, _plainness(rows, contract))
    if not pc.all(is_plain).as_py():
        rows = rows.filter(is_plain).combine_chunks()
    numbers = rows["nth"].to_numpy()
    columns = {field.name: rows[field.name] for field in contract.payload}
    facts = {
        name: pa.repeat(pa.scalar(getattr(PLAIN, name), fact_type), len(numbers))
        for name, fact_type in FACTS.items()
    }
    facts["payload_bytes"] = sizes.take(pa.array(numbers)).cast(pa.int64())
    schema = pa.schema([(field.name, arrow_type(field)) for field in contract.payload] + list(FACTS.items()))
    table = pa.table(list((columns | facts).values()), names=[*columns, *facts])
    return numbers, table.cast(schema)


def _texts(values: pa.Array, sizes: pa.Array) -> pa.Array:
    """The payloads as texts, null where they are no UTF-8 or too large."""
    if (pc.max(sizes).as_py() or 0) > EVENT_MAX_BYTES:
        values = pc.if_else(pc.less_equal(sizes, EVENT_MAX_BYTES), values, None)
    return utf8_texts(values)


@cache
def _plain_sql(contract: Contract) -> str:
    """What the texts that may be plain hold. DuckDB also takes a comma before a closing bracket, and NaN.

    Names and types of a row are one text each, as few combinations occur; lists would cost ten times as much.
    """
    fields = contract.payload
    shape = ", ".join(f'"{field.name}": {_shape(field)}' for field in fields)
    paths = ", ".join(f"'$.\"{field.name}\"'" for field in fields)
    items = [
        f'json_type(t, \'$."{field.name}"[*]\')::varchar as "items of {field.name}"'
        for field in fields
        if field.type == "strings"
    ]
    selected = ", ".join(
        [
            "nth",
            "json_keys(t)::varchar as names",
            f"json_type(t, [{paths}])::varchar as types",
            *items,
            f"json_transform(t, '{{{shape}}}') as p",
        ]
    )
    whole = "t like '{%}' and not contains(t, chr(92)) and not regexp_matches(t, ',\\s*[\\]}]')"
    named = ", ".join(f'p."{field.name}" as "{field.name}"' for field in fields)
    return (
        f"select * exclude (p), {named} from "
        f"(select {selected} from texts where {whole} and json_valid(t)) order by nth"
    )


def _shape(field: Field) -> str:
    sql_type = SQL_TYPE.get(field.type, "VARCHAR")
    return f'["{sql_type[0]}"]' if isinstance(sql_type, list) else f'"{sql_type}"'


def _plainness(rows: pa.Table, contract: Contract) -> list[pa.Array]:
    """What a plain row meets, each as one flag a row."""
    fields = contract.payload
    known = {field.name for field in fields}
    types = [JSON_TYPES.get(field.type, {"VARCHAR"}) | {"NULL"} for field in fields]

    def known_once(names: str) -> bool:
        given = _listed(names)
        return len(given) == len(set(given)) and set(given) <= known

    def well_typed(given: str) -> bool:
        return all(name in allowed for name, allowed in zip(_listed(given), types, strict=True))

    flags = [_per_value(rows["names"], known_once), _per_value(rows["types"], well_typed)]
    for field in fields:
        if field.type == "strings":
            flags.append(
                _per_value(rows[f"items of {field.name}"], lambda items: set(_listed(items)) <= {"VARCHAR"})
            )
        elif arrow_type(field) == pa.float64():
            flags.append(pc.fill_null(pc.is_finite(rows[field.name]), True))
    return flags


def _listed(written: str) -> list[str]:
    """The items of a list as DuckDB writes it; names with blanks or commas keep their quotes."""
    return [item.strip("'") for item in written[1:-1].split(", ")] if written != "[]" else []


def _per_value(column: pa.ChunkedArray, flag: object) -> pa.ChunkedArray:
    """The flag of each row, found once per distinct text."""
    encoded = column.combine_chunks().dictionary_encode()
    known = pa.array(map(flag, encoded.dictionary.to_pylist()), pa.bool_())  # type: ignore[call-overload]
    return known.take(encoded.indices)


# How weather services and statistics offices write a gap.
NOT_MEASURED = (8888, 9999, -999)


def is_not_measured(name: str) -> str:
    """SQL: the number means that nothing was measured."""
    return f"coalesce({name} in ({', '.join(map(str, NOT_MEASURED))}), false)"


def measured(name: str) -> str:
    """SQL: the number, null where it means that nothing was measured."""
    return f"if({is_not_measured(name)}, null, {name})"
