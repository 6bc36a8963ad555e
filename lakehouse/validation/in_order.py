"""Judging row after row: each is compared with what landed before it, then takes its place there if it lands itself."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contract import kinds
from lakehouse.validation import Flags, Judgement

ARRIVAL = ("ingested_at", "partition", "offset")  # the order in which the stream judges; within a series that of Kafka
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FEW_PIECES = 64  # of silver that wait to be taken up, before they are put together and thinned out
SECOND = 1_000_000  # times in here are microseconds since 1970, as Arrow keeps them
DAY = 86_400 * SECOND
Row = TypeVar("Row", bound=tuple[Any, ...])
Seen = TypeVar("Seen", bound=NamedTuple)


def utc(microseconds: int | None) -> str | None:
    """2024-01-01T00:00:00Z, None for none."""
    return None if microseconds is None else (EPOCH + timedelta(microseconds=microseconds)).isoformat().replace("+00:00", "Z")


def listed(column: pa.ChunkedArray) -> list[Any]:
    """Values of a column; times as whole microseconds."""
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.timestamp("us", column.type.tz)).cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def newest(table: pa.Table, by: tuple[str, ...]) -> pa.Table:
    """Of each series (all of `by` but the last, which is a time) the newest row; of equal times the last that arrived."""
    ordered = table.sort_by([(name, "ascending") for name in (*by, *ARRIVAL)])
    numbered = ordered.append_column("nth", pa.array(np.arange(ordered.num_rows)))
    return ordered.take(numbered.group_by(list(by[:-1])).aggregate([("nth", "max")])["nth_max"])


def sentence(template: str, seen: Mapping[str, Any]) -> str:
    """A rule's message with every {name} replaced by the evidence of that name."""

    def shown(match: re.Match[str]) -> str:
        value = seen[match.group(1)]
        return f"{value:.6g}" if isinstance(value, float) else str(value)

    return re.sub(r"\{(\w+)\}", shown, template)


class InOrder(ABC, Generic[Row, Seen]):
    """A validator that walks through the rows one by one, so that cutting the stream into calls cannot change a verdict.

    A row is compared with accepted rows that came before it in Kafka's order of its series, and takes part in the state only if
    it lands: `load` walks the same way through the rows of silver, in their order of arrival, and so ends in the same state.
    The rows of one series must therefore share a Kafka partition; between partitions no order is promised.
    """

    kind: ClassVar[str]
    reads: ClassVar[tuple[str, ...]]  # columns that make a row, in the order of its fields
    rules: ClassVar[Mapping[str, Callable[[Any], bool]]]  # rule -> is it violated, by the evidence
    errors: ClassVar[frozenset[str]] = frozenset()  # those that keep a row out of silver
    looks_back_days: ClassVar[int | None] = None  # the state depends on rows that arrived within so many days; None: on all
    newest_by: ClassVar[tuple[str, ...]] = ()  # (…series, time) when only the newest row of a series is remembered

    def __init__(self, knobs: Mapping[str, object]) -> None:
        self.columns = (*self.reads, *ARRIVAL)
        self._loaded: list[pa.Table] = []  # waits for the first call of `judge`, when the last of it has come

    @abstractmethod
    def compare(self, row: Row) -> Seen:
        """What the row is judged by: itself and what came before it. Unreadable values are None and compare with nothing."""

    @abstractmethod
    def take_up(self, row: Row) -> None:
        """The row landed."""

    def rows(self, table: pa.Table) -> Iterable[Row]:
        """The table's rows, each a tuple of `reads`; those of an event stay one row."""
        columns = (listed(table[name]) for name in self.reads)
        return zip(*columns, strict=True)  # type: ignore[return-value]  # plain tuples with the fields of Row

    def load(self, accepted: pa.Table) -> None:
        """Take up rows of the silver table, in any order, before the first call of `judge`."""
        self._loaded.append(self.remembered(accepted.select(self.columns)))
        if len(self._loaded) > FEW_PIECES:
            self._loaded = [self.remembered(pa.concat_tables(self._loaded))]

    def remembered(self, accepted: pa.Table) -> pa.Table:
        """The rows on which the state depends."""
        if self.newest_by:
            return newest(accepted.drop_null(), self.newest_by)
        if self.looks_back_days is None or not accepted.num_rows:
            return accepted
        since = pc.max(accepted["ingested_at"]).as_py() - timedelta(days=self.looks_back_days)
        return accepted.filter(pc.field("ingested_at") >= since)

    def _take_up_loaded(self) -> None:
        if self._loaded:
            loaded = pa.concat_tables(self._loaded).sort_by([(name, "ascending") for name in ARRIVAL])
            self._loaded = []
            for row in self.rows(loaded):
                self.take_up(row)

    def judge(self, rows: pa.Table, passed: Flags, released: Flags) -> Judgement:
        """Judge rows in order of arrival; those that land are what later rows are compared with."""
        self._take_up_loaded()
        violated = {rule: np.zeros(rows.num_rows, dtype=np.bool_) for rule in self.rules}
        seen = list(self._walk(self.rows(rows), passed.tolist(), released.tolist(), violated))
        return Judgement(
            violated={rule: flags for rule, flags in violated.items() if flags.any()},
            message=lambda rule, row: sentence(self.messages[rule], seen[row]._asdict()),
            evidence=lambda row: seen[row]._asdict(),
        )

    def _walk(
        self, rows: Iterable[Row], passed: list[bool], released: list[bool], violated: Mapping[str, Flags]
    ) -> Iterator[Seen]:
        for nth, row in enumerate(rows):
            seen = self.compare(row)
            lands = passed[nth]
            for rule, breaks in self.rules.items():
                if breaks(seen):
                    violated[rule][nth] = True
                    if rule in self.errors and not released[nth]:
                        lands = False
            if lands:
                self.take_up(row)
            yield seen

    @cached_property
    def messages(self) -> Mapping[str, str]:
        """Rule -> its sentence, as the contract has it."""
        return {rule.name: rule.message for rule in kinds()[self.kind].rules}
