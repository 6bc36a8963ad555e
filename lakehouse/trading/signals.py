"""BUY, SELL or HOLD at the close of a bar, with the probability that it is right, its risk and its size.

A signal is computed from the last WINDOW bars of its series and nothing else: what comes later, and how the
bars arrived, cannot change it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lakehouse.ledger.canonical import digest
from lakehouse.trading.bars import Bars, Floats
from lakehouse.trading.indicators import WARM_UP, WINDOW, indicators
from lakehouse.trading.market_terms import market_terms
from lakehouse.trading.sessions import bars_a_year

Direction = Literal["BUY", "SELL", "HOLD"]
MODEL_RUN = "votes-platt-4"  # changes with every change of a formula below
HORIZON = 5  # bars over which a direction must be right after costs
MARGIN = 0.02  # beyond .5
RISK_BARS = 250
KELLY_SHARE = 0.5
LARGEST_SHARE = 0.20
TARGET_VOLATILITY = 0.15  # a year
OVERSOLD, OVERBOUGHT = 30, 70  # of the RSI
FULL_MOVE = 2.0  # average true ranges for a full vote
LEAST_OUTCOMES = 50  # with fewer, the prior alone counts
NEWTON_STEPS = 8
NEWTON_TOLERANCE = 1e-7  # of the logit
# Precision of the normal prior of the intercept: it counts as much as 100 independent outcomes.
PRIOR_PRECISION = 25.0
# Precisions of that of the slope, with the weight of each before any outcome: scores that predict are rare.
# With 1 alone, BUY and SELL on published daily bars were right in 27 % of 81 cases and claimed 53 %; with 25
# alone, bars with a planted trend got no direction.
SLOPE_PRECISIONS = ((25.0, 1.0), (1.0, 0.1))


@dataclass(frozen=True)
class Series:
    """The series that a signal is about."""

    symbol: str
    asset_class: str
    interval: str
    currency: str
    averages: tuple[int, int] = (5, 20)

    @property
    def bars_a_year(self) -> int:
        """Bars by which a volatility is annualised."""
        return bars_a_year(self.asset_class, self.currency, self.interval)


@dataclass(frozen=True)
class Signal:
    """A signal at the close of a bar. `time`: begin of the bar, microseconds since 1970.

    `confidence`: calibrated probability that the direction is right; `risk_score` and scores: 0 to 100;
    `position_size_pct`: percent of equity; `data_version`: fingerprint of the bars it was computed from;
    `sentiment`: that of the day before, -1 to 1, None without a post.
    """

    time: int
    direction: Direction
    confidence: float
    buy_probability: float
    sell_probability: float
    risk_score: float
    position_size_pct: float
    buy_score: float
    sell_score: float
    data_version: str
    sentiment: float | None = None
    model_run: str = MODEL_RUN
    indicators: Mapping[str, float] = field(default_factory=dict)


def signal_at(bars: Bars, end: int, series: Series) -> Signal | None:
    """The signal of the bar before index `end`; None for one of the first WARM_UP bars.

    `bars`: the series, at least the last WINDOW bars before `end` where it has them.
    """
    if end < WARM_UP:
        return None
    window = bars.part(max(0, end - WINDOW), end).adjusted()
    values = indicators(window, series.bars_a_year, series.averages)
    buying, selling = scores(window, values)
    buy_probability, sell_probability = probabilities(window, buying - selling, series)
    buy = float(round(100 * buying[-1], 4))
    sell = float(round(100 * selling[-1], 4))
    direction = chosen_direction(buy, sell, buy_probability, sell_probability)
    confidence = {"BUY": buy_probability, "SELL": sell_probability}.get(
        direction, max(buy_probability, sell_probability)
    )
    size = position_size(confidence, float(values["volatility"][-1])) if direction != "HOLD" else 0.0
    return Signal(
        time=int(window.time[-1]),
        direction=direction,
        confidence=confidence,
        buy_probability=buy_probability,
        sell_probability=sell_probability,
        risk_score=risk_score(window, values),
        position_size_pct=size,
        buy_score=buy,
        sell_score=sell,
        data_version=data_version(window),
        sentiment=None if window.mood is None or np.isnan(window.mood[-1]) else float(window.mood[-1]),
        indicators={name: float(column[-1]) for name, column in values.items()},
    )


def scores(bars: Bars, values: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """(share of the votes for buying, for selling) of each bar, 0 to 1.

    Four votes from -1 to 1 of equal weight: trend and its turn in average true ranges, reversion from an
    extreme, momentum over 10 bars. A vote that cannot be computed yet counts 0. Where posts of the day before
    name the symbol, their sentiment is a fifth vote; elsewhere it abstains.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        trend = (values["ma5"] - values["ma20"]) / (FULL_MOVE * values["atr"])
        turn = values["macd_histogram"] / (FULL_MOVE * values["atr"])
        momentum = values["momentum_10"] / (FULL_MOVE * 10**0.5 * values["atr"])
    votes = [np.nan_to_num(np.clip(vote, -1, 1)) for vote in (trend, turn, momentum)]
    votes.append(reversion(values["rsi"], values["percent_b"]))
    weight = np.full(len(bars), float(len(votes)))
    if bars.mood is not None:
        votes.append(np.nan_to_num(bars.mood))
        weight += ~np.isnan(bars.mood)
    stacked = np.stack(votes)
    return np.maximum(stacked, 0).sum(axis=0) / weight, np.maximum(-stacked, 0).sum(axis=0) / weight


