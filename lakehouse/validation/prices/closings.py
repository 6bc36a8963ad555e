"""Closings of all series of one commodity and channel, and what is derived from them day by day."""

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
        # Day judged last -> its statistics, until something that they read changes.
        self.memo: dict[int, Any] = {}
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
            self.memo.clear()
        return self.series[series]

    def add(self, day: int, columns: Ints, prices: Floats, times: Ints, ids: Objects) -> None:
        """Add accepted prices of one market day, given in any order."""
        row = self._row(day)
        nth = latest(columns, times, ids)
        column, time = columns[nth], times[nth]
        held = self._time[row, column]
        newer = time > held
        for tied in np.flatnonzero(time == held).tolist():
            newer[tied] = ids[nth[tied]] > self._ids[row, column[tied]]
        nth, column = nth[newer], column[newer]
        changed = self._grid["price"][row, column] != prices[nth]
        self._time[row, column], self._ids[row, column] = times[nth], ids[nth]
        self._grid["price"][row, column] = prices[nth]
        self._grid["log"][row, column] = np.log(prices[nth])
        if changed.any():
            self._derived_rows = min(self._derived_rows, row)
            self.memo = {
                judged: statistics
                for judged, statistics in self.memo.items()
                if day >= judged - self.lateness_days
            }

    def closed(self, day: int) -> int:
        """How many rows a verdict on that day may read: days before it, less the allowed lateness."""
        return int(np.searchsorted(self._day[: self.size], day - self.lateness_days))

    def since(self, day: int, rows: int) -> int:
        """The first row of a window that begins with that day."""
        return int(np.searchsorted(self._day[:rows], day))

    def days(self, start: int, stop: int) -> Ints:
        return self._day[start:stop]

    def grid(self, name: str, start: int, stop: int) -> Floats:
        """Rows of `price`, `log` or a derived array; columns beyond the series are NaN."""
        self._derive(stop)
        return self._grid[name][start:stop]

    def national(self, name: str, row: int) -> float:
        """National `move` or `level` (log) at the close of a row's day; NaN without enough series."""
        self._derive(row + 1)
        return float(self._national[name][row])

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

    def _row(self, day: int) -> int:
        row = int(np.searchsorted(self._day[: self.size], day))
        if row < self.size and self._day[row] == day:
            return row
        if self.size == len(self._day):
            self._grow(self.size, 0)
        for array in (self._day, self._ids, self._time, *self._grid.values(), *self._national.values()):
            array[row + 1 : self.size + 1] = array[row : self.size].copy()
        self._day[row] = day
        self._ids[row], self._time[row] = "", UNSEEN
        for grid in self._grid.values():
            grid[row] = np.nan
        self.size += 1
        self._derived_rows = min(self._derived_rows, row)
        return row

    def _grow(self, rows: int, columns: int) -> None:
        more = ((0, rows), (0, columns))
        self._ids = np.pad(self._ids, more, constant_values="")
        self._time = np.pad(self._time, more, constant_values=UNSEEN)
        self._grid = {name: np.pad(grid, more, constant_values=np.nan) for name, grid in self._grid.items()}
        self._day = np.pad(self._day, (0, rows))
        self._national = {
            name: np.pad(line, (0, rows), constant_values=np.nan) for name, line in self._national.items()
        }

    def _derive(self, rows: int) -> None:
        for row in range(self._derived_rows, rows):
            self._derive_row(row)
        self._derived_rows = max(self._derived_rows, rows)

    def _derive_row(self, row: int) -> None:
        """Compute the derived arrays at the close of a day."""
        grid, day = self._grid, int(self._day[row])
        log = grid["log"][row]
        known_now = np.isfinite(log)
        nothing = np.full(self.width, np.nan)
        before = {
            name: grid[name][row - 1] if row else nothing for name in ("last_log", "last_day", "change_day")
        }
        grid["last_log"][row] = np.where(known_now, log, before["last_log"])
        grid["last_day"][row] = np.where(known_now, day, before["last_day"])
        grid["change_day"][row] = np.where(known_now & (log != before["last_log"]), day, before["change_day"])
        # What a verdict on that day could have read.
        known = self.closed(day) - 1
        last, last_day = (
            (grid["last_log"][known], grid["last_day"][known]) if known >= 0 else (nothing, nothing)
        )
        moved, age = log - last, day - last_day
        pace = np.sqrt(age)
        expected = self._national["move"][known] if known >= 0 else np.nan
        grid["own_move"][row] = moved / pace
        grid["residual"][row] = (moved - (expected if np.isfinite(expected) else 0.0)) / pace
        self._national["move"][row] = median_of(np.where(age <= FRESH_DAYS, moved, np.nan), self.min_peers)
        fresh = np.where(day - grid["last_day"][row] < FRESH_DAYS, grid["last_log"][row], np.nan)
        self._national["level"][row] = median_of(fresh, self.min_peers)
        grid["gap"][row] = log - self._national["level"][row]


def latest(columns: Ints, times: Ints, ids: Objects) -> npt.NDArray[np.int64]:
    """For each column the number of the row with the largest (time, id)."""
    if not len(columns):
        return np.empty(0, dtype=np.int64)
    order = np.lexsort((times, columns))
    ends = np.flatnonzero(np.append(np.diff(columns[order]) != 0, True))
    best = order[ends]
    newest = np.full(int(columns.max()) + 1, UNSEEN)
    newest[columns[best]] = times[best]
    tied = np.flatnonzero(times == newest[columns])
    if len(tied) == len(best):
        return best
    winner: dict[int, int] = {}
    for nth in tied.tolist():
        column = int(columns[nth])
        if column not in winner or ids[nth] > ids[winner[column]]:
            winner[column] = nth
    return np.fromiter(winner.values(), dtype=np.int64)
