"""silver.bars -> gold.bars_live, gold.signals, gold.verifications: each closed bar once, in order of time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from conf.runtime.failpoints import failpoint
from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import (
    EPOCH,
    cached_table,
    high_water_mark,
    read_rows,
    shaped,
)
from lakehouse.io.moods import Moods
from lakehouse.io.query import run_sql
from lakehouse.trading.bars import INTERVALS
from lakehouse.trading.indicators import WARM_UP
from lakehouse.trading.moods import Counts, with_moods
from lakehouse.trading.oracle import verify
from lakehouse.trading.series_bars import SIMULATED, StoredSeries, SymbolInterval, series_of, time_of
from lakehouse.trading.signal_rows import Row, live_row, signal_rows, verification_row
from lakehouse.trading.signals import signal_at
from streaming_jobs.gold.driver import Change, GoldJob, News, newest_finished
from streaming_jobs.gold.stored_bars import TABLE as BARS
from streaming_jobs.gold.stored_bars import rows_of, stored_series

SIGNALS = "gold.signals"
VERIFICATIONS = "gold.verifications"
LIVE = "gold.bars_live"
KEPT_BARS = 1500  # of a series in memory: a day of minutes, for the change over 24 hours
NEW_BARS = 3  # a series with no more of them is up to date: its signals come first, all at once
PAST_BARS_A_REFRESH = 500  # of histories, in several turns: signals of so many take half a second
DONE_SQL = """
  select symbol, interval, max(bar_time) as bar_time, arg_max(obv, bar_time) as obv
  from signals group by symbol, interval
"""
NEWEST_SQL = """
  select symbol, interval, max(bar_time) as bar_time from bars
  where final and ingested_at <= $upto group by symbol, interval
