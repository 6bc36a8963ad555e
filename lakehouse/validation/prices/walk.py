"""Verdicts on the prices of one panel in order of arrival, many at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.reference import Commodity
from lakehouse.validation import Flags
from lakehouse.validation.prices.evidence import PriceEvidence, price_evidence
from lakehouse.validation.prices.phases import Arrived, Phase, PriceRows, Shown
from lakehouse.validation.prices.rules import PriceRules
from lakehouse.validation.prices.scores import score
from lakehouse.validation.prices.source_votes import Votes
from lakehouse.validation.prices.statistics import Statistics, statistics_of_days
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.windows import Ints


@dataclass(frozen=True)
class Scored:
    """Prices that were judged at once. `stopped`: they violate a rule of severity error.

    `days`, `statistics`, `votes`: what was read, by day.
    """

    columns: dict[str, npt.NDArray[Any]]
    stopped: Flags
    days: Ints
    statistics: Statistics
    votes: list[Votes]


@dataclass(frozen=True)
class Step:
    """Verdicts on the prices `rows`: columns of silver.price_verdicts and flags of rules.

    `evidence`: of refused prices and of those that were released, by row number.
    """

    rows: slice
    columns: dict[str, npt.NDArray[Any]]
    evidence: dict[int, PriceEvidence]


class PanelWalk:
    """Judges prices of one panel in order of arrival, and remembers those that are accepted.

    `landing`: may be accepted. `released`: is accepted whatever rules it violates.
    """

    def __init__(
        self,
        phase: Phase,
        commodity: Commodity,
        thresholds: Thresholds,
        rules: PriceRules,
        prices: PriceRows,
        landing: Flags,
        released: Flags,
    ) -> None:
        self._phase, self._panel = phase, phase.panel
        self._commodity = commodity
        self._thresholds = thresholds
        self._rules = rules
        self._prices = prices
        self._landing = landing
        self._released = released
        self._arrived = Arrived(prices.days, prices.columns, landing)

    def steps(self) -> Iterator[Step]:
        """Verdicts on all prices."""
        start = 0
        while start < len(self._landing):
            is_new_day = self._prices.days[start] > self._phase.newest
            step = self._ascending(start) if is_new_day else self._within_phase(start)
            yield step
            start = step.rows.stop

    def _ascending(self, start: int) -> Step:
        """Verdicts on the prices of ascending days, up to the first day with a refused price.

        A verdict reads only earlier days. So all prices are added, and judged; what was added after the first
        day with a refused price is taken out again. The rest of the phase of the last day is judged with it.
        """
        phase = self._phase
        days, landing = self._prices.days, self._landing
        shown = phase.show() if phase.has_late else None
        end = self._arrived.ascending(start, phase.days_at_once)
        newest = days[end - 1]
        stop = end if end == len(days) or days[end] > newest else phase.stop(self._arrived, end, since=start)
        before = start + np.flatnonzero(landing[start:end] & (days[start:end] < newest))
        assumed = self._panel.add(*self._prices.take(before))
        scored = self._scored(slice(start, stop))
        accepted = self._accepted(slice(start, stop), scored.stopped)
        rows = start + np.flatnonzero(accepted[: end - start])
        refused = before[~accepted[before - start]]
        phase.expect(len(refused) == 0)
        if len(refused):
            end = start + int(np.searchsorted(days[start:end], days[refused[0]], side="right"))
            self._panel.restore(assumed)
            rows = rows[rows < end]
            phase.advance(self._prices.take(rows), 0)
            stop = end
        else:
            phase.advance(self._prices.take(rows), len(before))
            stop = self._end_phase(end, accepted[end - start :]) if phase.newest == newest else end
        if shown and not len(rows):
            phase.hide(shown)
        return self._step(start, stop, scored)

    def _within_phase(self, start: int) -> Step:
        """Verdicts on prices that read the same closings, none of them newer than the newest day."""
        phase = self._phase
        day, column = int(self._prices.days[start]), int(self._prices.columns[start])
        shown = phase.show() if phase.sees_late(day, column) else None
        end = self._arrived.one_series(start, phase.newest, phase.days_at_once)
        if end > start + 1 and not phase.has_late:
            return self._one_series(start, end, shown)
        rows = slice(start, phase.stop(self._arrived, start))
        scored = self._scored(rows)
        accepted = self._accepted(rows, scored.stopped)
        if shown and not accepted[0]:
            phase.hide(shown)
            return self._step(start, start + 1, scored)
        return self._step(start, self._end_phase(start, accepted), scored)

    def _one_series(self, start: int, end: int, shown: Shown | None) -> Step:
        """Verdicts on late prices of one series whose days ascend, up to the first refused price.

        Each ends the phase of the one before, as in a file that is sorted by series.
        """
        phase = self._phase
        landing = start + np.flatnonzero(self._landing[start:end])
        assumed = self._panel.add(*self._prices.take(landing[landing < end - 1]))
        scored = self._scored(slice(start, end))
        accepted = self._accepted(slice(start, end), scored.stopped)
        refused = landing[~accepted[landing - start]]
        phase.expect(len(refused) == 0)
        stop = int(refused[0]) + 1 if len(refused) else end
        rows = start + np.flatnonzero(accepted[: stop - start])
        self._panel.restore(assumed)
        phase.follow(self._prices.take(rows))
        if shown and not len(rows):
            phase.hide(shown)
        return self._step(start, stop, scored)

    def _end_phase(self, start: int, accepted: Flags) -> int:
        """Remember accepted prices from the row `start` on; up to which row they belong to the phase."""
        days = self._prices.days[start : start + len(accepted)]
        size = self._phase.ended(days, accepted)
        accepted = accepted[:size]
        self._phase.accept(self._prices.take(start + np.flatnonzero(accepted)))
        if size is not None:
            self._phase.show()
        return start + len(accepted)

    def _scored(self, rows: slice) -> Scored:
        day_of_row = self._prices.days[rows]
        is_one_day = (day_of_row == day_of_row[0]).all()
        days = day_of_row[:1] if is_one_day else np.unique(day_of_row)
        statistics, votes = statistics_of_days(self._panel, days, self._thresholds)
        columns = self._prices.columns[rows]
        nth = None if is_one_day else np.searchsorted(days, day_of_row)
        of = {
            name: values[0][columns] if nth is None else values[nth, columns]
            for name, values in statistics.items()
        }
        scores = score(
            self._prices.prices[rows],
            day_of_row,
            of,
            self._thresholds,
            self._commodity,
            self._thresholds.tolerance_of(self._commodity.id),
        )
        flags = self._rules.violated(scores)
        stopped = self._rules.refused(flags)
        released = self._released[rows]
        scores["outcome"] = np.where(stopped & ~released, "quarantine", "silver")
        scores["released"] = released
        return Scored(scores | flags, stopped, days, statistics, votes)

    def _accepted(self, rows: slice, stopped: Flags) -> Flags:
        return self._landing[rows] & (~stopped | self._released[rows])

    def _step(self, start: int, stop: int, scored: Scored) -> Step:
        size = stop - start
        evidence = {}
        for nth in np.flatnonzero(scored.stopped[:size] & self._landing[start:stop]).tolist():
            evidence[start + nth] = self._evidence(start + nth, scored)
        columns = {name: values[:size] for name, values in scored.columns.items()}
        return Step(slice(start, stop), columns, evidence)

    def _evidence(self, row: int, scored: Scored) -> PriceEvidence:
        day = int(self._prices.days[row])
        nth = int(np.searchsorted(scored.days, day))
        return price_evidence(
            self._panel,
            int(self._prices.columns[row]),
            day,
            float(self._prices.prices[row]),
            {name: values[nth] for name, values in scored.statistics.items()},
            scored.votes[nth],
        )
