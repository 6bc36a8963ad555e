"""Validators that judge row by row: each row is compared with the rows that landed before it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter, itemgetter
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import ordered
from lakehouse.contracts.contract import kinds
from lakehouse.contracts.history_rules import compile_checks, history_rules
from lakehouse.contracts.rule_functions import column_violation, row_violation
from lakehouse.contracts.rule_messages import render_message
from lakehouse.times import utc_text
from lakehouse.validation import Flags, Judgement, ValidatorState

# The order in which the stream judges; within a series that of Kafka.
ARRIVAL = ("ingested_at", "partition", "offset")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Pieces of silver that wait to be remembered, before they are put together and thinned out.
FEW_PIECES = 64
# Times in here are microseconds since 1970, as Arrow keeps them.
SECOND = 1_000_000
DAY = 86_400 * SECOND
Row = TypeVar("Row", bound=tuple[Any, ...])
Evidence = TypeVar("Evidence", bound=NamedTuple)


def utc(microseconds: int | None) -> str | None:
    """2024-01-01T00:00:00Z, None for none."""
    return None if microseconds is None else utc_text(EPOCH + timedelta(microseconds=microseconds))


def column_values(column: pa.ChunkedArray) -> list[Any]:
    """Values of a column; times as whole microseconds."""
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.timestamp("us", column.type.tz)).cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def newest(table: pa.Table, by: tuple[str, ...]) -> pa.Table:
    """The newest row of each series; of equal times the last that arrived.

    `by`: the columns of the series, then the one of the time.
    """
    rows = ordered(table, *by, *ARRIVAL)
    numbered = rows.append_column("nth", pa.array(np.arange(rows.num_rows)))
    return rows.take(numbered.group_by(list(by[:-1])).aggregate([("nth", "max")])["nth_max"])


def table_of(rows: Iterable[tuple[Any, ...]], names: Sequence[str]) -> pa.Table:
    """Tuples as a table, their fields as its columns."""
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table({name: pa.array(values) for name, values in zip(names, columns, strict=True)})


def tuples_of(table: pa.Table) -> Iterable[tuple[Any, ...]]:
    """The rows of a table as tuples."""
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


class Remembering(ABC):
    """A validator whose state follows from the rows of silver in their order of arrival.

    What violates a rule, and which rules keep a row out of silver, is read from the kind's contract.
    """

    kind: ClassVar[str]
    # Columns that make a row.
    reads: ClassVar[tuple[str, ...]]
    # Names of the evidence, which the checks of the kind's rules may use.
    evidence: ClassVar[tuple[str, ...]]
    # The state depends on rows that arrived within so many days; None: on all.
    looks_back_days: ClassVar[int | None] = None
    # (…series, time) when only the newest row of a series is remembered.
    newest_by: ClassVar[tuple[str, ...]] = ()

    def __init__(self, knobs: Mapping[str, object]) -> None:
        self.columns = (*self.reads, *ARRIVAL)
        self.rules = {rule.name: rule for rule in history_rules(self.kind, knobs)}
        self._errors = frozenset(name for name, rule in self.rules.items() if rule.severity == "error")
        # Waits for the next call of `judge` or `state`, when all of it has come.
        self._loaded: list[pa.Table] = []

    @abstractmethod
    def remember_all(self, accepted: pa.Table) -> None:
        """Make rows of silver, in order of arrival, part of the state."""

    @abstractmethod
    def memory(self) -> ValidatorState:
        """The state once all loaded rows are part of it."""

    @abstractmethod
    def restore(self, state: ValidatorState) -> None:
        """See `Validator.restore`."""

    @abstractmethod
    def judge(self, rows: pa.Table, passed: Flags, released: Flags) -> Judgement:
        """See `Validator.judge`."""

    def state(self) -> ValidatorState:
        """See `Validator.state`."""
        self._remember_loaded()
        return self.memory()

    def load(self, accepted: pa.Table) -> None:
        """See `Validator.load`."""
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

    def _remember_loaded(self) -> None:
        if self._loaded:
            loaded = ordered(pa.concat_tables(self._loaded), *ARRIVAL)
            self._loaded = []
            self.remember_all(loaded)


class InOrder(Remembering, Generic[Row, Evidence]):
    """A validator that judges rows one by one, so that cutting the stream into calls cannot change a verdict.

    A row is compared with accepted rows that came before it in Kafka's order of its series, and becomes part
    of the state only if it lands. `load` walks the same way through the rows of silver, in their order of
    arrival, and so ends in the same state. The rows of one series must therefore share a Kafka partition;
    between partitions no order is promised.

    A subclass computes the evidence; `reads` are the fields of its rows, in their order.
    """

    def __init__(self, knobs: Mapping[str, object]) -> None:
        """Raises ContractError when a rule's check reads evidence that there is not."""
        super().__init__(knobs)
        table = kinds()[self.kind].table
        self._violated = compile_checks(table, self.rules.values(), column_violation, self.evidence)
        # Only errors must be known before the next row; columns are checked five times as fast.
        errors = " and ".join(f"({self.rules[name].check})" for name in sorted(self._errors)) or "true"
        self._violates_error = row_violation(errors, self.evidence)

    @abstractmethod
    def compare(self, row: Row) -> Evidence:
        """What the row is judged by: itself and what came before. Unreadable values are None."""

    @abstractmethod
    def remember(self, row: Row) -> None:
        """Make a row that landed part of the state."""

    def rows(self, table: pa.Table) -> Iterable[Row]:
        """The table's rows, each a tuple of `reads`."""
        columns = (column_values(table[name]) for name in self.reads)
        return zip(*columns, strict=True)  # type: ignore[return-value]  # plain tuples with the fields of Row

    def remember_all(self, accepted: pa.Table) -> None:
        for row in self.rows(accepted):
            self.remember(row)

    def judge(self, rows: pa.Table, passed: Flags, released: Flags) -> Judgement:
        """Judge rows in order of arrival; those that land are what later rows are compared with."""
        self._remember_loaded()
        evidence = list(self._walk(self.rows(rows), passed.tolist(), released.tolist()))
        columns = _Columns(evidence)
        violated = {rule: check(columns, len(evidence)) for rule, check in self._violated.items()}
        return Judgement(
            violated={rule: flags for rule, flags in violated.items() if flags.any()},
            message=lambda rule, row: render_message(self.rules[rule].message, evidence[row]._asdict()),
            evidence=lambda row: evidence[row]._asdict(),
        )

    def _walk(self, rows: Iterable[Row], passed: list[bool], released: list[bool]) -> Iterator[Evidence]:
        for number, row in enumerate(rows):
            evidence = self.compare(row)
            if passed[number] and (released[number] or not self._violates_error(evidence)):
                self.remember(row)
            yield evidence


