"""Verdicts on the prices of one panel in order of arrival, many at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lakehouse.reference import Commodity
from lakehouse.validation import Flags
from lakehouse.validation.prices.closings import ClosingPanel, Objects, Replaced
from lakehouse.validation.prices.evidence import PriceEvidence, price_evidence
from lakehouse.validation.prices.rules import PriceRules
from lakehouse.validation.prices.scores import score
from lakehouse.validation.prices.siblings import sibling_levels
from lakehouse.validation.prices.source_votes import Votes
from lakehouse.validation.prices.statistics import NUMBERS, statistics_of_days
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.windows import Floats, Ints

# Market days that are judged at once.
MOST_DAYS = 32


class PriceRows(NamedTuple):
    """Prices of one panel: epoch days, columns, rupiah, event times (µs) and event ids."""

    days: Ints
    columns: Ints
    prices: Floats
    times: Ints
    ids: Objects

    def take(self, rows: Ints | Flags | slice) -> "PriceRows":
        return PriceRows(
            self.days[rows], self.columns[rows], self.prices[rows], self.times[rows], self.ids[rows]
        )


@dataclass(frozen=True)
class Part:
    """What prices are compared with: from the row `start` on, their days ascend, and then do not ascend.

    `days`, `statistics` [days, NUMBERS, width], `votes`: by day. `of_row` [NUMBERS, rows]: of each price.
    """

    start: int
    days: Ints
    statistics: Floats
    votes: list[Votes]
    of_row: Floats


@dataclass(frozen=True)
class Step:
    """Verdicts on the prices `rows`: columns of silver.price_verdicts and flags of rules.

    `evidence`: of refused prices and of those that were released, by row number.
    """

    rows: slice
    columns: dict[str, npt.NDArray[Any]]
    evidence: dict[int, PriceEvidence]


@dataclass
class PanelWalk:
    """Judges prices of one panel in order of arrival, and remembers those that are accepted.

    A price is compared with the accepted prices of earlier market days that arrived before it. To judge many
    at once, all prices are assumed to pass; those that were compared with a refused price are judged again.

    `siblings`: panels of siblings by commodity. `landing`: may be accepted. `released`: is accepted whatever
    rules it violates.
    """

    panel: ClosingPanel
    siblings: Mapping[str, ClosingPanel]
    commodity: Commodity
    thresholds: Thresholds
    rules: PriceRules
    prices: PriceRows
    landing: Flags
    released: Flags

    def __post_init__(self) -> None:
        steps = np.diff(self.prices.days)
        self._new_days = _starts(steps != 0)
        self._ascents = _starts(steps > 0)
        self._descents = _starts(steps < 0)
        self._days_at_once = MOST_DAYS

    def steps(self) -> Iterator[Step]:
        """Verdicts on all prices."""
        start = 0
        while start < len(self.landing):
            step = self._step(start)
            yield step
            start = step.rows.stop

    def _step(self, start: int) -> Step:
        """Verdicts on the prices of as many days as are judged at once.

        The prices in the rows `start` to `assumed` are compared with others of the step, so they are added
        before.
        """
        days = self.prices.days
        parts: list[Part] = []
        replaced: list[Replaced] = []
        assumed = stop = start
        days_left = self._days_at_once
        while days_left > 0 and stop < len(days):
            replaced.append(self._add(assumed, self.landing[assumed:stop]))
            peak = self._ascending(stop, days_left)
            assumed = stop + int(np.searchsorted(days[stop:peak], days[peak - 1]))
            replaced.append(self._add(stop, self.landing[stop:assumed]))
            end = _next(self._ascents, peak, len(days))
            parts.append(self._part(stop, end))
            days_left -= len(parts[-1].days)
            stop = end
        of_row = np.concatenate([part.of_row for part in parts], axis=1)
        columns, stopped = self._scored(slice(start, stop), of_row)
        landing = self.landing[start:stop]
        accepted = landing & (~stopped | self.released[start:stop])
        refused = landing & ~accepted
        all_passed = not refused[: assumed - start].any()
        self._expect(all_passed)
        if not all_passed:
            for before in reversed(replaced):
                self.panel.restore(before)
            assumed, stop = start, start + _first_compared(days[start:stop], refused)
        self._add(assumed, accepted[assumed - start : stop - start])
        columns = {name: values[: stop - start] for name, values in columns.items()}
        return Step(slice(start, stop), columns, self._evidence(start, stopped[: stop - start], parts))

    def _add(self, start: int, accepted: Flags) -> Replaced:
        return self.panel.add(*self.prices.take(start + np.flatnonzero(accepted)))

    def _ascending(self, start: int, most_days: int) -> int:
        """Up to which row days do not descend, at most so many days."""
        nth = int(np.searchsorted(self._new_days, start, side="right")) + most_days - 1
        end = int(self._new_days[nth]) if nth < len(self._new_days) else len(self.landing)
        return min(end, _next(self._descents, start + 1, len(self.landing)))

    def _expect(self, all_passed: bool) -> None:
        """Judge more days at once after days without a refused price, else fewer."""
        days = 2 * self._days_at_once if all_passed else max(self._days_at_once // 2, 1)
        self._days_at_once = min(days, MOST_DAYS)

    def _part(self, start: int, stop: int) -> Part:
        day_of_row = self.prices.days[start:stop]
        days = day_of_row[:1] if (day_of_row == day_of_row[0]).all() else np.unique(day_of_row)
        known, votes = statistics_of_days(self.panel, days, self.thresholds)
        columns = self.prices.columns[start:stop]
        nth = np.searchsorted(days, day_of_row)
        of_row = known[0][:, columns] if len(days) == 1 else known[nth, :, columns].T
        return Part(start, days, known, votes, of_row)

    def _scored(self, rows: slice, of_row: Floats) -> tuple[dict[str, npt.NDArray[Any]], Flags]:
        """Columns of silver.price_verdicts and flags of rules; which prices violate an error rule."""
        days = self.prices.days[rows]
        scores = score(
            self.prices.prices[rows],
            days,
            dict(zip(NUMBERS, of_row, strict=True)),
            self.thresholds,
            self.commodity,
            siblings=sibling_levels(self.panel, self.siblings, days, self.prices.columns[rows]),
        )
        flags = self.rules.violated(scores)
        stopped = self.rules.refused(flags)
        released = self.released[rows]
        scores["outcome"] = np.where(stopped & ~released, "quarantine", "silver")
        scores["released"] = released
        return scores | flags, stopped

    def _evidence(self, start: int, stopped: Flags, parts: list[Part]) -> dict[int, PriceEvidence]:
        rows = start + np.flatnonzero(stopped & self.landing[start : start + len(stopped)])
        of_part = np.searchsorted([part.start for part in parts], rows, side="right") - 1
        evidence = {}
        for row, part in zip(rows.tolist(), (parts[nth] for nth in of_part.tolist()), strict=True):
            day = int(self.prices.days[row])
            nth = int(np.searchsorted(part.days, day))
            evidence[row] = price_evidence(
                self.panel,
                int(self.prices.columns[row]),
                day,
                float(self.prices.prices[row]),
                dict(zip(NUMBERS, part.statistics[nth], strict=True)),
                part.votes[nth],
            )
        return evidence


def _starts(is_step: Flags) -> Ints:
    """Rows that differ from the row before in that way."""
    return np.flatnonzero(is_step) + 1


def _next(starts: Ints, row: int, size: int) -> int:
    """The first of `starts` from a row on, else the number of rows."""
    nth = int(np.searchsorted(starts, row))
    return int(starts[nth]) if nth < len(starts) else size


def _first_compared(days: Ints, refused: Flags) -> int:
    """The first row that was compared with a refused price, else the number of rows."""
    lowest = np.minimum.accumulate(np.where(refused, days, np.iinfo(np.int64).max))
    return _next(np.flatnonzero(days > lowest), 0, len(days))
