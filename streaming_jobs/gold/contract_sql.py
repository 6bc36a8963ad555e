"""Gold that the SQL of its contract computes, as the contract's `refresh` says.

append     what new rows give
keys       all rows of the values of `replace_by` that new rows touch
fold       new rows and the stored ones: of the touched values of `replace_by`, or all
overwrite  the whole table

What SQL cannot compute, such as the words of a text, a job prepares as a view for it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import Contract, contracts
from lakehouse.io.delta import EPOCH, inputs_fingerprint, last_made_from, open_table, read_rows, shaped
from lakehouse.io.query import reference_tables, run_contract_sql, run_sql, sql_of
from lakehouse.paths import view_name
from streaming_jobs.gold.driver import (
    MOST_KEYS,
    BatchJob,
    Change,
    GoldJob,
    News,
    Views,
    among,
    by_keys,
    literal,
    of_keys,
    versions_of,
)


class SqlJob(BatchJob):
    """A contract's `sql` over what is new in the tables that it reads, as its `refresh` says."""

    def __init__(self, table: str) -> None:
        self.contract = contracts()[table]
        self.name = table.partition(".")[2]
        self.tables = (table,)
        for table_read in self.contract.reads:
            if contracts()[table_read].refreshed != "batch":  # it must not lag behind
                self.source = table_read
                self.sources = (table_read,)
        by_kind = [contracts()[name].kind for name in self.contract.reads]
        self.kinds = () if None in by_kind else tuple(kind for kind in by_kind if kind)
        self._rebuilt: int | None = None  # until all rows were computed again
        super().__init__()

    def begin_again(self, rebuilt: int) -> None:
        """One commit replaces all rows, so that readers see the old ones until then."""
        self._rebuilt = rebuilt

    def _mark(self) -> datetime:
        return super()._mark() if self._rebuilt is None else EPOCH

    def compute(self, news: News) -> Iterator[Change]:
        """The rows that the contract's `refresh` computes again."""
        for change in self._changes(news):
            if self._rebuilt is not None:  # one change has all rows then
                change = replace(change, predicate=None, is_added=False, rebuilt=self._rebuilt)
                self._rebuilt = None
            yield change

    def _changes(self, news: News) -> Iterable[Change]:
        match self.contract.refresh:
            case "append":
                return [Change(self.contract.table, self.rows(news, self._new(news)), is_added=True)]
            case "keys":
                keys = self._changed(news)
                return by_keys(news, self.contract, keys, lambda part: self._of_keys(news, part))
            case "fold":
                return [self._folded(news)]
        return [Change(self.contract.table, self.rows(news, {}))]

    def rows(self, news: News, views: Views) -> pa.Table:
        """The contract's `sql` over these views, the whole tables that it reads besides, and the lists."""
        sql = sql_of(self.contract)
        others = {
            view_name(table): news.dataset(table)
            for table in self.contract.reads
            if view_name(table) in sql and view_name(table) not in views
        }
        return run_contract_sql(self.contract, {**given_views(sql, news.upto), **others, **views})

    def _new(self, news: News) -> Views:
        """The new rows of the tables that the `sql` names, and what is prepared from new rows."""
        return new_rows(news, self.contract, sql_of(self.contract)) | self.prepared(news.of)

    def _changed(self, news: News) -> list[Any]:
        """The values of `replace_by` that the new rows touch, as `changed` gives them.

        It may look them up in the table's own rows.
        """
        first = view_name(self.contract.reads[0])
        sql = self.contract.changed or f"select distinct {self.contract.replace_by} from {first}"
        views = new_rows(news, self.contract, sql)
        if view_name(self.contract.table) in sql:
            views[view_name(self.contract.table)] = news.dataset(self.contract.table)
        touched = run_sql(sql, views)
        keys: list[Any] = touched.column(0).drop_null().unique().to_pylist()
        return sorted(keys)

    def _of_keys(self, news: News, keys: list[Any]) -> pa.Table:
        """All rows of these keys, which are the view `changed`; a table without the column is read whole."""
        column = self.contract.replace_by or ""
        of_type = arrow_schema(self.contract).field(column).type  # also when every event was refused
        views: Views = {"changed": pa.table({column: pa.array(keys, of_type)})}
        for table in self.contract.reads:
            if column in contracts()[table].column_names and not news.is_everything:
                touched = of_keys(contracts()[table], column, keys)
                views[view_name(table)] = news.dataset(table).filter(touched)
        prepared = self.prepared(lambda table: views.get(view_name(table), news.dataset(table)))
        return self.rows(news, views | prepared)

    def _folded(self, news: News) -> Change:
        """New rows and the stored ones, of the touched keys alone where the contract names a key.

        `sql` takes the table's own rows as what was counted before, so it also adds up counts and counts.
        """
        contract = self.contract
        own = view_name(contract.table)
        empty = arrow_schema(contract).empty_table()
        new = self._new(news)
        if not contract.replace_by:
            before = empty if news.is_everything else read_rows(contract.table)
            return Change(contract.table, self.rows(news, {**new, own: before}))
        counted = self.rows(news, {**new, own: empty})
        if news.is_everything or not counted.num_rows:
            return Change(contract.table, counted, is_added=not news.is_everything)
        keys = sorted(counted[contract.replace_by].unique().to_pylist())
        touched = of_keys(contract, contract.replace_by, keys)
        predicate: str | None = among(contract.replace_by, keys) + self._too_old(news)
        if len(keys) > MOST_KEYS:
            touched, predicate = None, None
        before = shaped(news.dataset(contract.table).to_table(filter=touched), contract)
        both = pa.concat_tables([before, counted])
        nothing = {name: view.schema.empty_table() for name, view in new.items()}
        return Change(contract.table, self.rows(news, {**nothing, own: both}), predicate)

    def _too_old(self, news: News) -> str:
        if self.contract.kept_days is None:
            return ""
        first = news.upto - timedelta(days=self.contract.kept_days)
        return f" or {self.contract.time_column} < {literal(first)}"


