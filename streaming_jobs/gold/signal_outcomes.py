"""gold.verifications, gold.trades -> gold.signal_outcomes: what became of each signal in the house account.

The table's mark is the time of a check up to which every signal has its row. After a crash the job goes on
from there.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from conf.runtime.failpoints import failpoint
from lakehouse.io.delta import EPOCH, cached_table, high_water_mark
from lakehouse.trading.bars import INTERVALS
from lakehouse.trading.outcomes import HouseOrder, fate_of_order, outcome_row
from streaming_jobs.gold.checked_signals import OUTCOMES, VERIFICATIONS, Row, next_checked, undecided_since
from streaming_jobs.gold.driver import MOST_KEYS, TICK, Change, GoldJob, among, literal, versions_of
from streaming_jobs.gold.house import HOUSE

TRADES = "gold.trades"
LONGEST_BAR = max(INTERVALS.values())


class SignalOutcomes(GoldJob):
    """The only writer of its table. What the house has not decided yet waits in memory."""

    name = "signal_outcomes"
    tables = (OUTCOMES,)
    sources = (VERIFICATIONS, TRADES)

    def __init__(self) -> None:
        super().__init__()
        self._read_upto: datetime | None = None
        self._mark = EPOCH
        self._undecided: dict[str, Row] = {}
        self._orders: dict[str, HouseOrder] = {}  # signal_id -> as the table shows it
        self._orders_version: dict[str, tuple[str, int]] = {}

    def changes(self) -> Iterator[Change]:
        """A row for each signal that was decided since, and again where its order was filled or ended."""
        stored = high_water_mark(cached_table(OUTCOMES))
        if self._read_upto is None or stored < self._mark:  # a new process, or the table was emptied
            self._read_upto = undecided_since()
            self._mark = stored
            self._undecided.clear()
            self._orders = {}
            self._orders_version = {}
        version = versions_of({TRADES: cached_table(TRADES)})
        orders = self._orders if version == self._orders_version else house_orders()
        changed = {name: order for name, order in orders.items() if self._orders.get(name) != order}
        checked, upto, is_all = next_checked(self._read_upto)
        waiting = self._undecided | {row["signal_id"]: row for row in without_row(checked)}
        rows = {name: outcome_row(row, orders.get(name)) for name, row in waiting.items()}
        undecided = {name: waiting[name] for name, row in rows.items() if row is None}
        decided = [row for row in rows.values() if row is not None]
        if decided:
            oldest = min((row["timestamp"] - TICK for row in undecided.values()), default=upto)
            failpoint("signal_outcomes.before_append")
            yield Change(OUTCOMES, decided, is_added=True, upto=max(stored, oldest))
            self._mark = max(stored, oldest)
        failpoint("signal_outcomes.after_append")
        self._read_upto = upto
        self._undecided = undecided
        self.is_behind = not is_all
        yield from of_orders(changed)
        self._orders = orders
        self._orders_version = version
        failpoint("signal_outcomes.after_orders")


def without_row(signals: Sequence[Row]) -> list[Row]:
    """Those of these signals that the table lacks: what was written before a crash is read once more."""
    times = [row["bar_time"] for row in signals]
    names = [row["signal_id"] for row in signals]
    known = {row["signal_id"] for row in stored_rows(names, min(times), max(times))} if signals else set()
    return [row for row in signals if row["signal_id"] not in known]


def house_orders() -> dict[str, HouseOrder]:
    """signal_id -> order of the house."""
    columns = ["signal_id", "status", "violations", "decided_at"]
    rows = cached_table(TRADES).to_pyarrow_dataset().to_table(columns, filter=pc.field("account") == HOUSE)
    return {row.pop("signal_id"): HouseOrder(**row) for row in rows.to_pylist()}


def of_orders(orders: dict[str, HouseOrder]) -> Iterator[Change]:
    """The stored rows that these orders change."""
    if not orders:
        return
    closes = [order.decided_at for order in orders.values()]  # the house decides at the close of the bar
    stored = stored_rows(list(orders), min(closes) - LONGEST_BAR, max(closes))
    new = [row | fate_of_order(orders[row["signal_id"]]) for row in stored]
    rows = sorted((row for row in new if row not in stored), key=lambda row: row["bar_time"])
    for start in range(0, len(rows), MOST_KEYS):
        part = rows[start : start + MOST_KEYS]
        first, last = (literal(row["bar_time"]) for row in (part[0], part[-1]))
        named = among("signal_id", [row["signal_id"] for row in part])
        yield Change(OUTCOMES, part, f"bar_time >= {first} and bar_time <= {last} and {named}")


def stored_rows(ids: Sequence[str], first: datetime, last: datetime) -> list[Row]:
    """The rows of these signals of bars from one to another."""
    condition = (pc.field("bar_time") >= first) & (pc.field("bar_time") <= last)
    condition &= pc.field("signal_id").isin(pa.array(ids, pa.string()))
    rows: list[Row] = cached_table(OUTCOMES).to_pyarrow_dataset().to_table(filter=condition).to_pylist()
    return rows


JOB = SignalOutcomes
