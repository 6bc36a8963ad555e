"""Rows that differ between a lake and the one in which its silver was written again, and their exchange.

A part of a table is one value of its partition column, or the whole table without one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

import pyarrow as pa

from conf.settings import settings
from lakehouse.contracts.contract import contracts, kinds
from lakehouse.io.delta import EPOCH, BatchTag, open_table, replace_rows
from lakehouse.io.query import run_sql
from lakehouse.paths import REBUILD
from streaming_jobs.batch.decisions import DECISION
from streaming_jobs.gold.driver import BALANCE, QUARANTINE, among, literal

COUNTS = "gold.data_quality"  # has no time of its batches
VERDICTS = "silver.price_verdicts"
# Columns that do not count: by which rules a verdict was reached that is the same by other rules.
UNCOMPARED = ("rule_set", "thresholds")


@dataclass(frozen=True)
class Scope:
    """Which events are judged again: those of some kinds that arrived in batches of some time.

    `since`: the first time; `upto`: the last one.
    """

    kinds: tuple[str, ...]
    since: datetime = EPOCH
    upto: datetime = EPOCH

    @classmethod
    def of(cls, kind: str | None = None, since: datetime = EPOCH) -> "Scope":
        """Of a kind, or of all; up to no event. Decisions are part of it: they are about events of a kind."""
        return cls(tuple(kinds()) if kind is None else tuple(sorted({kind, DECISION})), since)

    @property
    def is_everything(self) -> bool:
        """Whether no event is left out."""
        return self.since == EPOCH and len(self.kinds) == len(kinds())

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables with rows of these events, the balance last."""
        silver = [kinds()[kind].table for kind in self.kinds]
        verdicts = [VERDICTS] if "price" in self.kinds else []
        return (*silver, *verdicts, QUARANTINE, COUNTS, "gold.reviews", BALANCE)

    def condition(self, table: str) -> str:
        """SQL: which rows of a table are of these events. A view `batches` has those of `since` to `upto`."""
        columns = contracts()[table].column_names
        conditions = [among("kind", self.kinds)] if "kind" in columns else []
        if table == COUNTS:
            conditions.append("(stream_id, batch_id) in (select (stream_id, batch_id) from batches)")
        else:
            time = "quarantined_at" if table == QUARANTINE else "ingested_at"
            conditions.append(f"{time} between {literal(self.since)} and {literal(self.upto)}")
        return " and ".join(conditions)


@dataclass(frozen=True)
class ChangedPart:
    """A part of a table in which rows are exchanged. `gone`, `new`: how many."""

    table: str
    part: str | date | None
    gone: int
    new: int


def differences(scope: Scope) -> list[ChangedPart]:
    """Where the rows of these events are other ones in the lake written again."""
    batches = _batches(scope)
    return [difference for table in scope.tables for difference in _differences(table, scope, batches)]


def joined(differences: Iterable[ChangedPart]) -> list[ChangedPart]:
    """One for each part."""
    parts: dict[tuple[str, str | date | None], ChangedPart] = {}
    for other in differences:
        before = parts.get((other.table, other.part))
        gone, new = (before.gone, before.new) if before else (0, 0)
        parts[other.table, other.part] = replace(other, gone=other.gone + gone, new=other.new + new)
    return list(parts.values())


def exchange(difference: ChangedPart, scope: Scope, batch: BatchTag | None, rebuilt: int, tag: str) -> None:
    """Replace the rows of these events in one part by those written again, in one commit.

    `batch`: see `replace_rows`; `rebuilt`: see `rebuilt_at`; `tag`: JSON for the commit.
    """
    table = difference.table
    column = _partition_column(table)
    of_part = f"{column} = {literal(difference.part)}" if column and difference.part is not None else None
    own = f"({scope.condition(table)})"
    columns = ", ".join(f'"{name}"' for name in contracts()[table].column_names)
    sql = f"""select {columns} from lake where {of_part or "true"} and {own} is not true
              union all
              select {columns} from again where {of_part or "true"} and {own} is true"""
    rows = run_sql(sql, {**_views(table), "batches": _batches(scope)})
    replace_rows(table, rows, tag, of_part, batch=batch, rebuilt=rebuilt)


def _differences(table: str, scope: Scope, batches: pa.Table) -> list[ChangedPart]:
    compared = ", ".join(f'"{name}"' for name in contracts()[table].column_names if name not in UNCOMPARED)
    part = _partition_column(table) or "null"
    rows = " union all ".join(
        f"select {part} as part, hash({compared}) as hash, {times} as times "
        f"from {view} where {scope.condition(table)}"
        for view, times in (("lake", -1), ("again", 1))
    )
    sql = f"""with other as (select part, hash, sum(times) as times from ({rows})
                             group by part, hash having sum(times) <> 0)
              select part, sum(greatest(-times, 0))::bigint as gone, sum(greatest(times, 0))::bigint as new
              from other group by part order by part"""
    counts = run_sql(sql, {**_views(table), "batches": batches}, threads=2).to_pylist()
    return [ChangedPart(table, row["part"], row["gone"], row["new"]) for row in counts]


def _views(table: str) -> dict[str, object]:
    """The table in the lake, and written again."""
    again = open_table(table, root=settings().lake_root + REBUILD)
    return {"lake": open_table(table).to_pyarrow_dataset(), "again": again.to_pyarrow_dataset()}


def _batches(scope: Scope) -> pa.Table:
    """Stream and number of the batches of that time, as either lake has them."""
    columns = "stream_id, batch_id, ingested_at"
    rows = " union all ".join(f"select {columns} from {view}" for view in _views(BALANCE))
    sql = f"""select distinct stream_id, batch_id from ({rows})
              where ingested_at between {literal(scope.since)} and {literal(scope.upto)}"""
    return run_sql(sql, _views(BALANCE))


def _partition_column(table: str) -> str | None:
    return next(iter(contracts()[table].partition_by), None)
