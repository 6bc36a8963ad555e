"""How far all series moved on the day of an alarm, and in the market days after it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lakehouse.validation.prices.evidence import nearest
from lakehouse.validation.windows import median_of
from ml.anomalies.observations import Floats, Reports
from ml.anomalies.scores import Scores

NEIGHBOURS = 5  # nearest provinces that reported
FINAL_DAYS = 4  # market days after which a label is final
STAYED = 0.25  # of the distance to the others: the own move must be larger to be a move
HOLDS = 0.5  # share of the move that must remain for it to persist
PERSISTS_DAYS = 3  # the day itself and the next two


@dataclass(frozen=True)
class Move:
    """The move of an alarm and those of all series, measured from the median of the week before."""

    size: float  # log ratio
    excess: float  # the same less the country's median
    # (days after + 1, series) log ratio since the week before; NaN: no report, unit error, too young
    moves: Floats
    regions: dict[str, float]  # median move of each province, the own series left out
    # (days after,) share of the move, less the country's, that remains on each later market day
    remaining: Floats
    prices: Floats  # (days after + 1, series) rupiah from the day on

    @property
    def final(self) -> bool:
        """Whether FINAL_DAYS market days have followed."""
        return len(self.remaining) >= FINAL_DAYS

    @property
    def stayed(self) -> bool:
        """The price differs because the others moved: no other series can have moved alike."""
        return abs(self.size) < STAYED * abs(self.excess)

    def alike(self, part: float) -> dict[str, bool]:
        """Province -> whether it moved the same way by `part` of the move or more."""
        if self.stayed:
            return dict.fromkeys(self.regions, False)
        return {
            code: bool(other * np.sign(self.size) >= part * abs(self.size))
            for code, other in self.regions.items()
        }

    def neighbours(self, region: str, less_country: bool = False) -> Floats:
        """Moves of the nearest provinces that reported, as shares of this one.

        The own province's other series come first. `less_country`: the country's median is subtracted from
        both, so that a trend of all provinces does not count.
        """
        if self.stayed:
            return np.empty(0)
        order = nearest(region)
        near = sorted(self.regions, key=lambda code: order.get(code, len(order)))[:NEIGHBOURS]
        country = self.size - self.excess if less_country else 0.0
        size = self.excess if less_country else self.size
        return np.array([(self.regions[code] - country) / size for code in near])

    @property
    def reverted(self) -> float | None:
        """Largest share of the move that was reversed within FINAL_DAYS; None before a day has passed."""
        remaining = self.remaining[np.isfinite(self.remaining)]
        return float(1 - remaining.min()) if len(remaining) else None

    @property
    def persisted(self) -> bool | None:
        """Whether the next two market days still show half of it; None while they are not known."""
        remaining = self.remaining[: PERSISTS_DAYS - 1]
        known = np.isfinite(remaining)
        if len(remaining) < PERSISTS_DAYS - 1 or not known.any():
            return None
        return bool((remaining[known] >= HOLDS).all())


def measure_move(reports: Reports, scores: Scores, series: int, row: int) -> Move:
    """Move of the series at day number `row`, with up to FINAL_DAYS later market days."""
    prices = reports.price[row : row + FINAL_DAYS + 1]
    prices = np.where(np.nan_to_num(scores.unit_power[row : row + len(prices)]) != 0, np.nan, prices)
    prices[0, series] = reports.price[row, series]
    with np.errstate(invalid="ignore", divide="ignore"):
        moves = np.log(prices) - scores.level[row]
    size = float(moves[0, series])
    if not np.isfinite(size):
        size = float(np.log(reports.price[row, series] / scores.last_price_idr[row, series]))
    others = np.delete(moves, series, axis=1)
    country = np.nan_to_num(median_of(others, 1))
    excess = moves[:, series] - country
    remaining = excess[1:] / (excess[0] if excess[0] else np.nan)
    away = float(excess[0]) if np.isfinite(excess[0]) else size
    of_region = pd.Series(others[0]).groupby(np.delete(reports.regions, series)).median()
    medians = of_region.dropna().to_dict()
    return Move(size, away, moves, medians, remaining, prices)
