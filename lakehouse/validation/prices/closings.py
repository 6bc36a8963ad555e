"""Closings of all series of one commodity and channel, and what is derived from them day by day."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.validation.windows import Floats, Ints, median_of

UNSEEN = int(np.iinfo(np.int64).min)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A closing counts for the national level this long.
FRESH_DAYS = 7
# Provider, market_id, region_code.
Series = tuple[str, str, str]
Objects = npt.NDArray[np.object_]
DERIVED = ("last_log", "last_day", "change_day", "residual", "own_move", "gap")


@dataclass(frozen=True)
class Replaced:
    """What `ClosingPanel.add` replaced: series-days with their earlier closings (UNSEEN: none)."""

    days: Ints
    columns: Ints
    times: Ints
    ids: Objects
    prices: Floats


class ClosingPanel:
    """Rows are market days that have a closing, columns are series; both have spare room, which is NaN.

    A closing is the accepted price of a series-day with the largest (event_time, event_id), so the panel is a
    function of the set of accepted rows. The derived arrays are a function of the closings and are computed
    again from the first day that changed.
    """

    def __init__(self, lateness_days: int, min_peers: int) -> None:
        self.lateness_days, self.min_peers = lateness_days, min_peers
        self.series: dict[Series, int] = {}
        self.level: list[str] = []
        # Rows in use.
        self.size = 0
        # Day -> its statistics, until something that they read changes.
        self.memo: dict[int, Any] = {}
        # Numbers of the columns of each level.
        self.columns_of: dict[str, list[int]] = {}
        self._derived_rows = 0
        self._day = np.zeros(64, dtype=np.int64)
        self._ids = np.full((64, 8), "", dtype=object)
        self._time = np.full((64, 8), UNSEEN, dtype=np.int64)
        names = ("price", "log", *DERIVED)
        self._grid: dict[str, Floats] = {name: np.full((64, 8), np.nan) for name in names}
        self._national: dict[str, Floats] = {name: np.full(64, np.nan) for name in ("move", "level")}

    def column(self, series: Series, level: str) -> int:
        """The column of a series, added when it is new."""
        if series not in self.series:
            if len(self.series) == self.width:
                self._grow(0, max(8, self.width // 4))
            self.series[series] = len(self.series)
            self.level.append(level)
            self.columns_of.setdefault(level, []).append(self.series[series])
            self.memo = {}
        return self.series[series]

    def add(self, days: Ints, columns: Ints, prices: Floats, times: Ints, ids: Objects) -> Replaced:
        """Add accepted prices, given in any order; `restore` takes them out again."""
        if not len(days):
            return Replaced(days, columns, times, ids, prices)
        rows = self._rows(days)
        nth = latest(rows * self.width + columns, times, ids)
        row = rows[nth]
        column = columns[nth]
        time = times[nth]
        held = self._time[row, column]
        newer = time > held
        for tied in np.flatnonzero(time == held).tolist():
            newer[tied] = ids[nth[tied]] > self._ids[row[tied], column[tied]]
        nth = nth[newer]
        row = rows[nth]
        column = columns[nth]
        price = self._grid["price"]
        before = Replaced(days[nth], column, held[newer], self._ids[row, column], price[row, column])
        is_changed = before.prices != prices[nth]
        self._time[row, column], self._ids[row, column] = times[nth], ids[nth]
        price[row, column] = prices[nth]
        self._grid["log"][row, column] = np.log(prices[nth])
        self._changed(row[is_changed])
        return before

    def restore(self, before: Replaced) -> None:
        """Put back what an `add` replaced; of several, the last first."""
        if not len(before.days):
            return
        row = np.searchsorted(self._day[: self.size], before.days)
        self._time[row, before.columns], self._ids[row, before.columns] = before.times, before.ids
        self._grid["price"][row, before.columns] = before.prices
        self._grid["log"][row, before.columns] = np.log(before.prices)
        self._changed(row)
        touched = np.unique(row)
        empty = touched[(self._time[touched] == UNSEEN).all(axis=1)]
        if len(empty):
            first = int(empty[0])
            kept = np.setdiff1d(np.arange(first, self.size), empty)
            self._reorder(first, kept)

    def _changed(self, rows: Ints) -> None:
        """Forget what was derived from the closings of these rows."""
        if not len(rows):
            return
        first = int(rows.min())
        self._derived_rows = min(self._derived_rows, first)
        last_unchanged = self._day[first] + self.lateness_days
        self.memo = {day: known for day, known in self.memo.items() if day <= last_unchanged}

    def closings(self) -> tuple[Ints, Ints, Floats, Ints, Objects]:
        """All closings as `add` takes them."""
        rows, columns = np.nonzero(self._time[: self.size] != UNSEEN)
        prices = self._grid["price"][rows, columns]
        return self._day[rows], columns, prices, self._time[rows, columns], self._ids[rows, columns]

    def closed(self, day: int) -> int:
        """How many rows a verdict on that day may read: days before it, less the allowed lateness."""
        return int(np.searchsorted(self._day[: self.size], day - self.lateness_days))

    def days(self, start: int, stop: int) -> Ints:
        return self._day[start:stop]

    def grid(self, name: str, start: int, stop: int) -> Floats:
        """Rows of `price`, `log` or a derived array; columns beyond the series are NaN."""
        self._derive(stop)
        return self._grid[name][start:stop]

    def national(self, name: str, stop: int) -> Floats:
        """National `move` or `level` (log) at the close of the first `stop` days; NaN with too few series."""
        self._derive(stop)
        return self._national[name][:stop]

    @property
    def newest_day(self) -> int:
        """The newest market day with a closing; the panel must have one."""
        return int(self._day[self.size - 1])

    def last_time(self, provider: str, place: Series, day: int) -> datetime | None:
        """Event time of the newest closing of a provider that a verdict on `day` may read.

        The closing is one at the region and level of the series `place`.
        """
        level = self.level[self.series[place]]
        columns = [
            c
            for (name, _, region), c in self.series.items()
            if (name, region, self.level[c]) == (provider, place[2], level)
        ]
        times = self._time[: self.closed(day), columns]
        newest = int(times.max(initial=UNSEEN))
        return EPOCH + timedelta(microseconds=newest) if newest > UNSEEN else None

    @property
    def width(self) -> int:
        return self._ids.shape[1]

    def _rows(self, days: Ints) -> Ints:
        """The row of each day; a day that has none gets one."""
        rows = np.searchsorted(self._day[: self.size], days)
        is_missing = self._day[np.minimum(rows, len(self._day) - 1)] != days
        is_missing |= rows >= self.size
        if not is_missing.any():
            return rows
        missing = np.unique(days[is_missing])
        if self.size + len(missing) > len(self._day):
            self._grow(max(self.size, len(missing)), 0)
        first = int(np.searchsorted(self._day[: self.size], missing[0]))
        stop = self.size + len(missing)
        self._day[self.size : stop] = missing
        self._reorder(first, first + np.argsort(self._day[first:stop], kind="stable"))
        return np.searchsorted(self._day[: self.size], days)

    def _reorder(self, first: int, rows: Ints) -> None:
        """Let `rows` follow the rows before `first`; what comes after them is empty."""
        used, self.size = max(self.size, first + len(rows)), first + len(rows)
        if (np.diff(rows, prepend=first - 1) != 1).any():
            for array in self._arrays():
                array[first : self.size] = array[rows]
        if used > self.size:
            self._ids[self.size : used], self._time[self.size : used] = "", UNSEEN
            for grid in self._grid.values():
                grid[self.size : used] = np.nan
        self._derived_rows = min(self._derived_rows, first)

    def _arrays(self) -> list[npt.NDArray[Any]]:
        return [self._day, self._ids, self._time, *self._grid.values(), *self._national.values()]

    def _grow(self, rows: int, columns: int) -> None:
        more = ((0, rows), (0, columns))
        self._ids = np.pad(self._ids, more, constant_values="")
        self._time = np.pad(self._time, more, constant_values=UNSEEN)
        self._grid = {name: np.pad(grid, more, constant_values=np.nan) for name, grid in self._grid.items()}
        self._day = np.pad(self._day, (0, rows))
        self._national = {
            name: np.pad(line, (0, rows), constant_values=np.nan) for name, line in self._national.items()
        }

    def _derive(self, stop: int) -> None:
        """Compute the derived arrays at the close of the days up to the row `stop`."""
        start = self._derived_rows
        if start >= stop:
            return
        grid, part = self._grid, slice(start, stop)
        day = self._day[part, None].astype(np.float64)
        log = grid["log"][part]
        is_known = np.isfinite(log)
        grid["last_log"][part] = self._carried("last_log", start, is_known, log)
        grid["last_day"][part] = self._carried("last_day", start, is_known, day)
        is_changed = is_known & (log != self._before("last_log", start, stop))
        grid["change_day"][part] = self._carried("change_day", start, is_changed, day)
        # What a verdict on that day could have read.
        known = np.searchsorted(self._day[: self.size], self._day[part] - self.lateness_days) - 1
        nothing = known[:, None] < 0
        moved = log - np.where(nothing, np.nan, grid["last_log"][known])
        age = day - np.where(nothing, np.nan, grid["last_day"][known])
        pace = np.sqrt(age)
        move = self._national["move"]
        move[part] = median_of(np.where(age <= FRESH_DAYS, moved, np.nan), self.min_peers)
        expected = np.where(known < 0, np.nan, move[known])
        grid["own_move"][part] = moved / pace
        grid["residual"][part] = (moved - np.where(np.isfinite(expected), expected, 0.0)[:, None]) / pace
        fresh = np.where(day - grid["last_day"][part] < FRESH_DAYS, grid["last_log"][part], np.nan)
        self._national["level"][part] = median_of(fresh, self.min_peers)
        grid["gap"][part] = log - self._national["level"][part, None]
        self._derived_rows = stop

    def _before(self, name: str, start: int, stop: int) -> Floats:
        """A derived array one row earlier; NaN before the first row."""
        if start:
            return self._grid[name][start - 1 : stop - 1]
        return np.concatenate([np.full((1, self.width), np.nan), self._grid[name][: stop - 1]])

    def _carried(self, name: str, start: int, is_new: npt.NDArray[np.bool_], values: Floats) -> Floats:
        """`values` where they are new, else those of the row before."""
        numbers = np.where(is_new, np.arange(1, len(is_new) + 1)[:, None], 0)
        source = np.maximum.accumulate(numbers, axis=0)
        wide = np.broadcast_to(values, is_new.shape)
        rows = np.concatenate([self._before(name, start, start + 1), wide])
        return rows[source, np.arange(self.width)]


def latest(cells: Ints, times: Ints, ids: Objects) -> npt.NDArray[np.int64]:
    """For each cell the number of the row with the largest (time, id)."""
    if len(cells) == 1:
        return np.zeros(1, dtype=np.int64)
    order = np.lexsort((times, cells))
    cells, times = cells[order], times[order]
    is_new_cell = np.diff(cells) != 0
    ends = np.flatnonzero(np.append(is_new_cell, True))[: len(order)]
    # Of several rows of one cell and time the largest id.
    starts = np.flatnonzero(np.append(True, is_new_cell | (np.diff(times) != 0)))
    starts = starts[np.searchsorted(starts, ends, side="right") - 1]
    best = order[ends]
    for nth in np.flatnonzero(starts < ends).tolist():
        best[nth] = max(order[starts[nth] : ends[nth] + 1].tolist(), key=lambda row: ids[row])
    return best