class _Columns(dict[str, npt.NDArray[Any]]):
    """Evidence by name, each column made when a check reads it."""

    def __init__(self, evidence: Sequence[NamedTuple]) -> None:
        super().__init__()
        self._evidence = evidence

    def __missing__(self, name: str) -> npt.NDArray[Any]:
        values = pa.array(list(map(attrgetter(name), self._evidence)))
        if pa.types.is_null(values.type):
            values = values.cast(pa.float64())
        self[name] = values.to_numpy(zero_copy_only=False)
        return self[name]


class NewestInOrder(InOrder[Row, Evidence]):
    """A validator that remembers the newest row of each series: `newest_by`, then the values `keeps`."""

    keeps: ClassVar[tuple[str, ...]]

    def __init__(self, knobs: Mapping[str, object]) -> None:
        super().__init__(knobs)
        # Series -> time and values of its newest row.
        self._newest: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self._kept = itemgetter(*map(self.reads.index, (*self.newest_by, *self.keeps)))

    def remember(self, row: Row) -> None:
        kept: tuple[Any, ...] = self._kept(row)
        size = len(self.newest_by) - 1
        series, values = kept[:size], kept[size:]
        if None in kept:
            return
        previous = self._newest.get(series)
        # A released older row changes nothing for later ones.
        if previous is None or values[0] >= previous[0]:
            self._newest[series] = values

    def memory(self) -> ValidatorState:
        rows = (series + values for series, values in self._newest.items())
        return {"newest": table_of(rows, (*self.newest_by, *self.keeps))}

    def restore(self, state: ValidatorState) -> None:
        size = len(self.newest_by) - 1
        self._newest = {row[:size]: row[size:] for row in tuples_of(state["newest"])}
