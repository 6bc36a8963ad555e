"""Correlation of two daily series at many lags, with tests that allow for autocorrelation.

Formulas: effective sample size after Bretherton et al. (1999) for a correlation; moving blocks after Künsch
(1989); false-discovery rate after Benjamini and Hochberg (1995). NaN is a day without a value; nothing is
filled.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from ml.features import rolling

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

YEAR_DAYS = 365.2425
BLOCK_DAYS = 30
DRAWS = 1000
LEAST_EFFECTIVE = 4.0
PLACEBO_FROM_DAYS = 90  # so far apart that the weather of one day does not depend on that of the other
LEAST_PLACEBOS = 100


@dataclass(frozen=True)
class LaggedCorrelation:
    """One value per lag.

    `placebo_p` is one value for all lags: how often displaced x reaches their largest |r|.
    """

    lags: Ints
    r: Floats
    n: Ints
    n_eff: Floats
    p: Floats
    low: Floats
    high: Floats
    placebo_p: float


def deseasonalised(values: Floats, day: Ints) -> Floats:
    """(days,) residuals of a least-squares fit of two waves of the year; NaN stays NaN.

    `day`: day numbers, from any origin.
    """
    angle = 2 * np.pi * day[:, None] / YEAR_DAYS * np.array([1, 2])
    waves = np.hstack([np.ones((len(day), 1)), np.sin(angle), np.cos(angle)])
    known = np.isfinite(values)
    if known.sum() <= waves.shape[1]:
        return np.full(len(values), np.nan)
    weights = np.linalg.lstsq(waves[known], values[known], rcond=None)[0]
    season: Floats = waves @ weights
    return values - season


def lagged_correlation(x: Floats, y: Floats, lags: Ints, resamples: Floats) -> LaggedCorrelation:
    """x at day t − lag against y at day t, both (days,) on a calendar without gaps.

    `resamples`: of resampled_days().
    """
    behind = np.stack([rolling.lagged(x, int(lag)) for lag in lags])
    both = np.isfinite(behind) & np.isfinite(y)
    moments = moments_of(behind, y, both)
    r = correlation(moments.sum(axis=2))
    n = both.sum(axis=1)
    n_eff = effective(both, autocorrelation(x), autocorrelation(y))
    low, high = block_bootstrap(moments, resamples)
    return LaggedCorrelation(
        lags=lags,
        r=r,
        n=n,
        n_eff=n_eff,
        p=p_value(r, n_eff),
        low=low,
        high=high,
        placebo_p=placebo(*of_common_days(x, y, lags), lags, np.nanmax(np.abs(r), initial=0.0)),
    )


def of_common_days(x: Floats, y: Floats, lags: Ints) -> tuple[Floats, Floats]:
    """x and y from the first to the last day that can belong to a pair of known days.

    On a longer calendar a displaced x would meet a few days of y alone, and correlate with them by chance.
    """
    known_x, known_y = np.flatnonzero(np.isfinite(x)), np.flatnonzero(np.isfinite(y))
    if not len(known_x) or not len(known_y):
        return x, y
    longest = int(lags.max())
    first = max(known_x[0], known_y[0] - longest)
    last = min(known_x[-1] + longest, known_y[-1])
    return x[first : last + 1], y[first : last + 1]


def moments_of(x: Floats, y: Floats, both: npt.NDArray[np.bool_]) -> Floats:
    """(6, lags, days): 1, x, y, xy, x², y² where both are known, else 0.

    Centred first, so that the sums stay exact.
    """
    ones = both.astype(float)
    x0 = np.where(both, x - np.nanmean(x), 0.0)
    y0 = np.where(both, y - np.nanmean(y), 0.0)
    return np.stack([ones, x0, y0, x0 * y0, x0 * x0, y0 * y0])


def correlation(sums: Floats) -> Floats:
    """Pearson's r of sums of the six moments along the first axis; NaN without spread."""
    n, x, y, xy, xx, yy = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(np.maximum(xx - x * x / n, 0.0) * np.maximum(yy - y * y / n, 0.0))
        return np.where(spread > 1e-12 * np.sqrt(xx * yy), (xy - x * y / n) / spread, np.nan)


def autocorrelation(z: Floats) -> Floats:
    """(days,) of lags 0.. over the pairs of days that are both known; 0 where no pair is."""
    known = np.isfinite(z)
    centred = np.where(known, z - np.mean(z[known]) if known.any() else 0.0, 0.0)
    pairs = pairs_apart(known.astype(float))
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = np.where(pairs > 0.5, pairs_apart(centred) / pairs, 0.0)
        return np.nan_to_num(covariance / covariance[..., :1])


