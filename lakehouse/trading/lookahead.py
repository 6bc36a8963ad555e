"""Two tests of every strategy: none sees a later bar, and none depends on where its bars begin."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from lakehouse.trading.bars import Bars, Floats
from lakehouse.trading.indicators import WINDOW, indicators
from lakehouse.trading.signals import Series
from lakehouse.trading.strategies import HOUSE, RuleDecisions, Variant

DECISION = "decision"
MOST_CUTS = 200
LENGTHS = (50, 100, 250, 500)  # bars that an indicator is computed from
MOST_ENDS = 20  # of a series at which they are compared
TOLERANCE_PCT = 1e-7  # a fraction of 1e-9
SERVED = "signals that are served"
LATER_SPLIT = "prices before a later split"
Compute = Callable[[Series, Bars], Mapping[str, Floats]]


@dataclass(frozen=True)
class LookaheadResult:
    """Decisions of one strategy on one symbol that were repeated without the later bars.

    `biased`: how many came out otherwise; `names`: of the indicators that did, and DECISION itself.
    """

    strategy: str
    symbol: str
    checked: int
    biased: int
    names: tuple[str, ...]


def check_lookahead(series: Series, bars: Bars, variant: Variant) -> LookaheadResult:
    """Repeat decisions on the bars cut at each of them; they and their indicators must agree bit for bit."""
    adjusted = bars.adjusted()
    whole = columns(variant.decisions(series, adjusted))
    ends = cuts(whole, len(bars))
    biased = 0
    names: set[str] = set()
    for end in ends:
        cut = columns(variant.newest_decision(series, adjusted.part(0, end)))
        differing = {name for name in whole if not same(whole[name][end - 1], cut[name][-1])}
        if (bars.split[end:] != 1).any():  # the account of that day knew prices in shares of that day
            then = columns(variant.newest_decision(series, bars.part(0, end).adjusted()))
            if not same(whole[DECISION][end - 1], then[DECISION][-1]):
                differing |= {DECISION, LATER_SPLIT}
        biased += bool(differing)
        names |= differing
    return LookaheadResult(variant.label, series.symbol, len(ends), biased, tuple(sorted(names)))


def columns(decisions: RuleDecisions) -> dict[str, Floats]:
    """The decision as a number, and the indicators by name, (bars,) each."""
    return {DECISION: decisions.enters + 2.0 * decisions.leaves, **decisions.indicators}


def same(value: float, other: float) -> bool:
    """Equal, or both not known."""
    return bool(value == other or (np.isnan(value) and np.isnan(other)))


def cuts(whole: Mapping[str, Floats], bars: int) -> list[int]:
    """Ends of at most MOST_CUTS cuts: evenly over bars with a known indicator, then over the others."""
    is_known = np.zeros(bars, dtype=bool)
    for name, column in whole.items():
        if name != DECISION:
            is_known |= ~np.isnan(column)
    known = spread(np.flatnonzero(is_known) + 1, MOST_CUTS)
    return sorted([*known, *spread(np.flatnonzero(~is_known) + 1, MOST_CUTS - len(known))])


def spread(positions: npt.NDArray[np.int64], most: int) -> list[int]:
    """At most so many of the positions, evenly, the first and the last among them."""
    chosen = np.linspace(0, len(positions) - 1, min(len(positions), most)).round().astype(int)
    return [int(position) for position in positions[chosen]]


@dataclass(frozen=True)
class WarmUpResult:
    """How far the newest value of an indicator is from the one over the whole history, in percent, at most.

    `deviation_pct`: bars that it is computed from -> deviation; infinite where they give no value, None
    where no series is longer. `bars`: what the product computes it from. Of the value or, where that is
    larger, of its mean size: a value near zero has no percent.
    """

    strategy: str
    indicator: str
    bars: int
    deviation_pct: Mapping[int, float | None]

    @property
    def is_stable(self) -> bool:
        """Whether it deviates by at most TOLERANCE_PCT where it is used; true where no series is longer."""
        return (self.deviation_pct[self.bars] or 0.0) <= TOLERANCE_PCT


def check_warm_up(stored: Sequence[tuple[Series, Bars]], variants: Sequence[Variant]) -> list[WarmUpResult]:
    """The indicators of the signals that are served at WINDOW bars, those of each variant at its warm-up."""
    results = []
    for strategy, used, compute in indicator_sets(variants):
        lengths = sorted({*LENGTHS, used})
        largest: dict[str, dict[int, float | None]] = {}
        for series, bars in stored:
            adjusted = bars.adjusted()
            whole = compute(series, adjusted)
            for length in lengths:
                ends = spread(np.arange(length + 1, len(bars) + 1), MOST_ENDS)
                parts = [compute(series, adjusted.part(end - length, end)) for end in ends]
                for name, column in whole.items():
                    known = largest.setdefault(name, dict.fromkeys(lengths))
                    measured = deviations(column, ends, [part[name][-1] for part in parts])
                    known[length] = max(
                        (each for each in (known[length], *measured) if each is not None), default=None
                    )
        results += [WarmUpResult(strategy, name, used, by_length) for name, by_length in largest.items()]
    return results


def indicator_sets(variants: Sequence[Variant]) -> Iterator[tuple[str, int, Compute]]:
    """(strategy, bars that it uses, function that computes its indicators)."""
    yield SERVED, WINDOW, lambda series, bars: indicators(bars, series.bars_a_year, series.averages)
    for variant in variants:
        if variant.strategy != HOUSE:  # its values are of WINDOW bars by definition
            yield variant.label, variant.warm_up, partial(indicators_of, variant)


def indicators_of(variant: Variant, series: Series, bars: Bars) -> Mapping[str, Floats]:
    """The indicators of a variant, (bars,) each."""
    return variant.decisions(series, bars).indicators


def deviations(column: Floats, ends: Sequence[int], values: Sequence[float]) -> list[float]:
    """Percent by which values differ from those of the column before each end."""
    size = float(np.abs(column[np.isfinite(column)]).mean()) if np.isfinite(column).any() else 0.0
    percents = []
    for end, value in zip(ends, values, strict=True):
        whole = float(column[end - 1])
        if same(whole, value):
            percents.append(0.0)
        elif np.isfinite(whole) and np.isfinite(value):
            percents.append(float(100 * abs(value - whole) / max(abs(whole), size)))
        else:
            percents.append(float("inf"))
    return percents
