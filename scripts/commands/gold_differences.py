"""Gold against what it follows from: rows that it lacks or has too many, by computing it again as a whole."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from conf.settings import settings
from lakehouse.contracts.contract import Contract, contracts
from lakehouse.io import checkpoint
from lakehouse.io.delta import open_if_exists
from lakehouse.io.process_status import is_alive, stream_status, was_killed
from lakehouse.io.query import lake_database, sql_of
from lakehouse.paths import view_name
from streaming_jobs.flows import folded, refreshed
from streaming_jobs.gold.contract_sql import reference_tables

# Beside the key; what is summed up from many rows may differ in its last digit.
COMPARED = ("event_id", "event_time", "price_idr", "value", "observations", "last_event_time", "commodities")
REVIEWS_SQL = "select event_id as decision_id from silver_decisions"
LOOKS = 10


@dataclass(frozen=True)
class Difference:
    """Rows of a gold table: it lacks the `missing` ones; the `surplus` ones follow from nothing."""

    table: str
    missing: int
    surplus: int


def gold_differences() -> list[dict[str, Any]] | None:
    """Tables that differ from silver; None when the stream writes all the time, or was killed.

    While the stream runs, a difference counts when nothing was written between two looks.
    """
    if was_killed(stream_status()):
        return None  # its next start brings gold up to silver
    for _ in range(LOOKS):
        before = _versions()
        differences = differences_now()
        if not _stream_runs() or not differences:
            return [asdict(difference) for difference in differences]
        time.sleep(settings().stream.incremental_gold_seconds + 1)  # gold has followed by then
        if _versions() == before and not checkpoint.batch_under_way():
            return [asdict(difference) for difference in differences]
    return None


def differences_now() -> list[Difference]:
    """As the tables are now. Tables without a commit are left out."""
    plans = [(contract, sql_of(contract), _columns(contract)) for contract in _compared_contracts()]
    plans.append((contracts()["gold.reviews"], REVIEWS_SQL, ["decision_id"]))
    outcomes = [_difference(contract, sql, columns) for contract, sql, columns in plans]
    return [outcome for outcome in outcomes if outcome.missing or outcome.surplus]


def _compared_contracts() -> list[Contract]:
    """Gold that one statement computes from silver, from other gold and from the reference lists."""
    return [*folded(), *(contracts()[table] for table in refreshed("seconds"))]


def _columns(contract: Contract) -> list[str]:
    return [
        *contract.key,
        *(name for name in COMPARED if name in set(contract.column_names) - set(contract.key)),
    ]


def _difference(contract: Contract, sql: str, columns: list[str]) -> Difference:
    if open_if_exists(contract.table) is None:
        return Difference(contract.table, 0, 0)
    reads = ["silver.decisions"] if contract.table == "gold.reviews" else list(contract.reads)
    lake = lake_database([contract.table, *reads])
    for name, rows in reference_tables().items():
        lake.register(name, rows)
    listed = ", ".join(columns)
    expected = f"select {listed} from ({sql}) as computed"
    actual = f"select {listed} from {view_name(contract.table)}"
    missing, surplus = (
        lake.execute(f"select count(*) from ({first} except all {second})").fetchall()[0][0]
        for first, second in ((expected, actual), (actual, expected))
    )
    return Difference(contract.table, missing, surplus)


def _versions() -> dict[str, int]:
    tables = {table for contract in _compared_contracts() for table in (contract.table, *contract.reads)}
    opened = {table: open_if_exists(table) for table in sorted(tables)}
    return {name: table.version() for name, table in opened.items() if table}


def _stream_runs() -> bool:
    return is_alive(stream_status())
