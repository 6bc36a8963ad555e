"""Whether DuckDB can evaluate every rule and message of the contracts."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import Contract, contracts, kinds, refuse
from lakehouse.contracts.rule_messages import template_parts
from lakehouse.verdicts.engine import query
from lakehouse.verdicts.rows import read_rows, row_verdicts, rules_of, transformed_sql

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
SAMPLES: dict[str, Any] = {
    "number": 1.5,
    "integer": 1,
    "boolean": True,
    "strings": ["x"],
    "object": {},
    "timestamp": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
}


def check_rules(knobs: Mapping[str, object]) -> None:
    """Raises ContractError naming contract and rule of everything that DuckDB refuses.

    Evaluates all rules on two events of each kind, one with every field and one without any. That also makes
    the first batch of a process quicker.
    """
    refuse([fault for kind in kinds() for fault in _faults(kind, knobs)])


def _faults(kind: str, knobs: Mapping[str, object]) -> Iterator[str]:
    contract = kinds()[kind]
    expressions = {
        rule.name: [rule.check, *template_parts(rule.message)[1]]
        for rule in rules_of(kind, knobs)
        if rule.reads != "stream"
    }
    events = _events(contract)
    try:
        row_verdicts(events, kind, knobs)
        rows = _rows(events, contract)
        _evaluate([sql for of_rule in expressions.values() for sql in of_rule], kind, rows)
    except (duckdb.Error, ValueError) as error:
        by_rule = [
            f"{contract.table}, rule '{name}': {fault}: {sql}"
            for name, of_rule in expressions.items()
            for sql in of_rule
            if (fault := _fault(sql, contract, events))
        ]
        yield from by_rule or [f"{contract.table}: {_first_line(error)}"]


def _evaluate(expressions: list[str], kind: str, rows: pa.Table) -> None:
    selected = ", ".join(f"({sql}) as e{number}" for number, sql in enumerate(expressions))
    query(f"select {selected} from ({transformed_sql(kind)})", rows=rows)


def _fault(sql: str, contract: Contract, events: pa.Table) -> str:
    """Why DuckDB refuses an expression; empty when it does not."""
    try:
        _evaluate([sql], contract.kind or "", _rows(events, contract))
    except (duckdb.Error, ValueError) as error:
        return _first_line(error)
    return ""


def _rows(events: pa.Table, contract: Contract) -> pa.Table:
    """What rules and messages read, with names for those that suggest one."""
    rows = read_rows(events, contract)
    for field in contract.payload:
        if field.names:
            rows = rows.append_column(f"nearest_{field.name}", pa.array([""] * rows.num_rows))
    return rows


def _events(contract: Contract) -> pa.Table:
    """An event with every field of the kind, and one without any."""
    filled = {field.name: SAMPLES.get(field.type, "x") for field in contract.payload}
    usual = {
        "topic": "",
        "partition": 0,
        "event_id": "",
        "kind": contract.kind,
        "source": "",
        "received_at": NEW_YEAR,
        "ingested_at": NEW_YEAR,
    }
    events = [
        usual | {"offset": offset, "value": orjson.dumps(payload)}
        for offset, payload in enumerate((filled, {}))
    ]
    return pa.Table.from_pylist(events, schema=arrow_schema(contracts()["bronze.events"]))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
