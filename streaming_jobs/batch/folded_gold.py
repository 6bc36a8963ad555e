"""Accepted rows of a batch -> gold tables that are small: folded in memory and written whole."""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import Contract
from lakehouse.io.checkpoint import batch_under_way
from lakehouse.io.delta import BatchTag, has_new_columns, open_table, read_rows, replace_rows, shaped, tags_of
from lakehouse.io.query import run_sql, sql_of
from lakehouse.paths import view_name
from streaming_jobs.flows import folded


def wanted_columns(silver: str) -> set[str]:
    """Columns of a silver table that its folded gold tables read."""
    return {name for contract in folded() if contract.reads[0] == silver for name in contract.column_names}


def fold_rows(silver: str, rows: pa.Table) -> dict[str, pa.Table]:
    """Gold tables with these rows of a silver table alone; empty without rows."""
    if not rows.num_rows:
        return {}
    return {
        contract.table: fold(contract, arrow_schema(contract).empty_table(), rows)
        for contract in folded()
        if contract.reads[0] == silver
    }


def merge(contract: Contract, parts: Sequence[pa.Table]) -> pa.Table:
    """The table of all rows from which the parts were folded."""
    source = view_name(contract.reads[0])
    sql = f"with {source} as ({contract.carry}) select * from ({sql_of(contract)}) as answer"
    return shaped(run_sql(sql, {view_name(contract.table): pa.concat_tables(parts)}), contract)


def fold(contract: Contract, current: pa.Table, rows: pa.Table) -> pa.Table:
    """The contract's `sql` over new rows and the current ones (by `carry`), in any order of arrival."""
    source = view_name(contract.reads[0])
    columns = ", ".join(f'"{name}"' for name in rows.column_names)
    sql = (
        f"with {source} as (select {columns} from new_rows union all by name ({contract.carry})) "
        f"select * from ({sql_of(contract)}) as answer"
    )
    return shaped(run_sql(sql, {view_name(contract.table): current, "new_rows": rows}), contract)


def newest_finished_batch(source: str) -> BatchTag | None:
    """The newest finished batch among the newest commits of a table of the stream; None without one."""
    under_way = batch_under_way()  # runs again
    batches = [BatchTag(tag["stream"], tag["batch"]) for tag in tags_of(source) if "stream" in tag]
    return next((batch for batch in batches if not under_way or batch.batch_id != under_way.batch_id), None)


def fold_again() -> list[str]:
    """Fold tables without the newest finished batch of silver again from all of it; returns their names.

    Also those that have gained a column since.
    """
    again = []
    for contract in folded():
        source = contract.reads[0]
        newest = newest_finished_batch(source)
        own = [(tag.get("stream"), tag.get("batch")) for tag in tags_of(contract.table)]
        if newest and ((newest.stream_id, newest.batch_id) not in own or has_new_columns(contract.table)):
            opened = open_table(source)
            wanted = wanted_columns(source) | {"_warnings"}
            columns = [field.name for field in opened.schema().fields if field.name in wanted]
            rows = opened.to_pyarrow_dataset().to_table(columns=columns)
            updated = fold(contract, arrow_schema(contract).empty_table(), rows)
            replace_rows(contract.table, updated, newest.text())
            again.append(contract.table)
    return again


class FoldedGold:
    """The folded tables in memory: read once, then kept in step with what is written."""

    def __init__(self) -> None:
        self._contracts = folded()
        self._current = {contract.table: read_rows(contract.table) for contract in self._contracts}

    def update(self, partials: Iterable[Mapping[str, pa.Table]], tag: BatchTag) -> None:
        """Merge what `fold_rows` returned for several parts into the tables, and write those."""
        self.write(self.merged(partials), tag)

    def merged(self, partials: Iterable[Mapping[str, pa.Table]]) -> dict[str, pa.Table]:
        """The tables to which the parts add, with them."""
        parts: dict[str, list[pa.Table]] = {}
        for partial in partials:
            for table, rows in partial.items():
                parts.setdefault(table, [self._current[table]]).append(rows)
        return {
            contract.table: merge(contract, parts[contract.table])
            for contract in self._contracts
            if contract.table in parts
        }

    def write(self, updated: Mapping[str, pa.Table], tag: BatchTag) -> None:
        """Write what `merged` returned, once silver holds the rows that it was folded from."""
        for table, rows in updated.items():
            replace_rows(table, rows, tag.text())
            self._current[table] = rows
