"""Accuracy metrics of forecasts, given as arrays with an element per prediction; NaN for empty arrays."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml.data.panel import Floats

RATIO_BOUNDS = (0.01, 100.0)  # a series' ratio of errors is clipped to these
LEAST_STEP = 0.001  # of the mean price: floor of a frozen series' usual step
DECILES = tuple(tenth / 10 for tenth in range(1, 10))
Bools = npt.NDArray[np.bool_]


def wape(actual: Floats, forecast: Floats) -> float:
    """Weighted absolute percentage error as a share: Σ|y − f| / Σ|y|."""
    return _ratio(np.abs(actual - forecast).sum(), np.abs(actual).sum())


def mape(actual: Floats, forecast: Floats) -> float:
    """Mean absolute percentage error as a share: mean(|y − f| / y); y > 0."""
    return _mean(np.abs(actual - forecast) / actual)


def mae(actual: Floats, forecast: Floats) -> float:
    """Mean absolute error: mean|y − f|, rupiah."""
    return _mean(np.abs(actual - forecast))


def rmse(actual: Floats, forecast: Floats) -> float:
    """Root of the mean square of y − f, rupiah."""
    return float(np.sqrt(_mean((actual - forecast) ** 2)))


def rel_mae(actual: Floats, forecast: Floats, reference: Floats) -> float:
    """MAE / MAE of the reference on the same predictions; 1 when both are without error."""
    own = np.abs(actual - forecast).sum()
    other = np.abs(actual - reference).sum()
    return 1.0 if own == other == 0 and actual.size else _ratio(own, other)


def skill(actual: Floats, forecast: Floats, reference: Floats) -> float:
    """1 − RelMAE: the share of the reference's error that the forecast saves; WAPE gives the same share."""
    return 1 - rel_mae(actual, forecast, reference)


def geometric_rel_mae(
    actual: Floats, forecast: Floats, reference: Floats, series: npt.NDArray[np.integer]
) -> float:
    """Geometric mean of the RelMAE of each series, clipped to RATIO_BOUNDS: every series counts alike."""
    own = np.bincount(series, np.abs(actual - forecast))
    other = np.bincount(series, np.abs(actual - reference))
    present = np.bincount(series) > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((own == 0) & (other == 0), 1.0, own / other)[present]
    return float(np.exp(_mean(np.log(np.clip(ratio, *RATIO_BOUNDS)))))


def usual_step(price: Floats, season: int = 1) -> Floats:
    """(series,) mean |y_t − y_{t−season}| of `price`, (series, days), at least LEAST_STEP × the mean price.

    In rupiah; NaN for a series without a price.
    """
    step = np.abs(price[:, season:] - price[:, :-season]) if price.shape[1] > season else price[:, :0]
    seen = np.isfinite(step)
    priced = np.isfinite(price)
    mean_step = np.where(seen, step, 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    mean_price = np.where(priced, price, 0).sum(axis=1) / np.maximum(priced.sum(axis=1), 1)
    return np.where(priced.any(axis=1), np.maximum(mean_step, LEAST_STEP * mean_price), np.nan)


def mase(actual: Floats, forecast: Floats, step: Floats) -> float:
    """Mean absolute scaled error: mean(|y − f| / usual step of the series) (Hyndman & Koehler 2006)."""
    return _mean(np.abs(actual - forecast) / step)


def pinball(actual: Floats, quantile: Floats, probability: float) -> float:
    """Quantile loss: mean of max(q·e, (q − 1)·e), e = y − quantile; rupiah."""
    error = actual - quantile
    return _mean(np.maximum(probability * error, (probability - 1) * error))


def mean_pinball(actual: Floats, quantiles: Floats, probabilities: Sequence[float] = DECILES) -> float:
    """Mean quantile loss over (predictions, |Q|) quantiles; rupiah."""
    return float(np.mean([pinball(actual, quantiles[:, nth], q) for nth, q in enumerate(probabilities)]))


def wql(actual: Floats, quantiles: Floats, probabilities: Sequence[float] = DECILES) -> float:
    """Weighted quantile loss, 2·Σ_q Σρ_q / (|Q|·Σ|y|), of (predictions, |Q|) quantiles."""
    loss = mean_pinball(actual, quantiles, probabilities)
    return _ratio(2 * loss * actual.size, np.abs(actual).sum())


def coverage(actual: Floats, lower: Floats, upper: Floats) -> float:
    """Share of predictions with l ≤ y ≤ u."""
    return _mean((lower <= actual) & (actual <= upper))


def width(actual: Floats, lower: Floats, upper: Floats) -> float:
    """Mean relative width: mean((u − l) / y)."""
    return _mean((upper - lower) / actual)


def msis(actual: Floats, lower: Floats, upper: Floats, level: float, step: Floats) -> float:
    """Mean scaled interval score of a central interval of `level`, each scaled by the usual step as in MASE.

    (u − l + 2/(1 − level)·miss) / step (Gneiting & Raftery 2007; Makridakis et al. 2020).
    """
    miss = np.maximum(lower - actual, 0) + np.maximum(actual - upper, 0)
    return _mean((upper - lower + 2 / (1 - level) * miss) / step)


def direction(actual: Floats, forecast: Floats, last: Floats, least: float = 0.01) -> tuple[float, float]:
    """(hit share, share of the more frequent direction) where the log price moved by more than `least`.

    A forecast equal to the last price is a miss.
    """
    move = np.log(actual / last)
    large = np.abs(move) > least
    up = move[large] > 0
    hit = np.sign(forecast - last)[large] == np.sign(move[large])
    return _mean(hit), max(_mean(up), _mean(~up))


def win_rate(origin: npt.NDArray[np.integer], actual: Floats, forecast: Floats, reference: Floats) -> float:
    """Share of origins whose MAE is smaller than the reference's."""
    _, nth = np.unique(origin, return_inverse=True)
    own = np.bincount(nth, np.abs(actual - forecast))
    return _mean(own < np.bincount(nth, np.abs(actual - reference)))


def _mean(values: Floats | Bools) -> float:
    return float(np.mean(values)) if values.size else float("nan")


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