class OverwriteJob(GoldJob):
    """A contract's `sql` over other gold: computed again when one of its tables, a list or a knob changes."""

    def __init__(self, table: str) -> None:
        self.contract = contracts()[table]
        self.name = table.partition(".")[2]
        self.tables = (table,)
        self.sources = self.contract.reads
        self._rebuilt: int | None = None
        super().__init__()

    def begin_again(self, rebuilt: int) -> None:
        """All rows are computed again, as always."""
        self._rebuilt = rebuilt

    def changes(self) -> Iterator[Change]:
        """The whole table, unless it was made from the same inputs."""
        sources = {table: open_table(table) for table in self.sources}
        made_from = self.fingerprint(sources)
        if self._rebuilt is not None or last_made_from(self.contract.table) != made_from:
            views = {view_name(table): opened.to_pyarrow_dataset() for table, opened in sources.items()}
            rows = run_contract_sql(self.contract, views | reference_tables(sql_of(self.contract)))
            yield Change(self.contract.table, rows, made_from=made_from, rebuilt=self._rebuilt)
            self._rebuilt = None

    def fingerprint(self, sources: dict[str, DeltaTable]) -> int:
        """Of the tables' versions, the SQL and the lists that it names."""
        sql = sql_of(self.contract)
        listed = {name: rows.to_pylist() for name, rows in reference_tables(sql).items()}
        return inputs_fingerprint(repr((versions_of(sources), sql, listed)))


def new_rows(news: News, contract: Contract, sql: str) -> Views:
    """View name -> the rows that the batches wrote, of the tables that the SQL names."""
    return {
        view_name(table): news.of(table)
        for table in contract.reads
        if contracts()[table].refreshed == "batch" and view_name(table) in sql
    }


def given_views(sql: str, upto: datetime) -> Views:
    """What the SQL names and no table holds: the reference lists, and the time of the newest batch."""
    clock = pa.table({"newest_batch": pa.array([upto], pa.timestamp("us", "UTC"))})
    return {"clock": clock, **reference_tables(sql)}


def sql_job(table: str) -> GoldJob:
    """The job of a contract with `sql`: it follows batches when it reads what they write, else versions."""
    contract = contracts()[table]
    is_of_gold = contract.refresh == "overwrite" and contracts()[contract.reads[0]].kind is None
    return OverwriteJob(table) if is_of_gold else SqlJob(table)
