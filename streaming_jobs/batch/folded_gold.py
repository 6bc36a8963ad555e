"""Accepted rows of a batch -> gold tables that are small: folded in memory and written whole."""

from collections.abc import Collection, Iterable, Mapping

import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import Contract
from lakehouse.io.checkpoint import batch_under_way
from lakehouse.io.delta import (
    LOOK_BACK_COMMITS,
    BatchTag,
    open_table,
    read_rows,
    replace_rows,
    shaped,
    tag_of_commit,
    tags_of,
)
from lakehouse.io.delta_files import replace_all
from lakehouse.io.query import run_sql, sql_of
from lakehouse.paths import view_name
from streaming_jobs.flows import folded

FEW_ROWS = 2000


def wanted_columns(silver: str) -> set[str]:
    """Columns of a silver table that its folded gold tables read."""
    return {name for contract in folded() if contract.reads[0] == silver for name in contract.column_names}


def rows_to_fold(silver: str, rows: pa.Table) -> dict[str, pa.Table]:
    """Gold table -> rows that change it as these accepted rows do, in columns of silver; empty without rows.

    Of many rows it is those that are left when they are folded on their own: a task returns no more.
    """
    if not rows.num_rows:
        return {}
    needed = wanted_columns(silver) | {"_warnings"}
    rows = rows.select([name for name in rows.column_names if name in needed])
    return {
        contract.table: rows if rows.num_rows <= FEW_ROWS else _folded_alone(contract, rows)
        for contract in folded()
        if contract.reads[0] == silver
    }


def _folded_alone(contract: Contract, rows: pa.Table) -> pa.Table:
    alone = fold(contract, arrow_schema(contract).empty_table(), rows)
    return run_sql(contract.carry or "", {view_name(contract.table): alone})


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


def fold_again(changed: Collection[str] = ()) -> list[str]:
    """Fold tables without the newest finished batch of silver again from all of it; returns their names.

    Also those that have gained a column since, and those of `changed` silver tables: earlier rows are others.
    """
    again = []
    for contract in folded():
        source = contract.reads[0]
        newest = newest_finished_batch(source)
        own = [(tag.get("stream"), tag.get("batch")) for tag in tags_of(contract.table)]
        is_behind = newest and (newest.stream_id, newest.batch_id) not in own
        if newest and (is_behind or source in changed or has_new_columns(contract.table)):
            opened = open_table(source)
            wanted = wanted_columns(source) | {"_warnings"}
            columns = [field.name for field in opened.schema().fields if field.name in wanted]
            rows = opened.to_pyarrow_dataset().to_table(columns=columns)
            updated = fold(contract, arrow_schema(contract).empty_table(), rows)
            replace_rows(contract.table, updated, newest.text())
            again.append(contract.table)
    return again


def has_new_columns(table: str) -> bool:
    """Whether columns were added after the newest commit with a batch tag: its rows are null there."""
    for commit in open_table(table).history(LOOK_BACK_COMMITS):
        if commit["operation"] == "ADD COLUMN":
            return True
        if tag_of_commit(commit):
            return False
    return False


class FoldedGold:
    """The folded tables in memory: read once, then kept in step with what is written."""

    def __init__(self) -> None:
        self._contracts = folded()
        self._current = {contract.table: read_rows(contract.table) for contract in self._contracts}

    def update(self, parts: Iterable[Mapping[str, pa.Table]], tag: BatchTag) -> None:
        """Fold in what `rows_to_fold` returned for several parts, once silver holds their rows."""
        new: dict[str, list[pa.Table]] = {}
        for part in parts:
            for table, rows in part.items():
                new.setdefault(table, []).append(rows)
        for contract in self._contracts:
            if contract.table in new:
                rows = pa.concat_tables(new[contract.table], promote_options="permissive")
                updated = fold(contract, self._current[contract.table], rows)
                replace_all(contract.table, updated, tag)
                self._current[contract.table] = updated