def reversion(rsi: Floats, percent_b: Floats) -> Floats:
    """1 where RSI and Bollinger bands both call a price too low, -1 where both call it too high."""
    by_rsi = (rsi < OVERSOLD).astype(np.float64) - (rsi > OVERBOUGHT)
    by_bands = (percent_b < 0).astype(np.float64) - (percent_b > 1)
    return (by_rsi + by_bands) / 2


def probabilities(bars: Bars, net: Floats, series: Series) -> tuple[float, float]:
    """(that buying pays, that selling pays) over the next HORIZON bars, after costs, after the last score.

    Learned from the earlier bars whose outcome is known by now: bought at the open after the bar, sold at the
    close HORIZON bars after it.
    """
    known = len(bars) - HORIZON
    if known <= 0:
        return 0.0, 0.0
    entry = bars.open[1 : known + 1]
    usable = ~np.isnan(entry)
    change = (bars.close[HORIZON:] / entry - 1)[usable]
    past = net[:known][usable]
    cost = market_terms(series.asset_class, series.currency).round_trip
    prior = driftless(cost, float(change.std())) if len(change) else 0.0
    outcomes = (change > cost, change < -cost)
    buying, selling = (calibrated(past, each, float(net[-1]), HORIZON, prior) for each in outcomes)
    return round(buying, 6), round(selling, 6)


def chosen_direction(buy: float, sell: float, buy_probability: float, sell_probability: float) -> Direction:
    """The direction with the higher score, if it is likely enough to pay; else HOLD."""
    if buy > sell and buy_probability >= 0.5 + MARGIN:
        return "BUY"
    if sell > buy and sell_probability >= 0.5 + MARGIN:
        return "SELL"
    return "HOLD"


def position_size(confidence: float, volatility: float) -> float:
    """Percent of equity: half of Kelly's share, at most a fifth, less the more the price moves."""
    shares = [LARGEST_SHARE, KELLY_SHARE * (2 * confidence - 1)]
    if volatility > 0:
        shares.append(TARGET_VOLATILITY / volatility)
    return round(100 * max(0.0, min(shares)), 4)


def risk_score(bars: Bars, values: Mapping[str, Floats]) -> float:
    """100 × mean share of the last 250 bars with no more volatility, drawdown and range than the last."""
    high = np.maximum.accumulate(bars.close[-RISK_BARS:])
    drawdown = 1 - bars.close[-RISK_BARS:] / high
    ranges = (values["atr"] / bars.close)[-RISK_BARS:]
    ranks = [rank(column) for column in (values["volatility"][-RISK_BARS:], drawdown, ranges)]
    return round(100 * sum(ranks) / len(ranks), 4)


