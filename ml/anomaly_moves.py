"""How far everybody moved on the day of an alarm, and in the market days after it."""

from dataclasses import dataclass

import numpy as np

from lakehouse.validation.price_evidence import nearest
from ml.anomaly_reports import Floats, Reports
from ml.anomaly_scores import Scores

NEIGHBOURS = 5  # nearest provinces that reported
FINAL_DAYS = 4  # market days after which a label is final
STAYED = 0.25  # of the distance to the others: the own move must be larger to be a move
HOLDS = 0.5  # share of the move that must remain for it to persist
PERSISTS_DAYS = 3  # the day itself and the next two


@dataclass(frozen=True)
class Move:
    """One alarm's move, measured from the median of the week before, beside everybody's."""

    size: float  # log ratio
    excess: float  # the same less the country's median
    moves: Floats  # (days after + 1, series) log ratio since the week before; NaN: did not report, unit error, too young
    regions: dict[str, float]  # median move of each province, the own series left out
    remaining: Floats  # (days after,) share of the move, less the country's, that is left on each later market day
    prices: Floats  # (days after + 1, series) rupiah from the day on

    @property
    def final(self) -> bool:
        return len(self.remaining) >= FINAL_DAYS

    @property
    def stayed(self) -> bool:
        """The price stands apart because the others moved: nobody can have moved alike."""
        return abs(self.size) < STAYED * abs(self.excess)

    def alike(self, part: float) -> dict[str, bool]:
        """Province -> whether it moved the same way by `part` of the move or more."""
        if self.stayed:
            return dict.fromkeys(self.regions, False)
        return {code: bool(other * np.sign(self.size) >= part * abs(self.size)) for code, other in self.regions.items()}

    def neighbours(self, region: str, less_country: bool = False) -> Floats:
        """Moves of the nearest provinces that reported, as shares of this one; the own province's other series come first.

        `less_country`: of both the country's median is taken out, so that a trend of all is no company.
        """
        if self.stayed:
            return np.empty(0)
        order = nearest(region)
        near = sorted(self.regions, key=lambda code: order.get(code, len(order)))[:NEIGHBOURS]
        country, size = (self.size - self.excess, self.excess) if less_country else (0.0, self.size)
        return np.array([(self.regions[code] - country) / size for code in near])

    @property
    def reverted(self) -> float | None:
        """Largest share of the move that was given back within FINAL_DAYS; None before a day has passed."""
        left = self.remaining[np.isfinite(self.remaining)]
        return float(1 - left.min()) if len(left) else None

    @property
    def persisted(self) -> bool | None:
        """Whether the next two market days still show half of it; None while they are not known."""
        left = self.remaining[: PERSISTS_DAYS - 1]
        known = np.isfinite(left)
        if len(left) < PERSISTS_DAYS - 1 or not known.any():
            return None
        return bool((left[known] >= HOLDS).all())


def move_of(reports: Reports, found: Scores, series: int, row: int) -> Move:
    """Of the series at day number `row`; later market days as far as the reports go, FINAL_DAYS at most."""
    prices = reports.price[row : row + FINAL_DAYS + 1]
    prices = np.where(np.nan_to_num(found.unit_power[row : row + len(prices)]) != 0, np.nan, prices)
    prices[0, series] = reports.price[row, series]
    with np.errstate(invalid="ignore", divide="ignore"):
        moves = np.log(prices) - found.level[row]
    size = float(moves[0, series])
    if not np.isfinite(size):
        size = float(np.log(reports.price[row, series] / found.last_price_idr[row, series]))
    others = np.delete(moves, series, axis=1)
    country = np.array([_median(day) for day in others])
    excess = moves[:, series] - country
    remaining = excess[1:] / (excess[0] if excess[0] else np.nan)
    away = float(excess[0]) if np.isfinite(excess[0]) else size
    of_region: dict[str, list[float]] = {}
    for code, other in zip(np.delete(reports.regions, series).tolist(), others[0].tolist(), strict=True):
        if np.isfinite(other):
            of_region.setdefault(code, []).append(other)
    medians = {code: float(np.median(every)) for code, every in of_region.items()}
    return Move(size, away, moves, medians, remaining, prices)


def _median(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else 0.0