"""
UNVERIFIED_SQL = "select signal_id from signals anti join verifications using (signal_id) order by bar_time"


@dataclass
class SeriesState:
    """The newest bars of a series. `done`: how many of them have their signal; `obv`: after these."""

    stored: StoredSeries
    done: int
    obv: float | None

    @property
    def next_signal(self) -> int:
        """Index of the next bar that has a signal: those of the warm-up have none."""
        return max(self.done, WARM_UP - 1)

    @property
    def left(self) -> int:
        """Signals that are not computed yet."""
        return max(0, len(self.stored.bars) - self.next_signal)


class Signals(GoldJob):
    """The only writer of its tables. Killed anywhere, it goes on from the signals that are stored."""

    name = "signals"
    tables = (SIGNALS, VERIFICATIONS)

    def __init__(self) -> None:
        super().__init__()
        self._mark = EPOCH
        self._read_upto: datetime | None = None
        self._series: dict[SymbolInterval, SeriesState] = {}
        self._moods = Moods()
        self._live: dict[SymbolInterval, Row] = {}

    def changes(self) -> Iterator[Change]:
        """What the bars of new batches give; of histories a part, in several turns."""
        if self._read_upto is None or high_water_mark(cached_table(SIGNALS)) < self._mark:
            yield from self._start()
        assert self._read_upto is not None
        upto = newest_finished(self._read_upto, ("bar",)) or self._read_upto
        if upto > self._read_upto:
            self._take(rows_of(News(self._read_upto, upto)), upto)
            self._read_upto = upto
            yield from self._live_rows()
        failpoint("signals.after_live")
        moods = self._moods.read()
        rows, is_done = self._next_rows(moods)
        self.is_behind = not is_done
        if rows or (is_done and upto > self._mark):
            self._mark = upto if is_done else self._mark
            yield Change(SIGNALS, rows, is_added=True, upto=self._mark)
        failpoint("signals.after_signals")
        yield from verifications(rows, upto, moods)
        failpoint("signals.after_verifications")

    def _start(self) -> Iterator[Change]:
        """Begin where the stored signals end."""
        self._series.clear()
        self._mark = high_water_mark(cached_table(SIGNALS))
        upto = newest_finished(EPOCH, ("bar",)) or EPOCH
        signals = cached_table(SIGNALS).to_pyarrow_dataset()
        done = {key_of(row): row for row in run_sql(DONE_SQL, {"signals": signals}).to_pylist()}
        bars = cached_table(BARS).to_pyarrow_dataset()
        newest = run_sql(NEWEST_SQL, {"bars": bars}, {"upto": upto}).to_pylist()
        self._live = {key_of(row): row for row in read_rows(LIVE).to_pylist()}
        waiting = {
            key_of(row): done[key_of(row)]["bar_time"] if key_of(row) in done else None
            for row in newest
            if key_of(row) not in done or row["bar_time"] > done[key_of(row)]["bar_time"]
        }
        for key, stored in stored_series(waiting, upto).items():
            self._series[key] = begun(stored, done.get(key))
            self._live[key] = live_row(stored)
        self._read_upto = upto
        yield from self._live_rows()
        yield from verifications(unverified(), upto, self._moods.read())

    def _take(self, rows: pa.Table, upto: datetime) -> None:
        """Add new bars to their series; a series that is not in memory is read with its past."""
        new = series_of(rows, settings().indicators.ma)
        unknown = {key: None for key in new if key not in self._series}
        if unknown:
            signals = cached_table(SIGNALS).to_pyarrow_dataset()
            done = {key_of(row): row for row in run_sql(DONE_SQL, {"signals": signals}).to_pylist()}
            wanted = {key: done[key]["bar_time"] if key in done else None for key in unknown}
            for key, stored in stored_series(wanted, upto).items():
                self._series[key] = begun(stored, done.get(key))
        for key, stored in new.items():
            state = self._series[key]
            if key not in unknown:
                before = len(state.stored.bars)
                kept = min(before, max(KEPT_BARS, before - state.done + KEPT_BARS))
                state.stored = state.stored.with_later(stored, kept)
                state.done -= before - kept
            self._live[key] = live_row(state.stored)

    def _next_rows(self, moods: Counts) -> tuple[list[Row], bool]:
        """(signals of the next bars, whether no bar is left). The shortest backlog comes first."""
        rows: list[Row] = []
        budget = PAST_BARS_A_REFRESH
        for state in sorted(self._series.values(), key=lambda state: state.left):
            end = len(state.stored.bars)
            if state.left > NEW_BARS:
                end = min(end, state.next_signal + budget)
                budget -= end - state.next_signal
            if end > state.done:
                stored = with_moods(state.stored, moods)
                more, state.obv = signal_rows(stored, state.done, end, state.obv)
                rows += more
                state.done = end
        return rows, all(state.done == len(state.stored.bars) for state in self._series.values())

    def _live_rows(self) -> Iterator[Change]:
        rows = shaped([self._live[key] for key in sorted(self._live)], contracts()[LIVE])
        if not rows.equals(read_rows(LIVE)):
            yield Change(LIVE, rows)


def begun(stored: StoredSeries, last: Row | None) -> SeriesState:
    """The state of a series after its last stored signal; None: it has none yet."""
    if last is None:
        return SeriesState(stored, 0, None)
    done = sum(1 for time in stored.bars.time.tolist() if time_of(time) <= last["bar_time"])
    return SeriesState(stored, done, last["obv"])


def key_of(row: Row) -> SymbolInterval:
    """Symbol and interval of a row."""
    return row["symbol"], row["interval"]


def unverified() -> list[Row]:
    """Stored signals without a verification: a crash came between the two."""
    tables = {
        "signals": cached_table(SIGNALS).to_pyarrow_dataset(),
        "verifications": cached_table(VERIFICATIONS).to_pyarrow_dataset(),
    }
    rows: list[Row] = run_sql(UNVERIFIED_SQL, tables).to_pylist()
    return rows


def verifications(signals: Sequence[Row], upto: datetime, moods: Counts) -> Iterator[Change]:
    """Of these signals (`signal_id`) as they are stored, from the stored bars and the sentiment."""
    if not signals:
        return
    stored = stored_signals(signals)
    first: dict[SymbolInterval, datetime] = {}
    for row in stored:
        first[key_of(row)] = min(row["bar_time"], first.get(key_of(row), row["bar_time"]))
    series = {key: with_moods(each, moods) for key, each in stored_series(dict(first), upto).items()}
    now = datetime.now(UTC)
    seen: set[str] = set()
    rows = []
    for row in stored:
        rows.append(verified(row, series[key_of(row)], row["signal_id"] in seen, now))
        seen.add(row["signal_id"])
    yield Change(VERIFICATIONS, rows, is_added=True)


def stored_signals(signals: Sequence[Row]) -> list[Row]:
    """The stored rows of these signals."""
    rows = cached_table(SIGNALS).to_pyarrow_dataset()
    times = [row["bar_time"] for row in signals if "bar_time" in row]
    condition = pc.field("signal_id").isin(sorted({row["signal_id"] for row in signals}))
    if len(times) == len(signals):
        condition &= (pc.field("bar_time") >= min(times)) & (pc.field("bar_time") <= max(times))
    listed: list[Row] = rows.to_table(filter=condition).sort_by("bar_time").to_pylist()
    return listed


def verified(row: Row, stored: StoredSeries, is_repeated: bool, now: datetime) -> Row:
    """The verification of one stored signal. `is_repeated`: an earlier row is of the same signal."""
    times = stored.bars.time
    end = int(times.searchsorted((row["bar_time"] - EPOCH).total_seconds() * 1e6, side="right"))
    # A history of fewer bars than the warm-up gives no signal, so none can be verified by it.
    computed = signal_at(stored.bars, end, stored.series) if end >= WARM_UP else None
    checks = verify(row, stored.bars.part(max(0, end - 10), end), computed, is_repeated)
    # Simulated bars of the past may come one by one: then they are followed like those of the day.
    newest = time_of(int(times[-1])) + INTERVALS[stored.series.interval]
    return verification_row(row, checks, now, newest if stored.feed == SIMULATED else now)


JOB = Signals
