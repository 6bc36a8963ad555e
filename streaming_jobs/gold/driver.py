"""One driver for gold that follows other tables: what is new, what was set back, replacing, and the mark.

A job is the SQL of a contract, or a class with `compute`. A table's high-water mark is the time of the newest
finished batch that its rows follow from. It is committed with the rows: a job may be killed at any point. A
failure leaves what was committed, and the next refresh begins at the mark.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

from lakehouse.contracts.contract import Contract, contracts
from lakehouse.io.delta import (
    EPOCH,
    Rows,
    append_rows,
    cached_table,
    empty_table,
    high_water_mark,
    open_table,
    rebuilt_at,
    replace_rows,
)
from lakehouse.io.log_stamps import LogStamps, log_stamp

log = logging.getLogger("lumbung.gold")
Views = dict[str, Any]  # name in SQL -> Arrow table, dataset or reader
BALANCE = "gold.balance"  # written last: a batch that it holds is in every table
QUARANTINE = "silver.quarantine"
MOST_KEYS = 500  # named in one predicate
TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Change:
    """Rows that replace those of a table that match the SQL `predicate`; None: all of them.

    `upto`: the table's new high-water mark. `is_part`: the mark waits for a later change. `made_from`:
    fingerprint of what else the rows were made from. `rebuilt`: see `rebuilt_at`. None leaves what is noted.
    """

    table: str
    rows: Rows
    predicate: str | None = None
    is_added: bool = False
    is_part: bool = False
    upto: datetime | None = None
    made_from: int | None = None
    rebuilt: int | None = None

    def write(self) -> None:
        """Write the rows and the mark in one commit."""
        if self.is_added:
            append_rows(self.table, self.rows, upto=self.upto)
        else:
            replace_rows(
                self.table,
                self.rows,
                predicate=self.predicate,
                upto=self.upto,
                made_from=self.made_from,
                rebuilt=self.rebuilt,
            )


@dataclass(frozen=True)
class News:
    """The finished batches after a time, up to another; after EPOCH: all of them."""

    after: datetime
    upto: datetime
    _opened: dict[str, ds.Dataset] = field(default_factory=dict, compare=False)

    @property
    def is_everything(self) -> bool:
        """Whether the job begins from the beginning."""
        return self.after == EPOCH

    def dataset(self, table: str) -> ds.Dataset:
        """All rows of a table, as at the first call: to open one of many files takes 50 ms."""
        if table not in self._opened:
            self._opened[table] = open_table(table).to_pyarrow_dataset()
        return self._opened[table]

    def of(self, table: str) -> ds.Dataset:
        """The rows of a table that the batches wrote."""
        dataset: ds.Dataset = self.dataset(table).filter(self._wrote(contracts()[table]))
        return dataset

    def _wrote(self, contract: Contract) -> pc.Expression:
        if contract.table == QUARANTINE:
            return within("quarantined_at", self.after, self.upto)
        if "ingested_at" in contract.column_names:
            return within("ingested_at", self.after, self.upto)
        batches = finished_batches(self.after, self.upto).group_by("stream_id")
        spans = batches.aggregate([("batch_id", "min"), ("batch_id", "max")]).to_pylist()
        number = pc.field("batch_id")
        of_streams = [
            (pc.field("stream_id") == span["stream_id"])
            & (number >= span["batch_id_min"])
            & (number <= span["batch_id_max"])
            for span in spans
        ]
        return reduce(or_, of_streams)


def within(column: str, after: datetime, upto: datetime) -> pc.Expression:
    """The rows with a time after one, up to another."""
    return (pc.field(column) > after) & (pc.field(column) <= upto)


def finished_batches(after: datetime, upto: datetime) -> pa.Table:
    """Columns stream_id and batch_id of the batches that are done."""
    balance = open_table(BALANCE).to_pyarrow_dataset()
    return balance.to_table(columns=["stream_id", "batch_id"], filter=within("ingested_at", after, upto))


def newest_finished(after: datetime, of_kinds: Sequence[str] = ()) -> datetime | None:
    """Time of the newest finished batch later than `after`, with events of these kinds if given; else None.

    Files of gold.balance with earlier batches are skipped by their statistics.
    """
    wanted = pc.field("ingested_at") > after
    if of_kinds:
        wanted &= pc.field("kind").isin(of_kinds)
    balance = open_table(BALANCE).to_pyarrow_dataset()
    times = balance.to_table(columns=["ingested_at"], filter=wanted)["ingested_at"]
    newest: datetime | None = pc.max(times).as_py()
    return newest


class RebuildWatch:
    """Notices that a rebuild has exchanged rows which were read before: a job then begins again."""

    def __init__(self) -> None:
        self._stamp: int | None = None
        self._rebuilt = 0
        self._begun: set[str] = set()  # jobs that have begun since

    def begun_again(self, job: "GoldJob", make: "Callable[[str], GoldJob]") -> "GoldJob":
        """The job, or a new one that `make` gives for its name, which computes all rows again.

        A job that reads other gold waits until that is computed again.
        """
        stamp = log_stamp(BALANCE)
        if stamp is None or stamp != self._stamp:
            self._stamp = stamp
            if (rebuilt := rebuilt_at(BALANCE)) != self._rebuilt:
                self._rebuilt = rebuilt
                self._begun.clear()
        if not self._rebuilt or job.name in self._begun:
            return job
        computed = [table for table in job.tables if follows_batches(table)]
        sources = {source for table in computed for source in contracts()[table].reads} - {*computed}
        if any(is_behind_rebuild(source) for source in sources if follows_batches(source)):
            return job
        self._begun.add(job.name)
        if not any(map(is_behind_rebuild, computed)):
            return job
        log.info("%s: silver was rebuilt, it begins again", job.name)
        job = make(job.name)
        job.begin_again(max(rebuilt_at(table) for table in sources_of(computed)))
        return job


def follows_batches(table: str) -> bool:
    """Whether a job of this package computes the table, from what the stream writes."""
    contract = contracts()[table]
    return contract.refreshed in ("seconds", "background") and not contract.kept_by_rebuild


def is_behind_rebuild(table: str) -> bool:
    """Whether rows that the table follows from were exchanged since all of it was computed."""
    return rebuilt_at(table) < max((rebuilt_at(source) for source in sources_of([table])), default=0)


def sources_of(tables: Iterable[str]) -> set[str]:
    """All tables that these follow from, directly or by other tables; those of batches alone."""
    reads = {source for table in tables for source in contracts()[table].reads}
    earlier = sources_of(reads) if reads else set()
    return {table for table in reads | earlier if contracts()[table].refreshed == "batch"}


class GoldJob:
    """Writes what `changes` gives, when a commit or `is_due` gives reason to look."""

    name: str
    tables: tuple[str, ...]  # that the job alone writes and can compute again
    sources: tuple[str, ...] = (BALANCE,)  # tables whose commits give reason to look

    def __init__(self) -> None:
        self._stamps = LogStamps((*self.sources, *self.tables))
        self.is_behind = False  # set by a job that has more to do without a further commit

    def refresh(self) -> None:
        """Bring the tables up to the sources. Without a commit or `is_due` it takes a few system calls."""
        stamps = self._stamps.take()
        if stamps is None and not self.is_due():
            return
        self.is_behind = False
        for change in self.changes():
            change.write()
        if stamps is not None and not self.is_behind:
            self._stamps.keep(stamps)

    def begin_again(self, rebuilt: int) -> None:
        """Compute all rows again. Called before the first `refresh`.

        `rebuilt`: when rows of the sources were exchanged, which the tables note.
        """
        for table in filter(follows_batches, self.tables):
            empty_table(table, rebuilt)

    def is_due(self) -> bool:
        """Whether there is something to do without a commit."""
        return False

    def changes(self) -> Iterable[Change]:
        """What is to be written; each change is written before the next one is taken."""
        raise NotImplementedError


class BatchJob(GoldJob):
    """Follows finished batches from the mark of its tables on."""

    kinds: tuple[str, ...] = ()  # of the events whose batches count; (): of all
    source = BALANCE  # or the gold table whose mark is followed
    has_memory = False  # whether what was read is kept in memory: after a start all batches are read again
    made_from: int | None = None  # fingerprint of what else all rows are made from

    def __init__(self) -> None:
        super().__init__()
        self._read_upto = EPOCH
        self._stored = EPOCH  # mark of the tables when they were written last

    def compute(self, news: News) -> Iterable[Change]:
        """The changes that these batches give."""
        raise NotImplementedError

    def prepared(self, rows_of: Callable[[str], ds.Dataset]) -> Views:
        """Views that the `sql` reads and no table holds, made of rows of tables: what SQL cannot compute."""
        return {}

    def everything(self) -> News | None:
        """All finished batches; None before the first."""
        newest = self._newest(EPOCH)
        return News(EPOCH, newest) if newest else None

    def reset(self) -> None:
        """Forget what is kept in memory: the job begins from the beginning."""

    def changes(self) -> Iterator[Change]:
        """What the batches after the mark give; after the sources were set back, what all of them give."""
        if (news := self.news()) is not None:
            for change in self.compute(news):
                yield change if change.is_part else replace(change, upto=news.upto)
            self._read_upto = news.upto
            self._stored = self._mark()

    def news(self) -> News | None:
        """The batches that the tables lack."""
        stored = self._mark()
        if stored < self._stored:  # the tables were emptied
            self._begin_again()
        mark = self._read_upto if self.has_memory else stored
        newest = self._newest(mark - TICK)  # the batch of the mark itself, while there is no later one
        if newest is None and mark > EPOCH:
            log.warning("%s: its sources were set back before %s: it begins again", self.name, mark)
            for table in self.tables:
                empty_table(table)
            self._begin_again()
            mark = EPOCH
            newest = self._newest(EPOCH)
        return News(mark, newest) if newest and newest > mark else None

    def _mark(self) -> datetime:
        return min(high_water_mark(cached_table(table)) for table in self.tables)

    def _begin_again(self) -> None:
        self._read_upto = EPOCH
        self._stored = EPOCH
        self.reset()

    def _newest(self, after: datetime) -> datetime | None:
        if self.source == BALANCE:
            return newest_finished(after, self.kinds)
        mark = high_water_mark(open_table(self.source))
        return mark if mark > after else None


class VersionJob(GoldJob):
    """Follows the versions of its sources."""

    def __init__(self) -> None:
        super().__init__()
        self._versions: dict[str, tuple[str, int]] = {}

    def compute(self, sources: dict[str, DeltaTable], changed: set[str]) -> Iterable[Change]:
        """The changes that the sources give; `changed`: those with another version than before."""
        raise NotImplementedError

    def changes(self) -> Iterator[Change]:
        """What the newest versions give."""
        sources = {table: cached_table(table) for table in self.sources}
        versions = versions_of(sources)
        changed = {table for table in sources if versions[table] != self._versions.get(table)}
        if changed or self.is_due():
            yield from self.compute(sources, changed)
        if not self.is_behind:
            self._versions = versions


def versions_of(tables: dict[str, DeltaTable]) -> dict[str, tuple[str, int]]:
    """Id and version of each table: a table that was created again has another id."""
    return {name: (str(opened.metadata().id), opened.version()) for name, opened in tables.items()}


def by_keys(
    news: News, contract: Contract, keys: Sequence[Any], rows_of: Callable[[list[Any]], Rows]
) -> Iterator[Change]:
    """Changes that replace the rows with these values of `replace_by`, some hundred a commit.

    The mark moves with the last one: after a crash all of them are computed again.
    """
    column = contract.replace_by or ""
    if news.is_everything:
        yield Change(contract.table, rows_of(list(keys)))
        return
    for start in range(0, len(keys), MOST_KEYS):
        part = list(keys[start : start + MOST_KEYS])
        is_last = start + MOST_KEYS >= len(keys)
        yield Change(contract.table, rows_of(part), among(column, part), is_part=not is_last)
    if not keys:
        yield Change(contract.table, [], is_added=True)


def of_keys(contract: Contract, column: str, keys: Sequence[Any]) -> pc.Expression:
    """The rows with one of the values; a market day lies in one partition."""
    condition = pc.field(column).isin(keys)
    if column == "market_date" and "market_month" in contract.column_names:
        condition &= pc.field("market_month").isin(sorted({f"{day:%Y-%m}" for day in keys}))
    return condition


def among(column: str, values: Sequence[Any]) -> str:
    """The SQL predicate for rows with one of the values; never true without any."""
    return f"{column} in ({', '.join(map(literal, values))})" if values else "false"


def literal(value: str | date | datetime) -> str:
    """A text, a day or a time as SQL."""
    if isinstance(value, datetime):
        return f"'{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}'"
    return "'" + str(value).replace("'", "''") + "'"
