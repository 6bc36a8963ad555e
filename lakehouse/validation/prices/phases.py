"""Which prices of a panel may be judged at once: late prices are seen from the next phase on."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lakehouse.validation import Flags
from lakehouse.validation.prices.closings import UNSEEN, ClosingPanel, Objects, Replaced
from lakehouse.validation.windows import Floats, Ints

# Accepted prices of a panel after which a phase ends.
PHASE_ROWS = 512
# Market days that are judged at once, on the assumption that every price passes.
MOST_DAYS = 32


class PriceRows(NamedTuple):
    """Prices of one panel: epoch days, columns, rupiah, event times (µs) and event ids."""

    days: Ints
    columns: Ints
    prices: Floats
    times: Ints
    ids: Objects

    def take(self, rows: npt.NDArray[np.int64] | Flags | slice) -> "PriceRows":
        return PriceRows(
            self.days[rows], self.columns[rows], self.prices[rows], self.times[rows], self.ids[rows]
        )


def joined(parts: list[PriceRows]) -> PriceRows:
    return PriceRows(*(np.concatenate(values) for values in zip(*parts, strict=True)))


class Arrived:
    """Days, columns and `landing` (which may be accepted) of the prices of a panel, in order of arrival."""

    def __init__(self, days: Ints, columns: Ints, landing: Flags) -> None:
        self.days = days
        self.columns = columns
        self.landing = landing
        steps = np.diff(days)
        self._new_days = np.append(np.flatnonzero(steps) + 1, len(days))
        self._descents = np.append(np.flatnonzero(steps < 0) + 1, len(days))

    @cached_property
    def lists(self) -> tuple[list[int], list[int], list[bool]]:
        return self.days.tolist(), self.columns.tolist(), self.landing.tolist()

    def end_of_day(self, start: int, days: int = 1) -> int:
        """Up to which row prices belong to the first day, or the first days, from the row `start` on."""
        nth = int(np.searchsorted(self._new_days, start, side="right")) + days - 1
        return int(self._new_days[min(nth, len(self._new_days) - 1)])

    def ascending(self, start: int, days: int) -> int:
        """Up to which row days do not descend, at most so many days, from the row `start` on."""
        descent = self._descents[np.searchsorted(self._descents, start, side="right")]
        return min(int(descent), self.end_of_day(start, days))

    def one_series(self, start: int, before: int, days: int) -> int:
        """Up to which row prices are of one series and of ascending days before a day, at most so many."""
        ends = self._ends_of_series
        end = int(ends[np.searchsorted(ends, start, side="right")])
        end = min(end, start + days)
        return start + int(np.searchsorted(self.days[start:end], before))

    @cached_property
    def _ends_of_series(self) -> npt.NDArray[np.int64]:
        is_next = (np.diff(self.columns) == 0) & (np.diff(self.days) > 0)
        return np.append(np.flatnonzero(~is_next) + 1, len(self.days))


@dataclass(frozen=True)
class Shown:
    """What `Phase.show` changed."""

    replaced: Replaced
    late: list[PriceRows]
    oldest: dict[int, int]


class Phase:
    """The open phase of a panel: accepted late prices that no verdict reads yet.

    A price is late when its market day is older than the newest accepted day of its panel; any other price is
    read by all that come after it. Late prices are read from the next phase on. A phase ends

    - with the first accepted price of a new newest day,
    - with the first accepted price of a series that has an older late price in the phase,
    - with every PHASE_ROWS-th accepted price of the panel,

    and the price that ends a phase in one of the first two ways reads its late prices already. So prices of a
    phase do not depend on each other and are judged at once, and the phase is a function of the sequence of
    accepted prices, however the stream is cut into batches.
    """

    def __init__(self, panel: ClosingPanel) -> None:
        self.panel = panel
        # Accepted prices of the panel, and the newest of their days.
        self.accepted, self.newest = 0, UNSEEN
        self.days_at_once = MOST_DAYS
        self._late: list[PriceRows] = []
        # Column -> day of its oldest late price.
        self._oldest: dict[int, int] = {}
        # The last loaded prices in order of arrival, and their places in it; any of them may be late.
        self._recent: tuple[PriceRows, Ints] | None = None

    def load(self, rows: PriceRows, arrival: Ints) -> None:
        """Remember accepted prices that arrived after all that the phase has settled or accepted.

        `arrival`: [rows, 3], the order of arrival; calls may come in any order.
        """
        self.accepted += len(rows.days)
        if self._recent is not None:
            rows, arrival = joined([self._recent[0], rows]), np.concatenate([self._recent[1], arrival])
        order = np.lexsort(arrival.T[::-1])
        self._add(rows.take(order[:-PHASE_ROWS]))
        last = order[-PHASE_ROWS:]
        self._recent = rows.take(last), arrival[last]

    def settle(self) -> None:
        """Find the open phase among the loaded prices."""
        if self._recent is None:
            return
        loaded, self._recent = self._recent[0], None
        rows = joined([*self._late, loaded])
        open_rows = self.accepted % PHASE_ROWS
        # The phase that was open goes on if none ended with one of the loaded prices.
        first = len(rows.days) - open_rows if len(loaded.days) >= open_rows else 0
        self._late, self._oldest = [], {}
        self._add(rows.take(slice(0, first)))
        late: list[int] = []
        for nth, (day, column) in enumerate(zip(rows.days.tolist(), rows.columns.tolist(), strict=True)):
            if nth < first:
                continue
            if self.sees_late(day, column):
                late.clear()
                self._oldest.clear()
            if day < self.newest:
                late.append(nth)
                self._oldest[column] = min(day, self._oldest.get(column, day))
            self.newest = max(self.newest, day)
        is_late = np.isin(np.arange(len(rows.days)), late)
        self._add(rows.take(~is_late))
        self._late = [rows.take(is_late)] if late else []

    def resume(self, closings: PriceRows, late: PriceRows, accepted: int) -> None:
        """Take up where another phase stopped, before the first call of any other method.

        `closings`: those of its panel; `late`, `accepted`: its late prices and its count.
        """
        self._add(closings)
        self.accepted = accepted
        if len(late.days):
            self._hold(late)

    @property
    def late(self) -> list[PriceRows]:
        """The late prices of the phase, in order of arrival."""
        return self._late

    @property
    def has_late(self) -> bool:
        return bool(self._late)

    def sees_late(self, day: int, column: int) -> bool:
        """Whether a price reads the late prices of the phase; it ends the phase if it is accepted."""
        return bool(self._oldest) and (day > self.newest or self._oldest.get(column, day) < day)

    def show(self) -> Shown:
        """Let verdicts read the late prices; `hide` takes it back."""
        shown = Shown(self.panel.add(*joined(self._late)), self._late, self._oldest)
        self._late, self._oldest = [], {}
        return shown

    def hide(self, shown: Shown) -> None:
        """The late prices are not read after all."""
        self.panel.restore(shown.replaced)
        self._late, self._oldest = shown.late, shown.oldest

    def stop(self, rows: "Arrived", start: int, since: int | None = None) -> int:
        """Up to which row prices read the same closings, if all that may land are accepted.

        `start`: a row that is not of a new newest day, and sees the late prices if it may. `since`: prices
        from this row on are not accepted yet; those before `start` are of ascending days, and begin a phase.
        """
        newest = self.newest
        oldest = dict(self._oldest)
        accepted = self.accepted
        if since is not None:
            newest, oldest = int(rows.days[start - 1]), {}
            accepted += int(rows.landing[since:start].sum())
        first = start
        if not oldest and rows.days[start] == newest:
            first = rows.end_of_day(start)
            accepted += int(rows.landing[start:first].sum())
        days, columns, landing = rows.lists
        for nth in range(first, len(days)):
            day, column = days[nth], columns[nth]
            if day > newest or (nth > start and oldest.get(column, day) < day):
                return nth
            if landing[nth]:
                accepted += 1
                if day < newest:
                    oldest[column] = min(day, oldest.get(column, day))
                if oldest and accepted % PHASE_ROWS == 0:
                    return nth + 1
        return len(days)

    def expect(self, all_passed: bool) -> None:
        """Judge more days at once after days without a refused price, else fewer."""
        days = 2 * self.days_at_once if all_passed else max(self.days_at_once // 2, 1)
        self.days_at_once = min(days, MOST_DAYS)

    def ended(self, days: Ints, accepted: Flags) -> int | None:
        """How many of the first rows belong to the phase, if it ends with one of them."""
        if not self._oldest and (days == self.newest).all():
            return None
        counts = self.accepted + np.cumsum(accepted)
        has_late = np.logical_or.accumulate(accepted & (days < self.newest)) | bool(self._oldest)
        last = np.flatnonzero(accepted & has_late & (counts % PHASE_ROWS == 0))
        return int(last[0]) + 1 if len(last) else None

    def accept(self, rows: PriceRows) -> None:
        """Accepted prices of the phase, none of them newer than its newest day."""
        is_late = rows.days < self.newest
        self._add(rows.take(~is_late))
        if is_late.any():
            self._hold(rows.take(is_late))
        self.accepted += len(rows.days)

    def _hold(self, late: PriceRows) -> None:
        self._late.append(late)
        for day, column in zip(late.days.tolist(), late.columns.tolist(), strict=True):
            self._oldest[column] = min(day, self._oldest.get(column, day))

    def advance(self, rows: PriceRows, added: int) -> None:
        """Accepted prices whose days do not descend, the first of a new newest day.

        `added`: so many of the first rows are in the panel.
        """
        self.newest = max(self.newest, int(rows.days[:added].max(initial=UNSEEN)))
        self._add(rows.take(slice(added, None)))
        self.accepted += len(rows.days)

    def follow(self, rows: PriceRows) -> None:
        """Accepted late prices of one series whose days ascend, when no other price of the phase is late."""
        if len(rows.days):
            self._add(rows.take(slice(None, -1)))
            self.accepted += len(rows.days) - 1
            self.accept(rows.take(slice(-1, None)))
            if self.accepted % PHASE_ROWS == 0:
                self.show()

    def _add(self, rows: PriceRows) -> None:
        if len(rows.days):
            self.panel.add(*rows)
            self.newest = max(self.newest, int(rows.days.max()))
