"""The formulas of lagged correlation against their textbook form, worked cases and simulations."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from scipy.stats import t as student

from ml.features import rolling
from ml.weather.lagged_correlation import (
    BLOCK_DAYS,
    autocorrelation,
    block_bootstrap,
    circular,
    deseasonalised,
    effective,
    false_discovery,
    lagged_correlation,
    moments_of,
    resampled_days,
)
from scripts.bench.weather_prices import autoregressive_series


def two_series(seed: int, days: int = 600, gaps: bool = True) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, y = autoregressive_series(rng, 0.9, days), autoregressive_series(rng, 0.8, days)
    if gaps:
        x[rng.random(days) < 0.1] = np.nan
        y[np.arange(days) % 7 >= 5] = np.nan
    return x, y


@pytest.mark.parametrize("lag", [0, 1, 17, 60])
def test_r_equals_pearson_over_common_days(lag: int):
    x, y = two_series(1)
    result = lagged_correlation(x, y, np.array([lag]), resampled_days(600, 1, 50))
    pairs = [(x[t - lag], y[t]) for t in range(lag, 600) if np.isfinite(x[t - lag]) and np.isfinite(y[t])]
    assert result.n[0] == len(pairs)
    assert result.r[0] == pytest.approx(pearsonr(*zip(*pairs, strict=True))[0], abs=1e-12)
    t = abs(result.r[0]) * np.sqrt((result.n_eff[0] - 2) / (1 - result.r[0] ** 2))
    assert result.p[0] == pytest.approx(2 * student.sf(t, result.n_eff[0] - 2), rel=1e-9)


def test_effective_sample_equals_the_textbook_on_a_calendar_without_gaps():
    x, y = two_series(2, 400, gaps=False)

    def rho(z: np.ndarray, k: int) -> float:
        z = z - z.mean()
        return float(np.mean(z[: len(z) - k] * z[k:]) / np.mean(z * z))

    inflation = 1 + 2 * sum((1 - k / 400) * rho(x, k) * rho(y, k) for k in range(1, 101))
    result = effective(np.ones((1, 400), dtype=bool), autocorrelation(x), autocorrelation(y))
    assert result[0] == pytest.approx(np.clip(400 / inflation, 4, 400), rel=1e-9)
    assert 20 < result[0] < 200  # far fewer than 400 days


def test_effective_sample_counts_pairs_of_days_on_a_calendar_with_gaps():
    x, y = two_series(3)
    both = np.isfinite(x) & np.isfinite(y)
    rho_x = autocorrelation(x)
    rho_y = autocorrelation(y)
    n = both.sum()
    inflation = 1 + 2 * sum((both[:-k] & both[k:]).sum() / n * rho_x[k] * rho_y[k] for k in range(1, 151))
    assert effective(both[None], rho_x, rho_y)[0] == pytest.approx(n / inflation, rel=1e-9)


def test_resample_consists_of_whole_blocks():
    drawn = resampled_days(100, 5, 20)
    assert drawn.shape == (20, 100) and (drawn >= 0).all()
    assert (drawn.sum(axis=1) == 4 * BLOCK_DAYS).all()  # 100 days need four blocks
    edges = (np.diff(np.hstack([drawn, drawn[:, :1]])) != 0).sum(axis=1)
    assert (edges <= 8).all()


def test_bootstrap_interval_covers_the_true_correlation():
    covered = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x = autoregressive_series(rng, 0.5, 900)
        y = 0.3 * x + np.sqrt(1 - 0.09) * autoregressive_series(rng, 0.5, 900)
        low, high = block_bootstrap(
            moments_of(x[None], y, np.ones((1, 900), dtype=bool)), resampled_days(900, seed, 300)
        )
        covered.append(low[0] <= 0.3 <= high[0])
    assert 0.87 <= np.mean(covered) <= 1.0  # 95 % nominal, 60 draws


def test_circular_displacement_equals_np_roll():
    x, y = two_series(4, 200)
    for shift in (0, 1, 90, 199):
        moved = np.roll(x, shift)
        both = np.isfinite(moved) & np.isfinite(y)
        assert circular(x, y)[shift] == pytest.approx(np.corrcoef(moved[both], y[both])[0, 1], abs=1e-9)


def test_false_discovery_worked_by_hand():
    p = np.array([0.01, 0.04, 0.03, np.nan, 0.20])
    assert false_discovery(p) == pytest.approx([0.04, 0.04 * 4 / 3, 0.04 * 4 / 3, np.nan, 0.20], nan_ok=True)


def test_season_is_removed_and_the_rest_stays():
    day = np.arange(3 * 365)
    rest = np.random.default_rng(1).standard_normal(len(day))
    season = 5 * np.sin(2 * np.pi * day / 365.2425 + 1) + 2 * np.cos(4 * np.pi * day / 365.2425)
    season[100:120] = np.nan
    residuals = deseasonalised(season + rest, day)
    assert np.isnan(residuals[100:120]).all()
    known = np.isfinite(residuals)
    assert np.corrcoef(residuals[known], rest[known])[0, 1] > 0.99


def test_short_or_constant_series_gives_nan_and_no_error():
    nothing = np.full(300, np.nan)
    constant = np.ones(300)
    assert np.isnan(deseasonalised(nothing, np.arange(300))).all()
    result = lagged_correlation(
        constant,
        autoregressive_series(np.random.default_rng(1), 0.5, 300),
        np.arange(3),
        resampled_days(300, 1, 20),
    )
    assert np.isnan(result.r).all() and np.isnan(result.p).all()
    assert np.isnan(rolling.lagged(constant, 2)[:2]).all()


def test_calendar_that_is_longer_than_both_series_changes_no_result():
    x, y = two_series(8)
    lags = np.arange(20)
    empty = np.full(1500, np.nan)
    short = lagged_correlation(x, y, lags, resampled_days(600, 1, 50))
    long = lagged_correlation(
        np.concatenate([empty, x, empty]),
        np.concatenate([empty, y, empty]),
        lags,
        resampled_days(3600, 1, 50),
    )
    assert np.allclose(long.r, short.r)
    # days before the first pair are left out, so that a few displacements differ
    assert long.placebo_p == pytest.approx(short.placebo_p, abs=0.05)


def test_series_of_different_days_have_no_placebo():
    x, y = two_series(9)
    x[300:], y[:300] = np.nan, np.nan
    x[:200], y[400:] = np.nan, np.nan
    assert np.isnan(lagged_correlation(x, y, np.arange(3), resampled_days(600, 1, 50)).placebo_p)