def pairs_apart(z: Floats) -> Floats:
    """(…, days) sum of z_t·z_{t+k} for k = 0.., along the last axis."""
    days = z.shape[-1]
    spectrum = np.fft.rfft(z, 2 * days)
    return np.fft.irfft(spectrum * np.conj(spectrum), 2 * days)[..., :days]


def effective(both: npt.NDArray[np.bool_], of_x: Floats, of_y: Floats) -> Floats:
    """(lags,) N / (1 + 2·Σ_{k ≤ days/4} (M_k / N)·ρ_x(k)·ρ_y(k)), clipped to [4, N].

    M_k counts the pairs of known days k apart: on a calendar without gaps M_k / N is the textbook's 1 − k/N.
    """
    quarter = both.shape[1] // 4
    apart = pairs_apart(both.astype(float))
    n = np.maximum(apart[:, 0], 1.0)
    inflation = 1 + 2 * (apart[:, 1 : quarter + 1] / n[:, None]) @ (of_x * of_y)[1 : quarter + 1]
    shrunk = np.where(inflation > 0, n / np.where(inflation > 0, inflation, 1.0), n)
    return np.clip(shrunk, LEAST_EFFECTIVE, np.maximum(n, LEAST_EFFECTIVE))


def p_value(r: Floats, n_eff: Floats) -> Floats:
    """Two-sided, t = r·sqrt((n_eff − 2)/(1 − r²)) with n_eff − 2 degrees of freedom."""
    with np.errstate(divide="ignore"):
        t = np.abs(r) * np.sqrt((n_eff - 2) / np.maximum(1 - r * r, 0.0))
    return np.asarray(2 * student.sf(t, n_eff - 2))


def resampled_days(days: int, seed: int, draws: int = DRAWS) -> Floats:
    """(draws, days) how often a resample of moving 30-day blocks draws each day; the calendar is circular."""
    blocks = -(-days // BLOCK_DAYS)
    begun = np.zeros((draws, days))
    starts = np.random.default_rng(seed).integers(0, days, (draws, blocks))
    np.add.at(begun, (np.arange(draws)[:, None], starts), 1.0)
    running = np.cumsum(np.hstack([begun[:, -BLOCK_DAYS:], begun]), axis=1)
    return np.asarray(running[:, BLOCK_DAYS:] - running[:, :days])


def block_bootstrap(moments: Floats, resamples: Floats) -> tuple[Floats, Floats]:
    """(lags,) 2.5th and 97.5th percentile of r over the resamples, the same days for all lags."""
    _, lags, days = moments.shape
    known = moments[0].any(axis=0)  # the sums of other days are 0: prices may be a third of the calendar
    by_day = moments.reshape(-1, days)[:, known]
    sums = (resamples[:, known] @ by_day.T).reshape(len(resamples), 6, lags)
    drawn = correlation(sums.transpose(1, 0, 2))
    with warnings.catch_warnings():  # a lag without any pair is NaN in every draw
        warnings.simplefilter("ignore", RuntimeWarning)
        low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    return low, high


def placebo(x: Floats, y: Floats, lags: Ints, largest: float) -> float:
    """Share of displacements of x by 90 days or more whose largest |r| over the lags is at least `largest`.

    A displaced x keeps its autocorrelation and is unrelated to y. NaN when the calendar is too short for 100
    displacements, or nothing varies.
    """
    span = int(lags.max() - lags.min()) + 1
    shifts = np.arange(PLACEBO_FROM_DAYS, len(x) - PLACEBO_FROM_DAYS - span)
    if len(shifts) < LEAST_PLACEBOS or not largest > 0:
        return float("nan")
    at_any = np.abs(circular(x, y))
    reach = np.fmax.reduce([at_any[shifts + step] for step in range(span)])
    return float((1 + np.sum(reach >= largest - 1e-12)) / (1 + len(shifts)))


def circular(x: Floats, y: Floats) -> Floats:
    """(days,) r of x, displaced circularly by 0, 1, 2.. days, against y."""
    knows_x, knows_y = np.isfinite(x), np.isfinite(y)
    a = np.where(knows_x, x - np.nanmean(x), 0.0)
    b = np.where(knows_y, y - np.nanmean(y), 0.0)
    ones_x, ones_y = knows_x.astype(float), knows_y.astype(float)
    left = np.fft.rfft(np.stack([ones_x, a, ones_x, a, a * a, ones_x]))
    right = np.fft.rfft(np.stack([ones_y, ones_y, b, b, ones_y, b * b]))
    return correlation(np.fft.irfft(np.conj(left) * right, len(x)))


def false_discovery(p: Floats) -> Floats:
    """q values of Benjamini and Hochberg: the smallest rate at which each test is a discovery.

    NaN stays NaN.
    """
    q = np.full(len(p), np.nan)
    known = np.isfinite(p)
    q[known] = false_discovery_control(p[known])
    return q