def rank(column: Floats) -> float:
    """Share of the values that are at most the last one; 0 when the last one is not known."""
    known = column[~np.isnan(column)]
    return float((known <= column[-1]).mean()) if len(known) else 0.0


def data_version(bars: Bars) -> str:
    """Fingerprint (16 hex digits) of the bars and their sentiment, the same wherever they were read from."""
    columns = [bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume]
    if bars.mood is not None and not np.isnan(bars.mood).all():
        columns.append(bars.mood)
    return digest(b"".join(column.tobytes() for column in columns))[:16]


def driftless(cost: float, change: float) -> float:
    """Probability that a driftless walk gains more than `cost`. `change`: sd of its change, a fraction."""
    return 0.5 * math.erfc(cost / change / math.sqrt(2)) if change > 0 else 0.0


def calibrated(
    scores: Floats, outcomes: NDArray[np.bool_], score: float, overlap: int, prior: float
) -> float:
    """Probability of the outcome after `score`, by logistic regressions on earlier ones.

    `scores`: from -1 to 1. `overlap`: outcomes share that many bars, so each counts for 1/overlap. `prior`:
    the probability without any outcome. Regressions that differ in how much the score may count are
    averaged by their evidence.

    Source: J. Platt, Probabilistic Outputs for Support Vector Machines, 1999, with normal priors in place of
    his smoothed targets; D. MacKay, The Evidence Framework Applied to Classification Networks, 1992.
    """
    prior = min(max(prior, 0.001), 0.999)
    if len(scores) < LEAST_OUTCOMES:
        return prior
    y = outcomes.astype(np.float64)
    fits = [regression(scores, y, overlap, prior, precision) for precision, _ in SLOPE_PRECISIONS]
    evidence = [fit.evidence + math.log(w) for fit, (_, w) in zip(fits, SLOPE_PRECISIONS, strict=True)]
    weights = [math.exp(each - max(evidence)) for each in evidence]
    shares = (w / (1 + math.exp(-fit.logit(score))) for w, fit in zip(weights, fits, strict=True))
    return sum(shares) / sum(weights)


@dataclass(frozen=True)
class Regression:
    """Logit = intercept + slope × score. `evidence`: logarithm of its marginal likelihood."""

    intercept: float
    slope: float
    evidence: float

    def logit(self, score: float) -> float:
        """Logit of the outcome after a score."""
        return self.intercept + self.slope * score


def regression(scores: Floats, y: Floats, overlap: int, prior: float, precision: float) -> Regression:
    """The most probable intercept and slope, by Newton's method; the evidence is Laplace's approximation.

    `y`: outcomes, 0 or 1; `precision`: of the slope.
    """
    begin = math.log(prior / (1 - prior))
    intercept = begin
    slope = 0.0
    determinant = 1.0
    for _ in range(NEWTON_STEPS):
        p = 1 / (1 + np.exp(-(intercept + slope * scores)))
        error = (y - p) / overlap
        weight = p * (1 - p) / overlap
        gradient_intercept = error.sum() - PRIOR_PRECISION * (intercept - begin)
        gradient_slope = (error * scores).sum() - precision * slope
        a = weight.sum() + PRIOR_PRECISION
        b = (weight * scores).sum()
        d = (weight * scores * scores).sum() + precision
        determinant = float(a * d - b * b)
        step = float(d * gradient_intercept - b * gradient_slope) / determinant
        slope_step = float(a * gradient_slope - b * gradient_intercept) / determinant
        intercept += step
        slope += slope_step
        if abs(step) + abs(slope_step) < NEWTON_TOLERANCE:
            break
    logits = intercept + slope * scores
    likelihood = float((y * logits - np.logaddexp(0, logits)).sum()) / overlap
    penalty = PRIOR_PRECISION * (intercept - begin) ** 2 + precision * slope**2
    evidence = likelihood - penalty / 2 + math.log(PRIOR_PRECISION * precision / determinant) / 2
    return Regression(intercept, slope, evidence)
