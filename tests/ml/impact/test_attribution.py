"""Attribution on panels with known drivers: who drives, how much, and that noise explains nothing."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from lakehouse.impact import FACTORS, UNEXPLAINED
from ml.data.panel import ExogenousSeries, NothingToLearn
from ml.impact.factors import factor_inputs
from ml.impact.fit import SHOWN_DAYS, Attributions, attribute
from ml.impact.job import impact_rows
from tests.ml.impact.driven_panels import driven
from tests.support.panels import walks

ALL = {
    "cuaca": 1.0,
    "hama": 0.6,
    "distribusi": 0.5,
    "oversupply": 0.7,
    "musim": 0.8,
    "permintaan_nasional": 0.9,
}


def shares(attributions: Attributions) -> np.ndarray:
    """(cells, 6) sizes of the factors' contributions, of the cells with a known change."""
    known = np.isfinite(attributions.contributions[UNEXPLAINED])
    return np.abs(np.stack([attributions.contributions[factor][known] for factor in FACTORS], axis=1))


def test_dominant_factor_is_named_and_shares_rank_as_the_true_ones() -> None:
    """Over four panels: the shown month of a single one is nearly one draw of season and national move."""
    right, ranks = [], []
    for seed in range(1, 5):
        simulated = driven(seed, ALL, noise=0.3)
        attributions = attribute(simulated.panel)
        known = np.isfinite(attributions.contributions[UNEXPLAINED])
        true = np.abs(np.stack([simulated.parts[f][:, -SHOWN_DAYS:][known] for f in FACTORS], axis=1))
        measured = shares(attributions)
        right.append(np.mean(true.argmax(axis=1) == measured.argmax(axis=1)))
        ranks += [spearmanr(a, b).statistic for a, b in zip(true[::7], measured[::7], strict=True)]
    assert np.mean(right) >= 0.8
    assert np.mean(ranks) >= 0.8


@pytest.mark.parametrize("factor", FACTORS)
def test_single_driver_is_named_as_dominant(factor: str) -> None:
    rows = impact_rows(attribute(driven(5, {factor: 1.0}, noise=0.3).panel))
    named = [row["dominant_factor"] == factor for row in rows if abs(row["change"]) > 0.05]
    assert len(named) > 30 and np.mean(named) >= 0.8


def test_parts_add_up_to_the_change() -> None:
    for row in impact_rows(attribute(driven(3, ALL, noise=0.5).panel)):
        total = sum(row[name] for name in (*FACTORS, UNEXPLAINED))
        assert total == pytest.approx(row["change"], abs=1e-3)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_noise_is_unexplained(seed: int) -> None:
    """Drivers that have nothing to do with the prices, which are random walks."""
    noise = walks(100 + seed, 700, ("cabai-rawit-merah", "bawang-merah"), ("11", "31", "32", "33", "35"))
    drivers = driven(seed, {}, noise=1.0, days=700).panel
    exogenous = tuple(replace(series, value=series.value[: len(noise.price)]) for series in drivers.exogenous)
    rows = impact_rows(attribute(noise.with_exogenous(exogenous)))
    assert np.mean([row["unexplained_pct"] for row in rows]) >= 90


def test_permuted_inputs_of_a_factor_lose_their_weight() -> None:
    simulated = driven(4, {"cuaca": 1.0, "musim": 0.5}, noise=0.3)
    rng = np.random.default_rng(1)
    shuffled = tuple(
        replace(series, value=rng.permuted(series.value, axis=1)) if series.name == "rainfall_mm" else series
        for series in simulated.panel.exogenous
    )
    before = shares(attribute(simulated.panel)).mean(axis=0)
    after = shares(attribute(simulated.panel.with_exogenous(shuffled))).mean(axis=0)
    weather = FACTORS.index("cuaca")
    assert after[weather] < 0.2 * before[weather]


def test_factor_without_data_is_unavailable_and_has_no_share() -> None:
    simulated = driven(6, {"musim": 1.0}, noise=0.3)
    rows = impact_rows(attribute(simulated.panel.with_exogenous(())))
    for row in rows:
        assert set(row["unavailable"]) == {"cuaca", "hama", "oversupply"}
        assert row["cuaca"] == row["hama"] == row["oversupply"] == 0


def test_fit_does_not_see_the_days_that_it_explains() -> None:
    """Other prices in the shown days change their attribution, not the fit."""
    panel = driven(7, ALL, noise=0.3).panel
    price = panel.price.copy()
    price[:, -SHOWN_DAYS:] *= 1.3
    fits = [attribute(given).fits for given in (panel, replace(panel, price=price))]
    for volatility, fit in fits[0].items():
        if volatility in fits[1]:
            np.testing.assert_array_equal(fit.coefficients, fits[1][volatility].coefficients)


def test_rain_where_a_commodity_is_grown_is_an_input_elsewhere() -> None:
    panel = walks(1, 90, ("bawang-merah", "garam"), ("31", "33", "35"))
    fallen = np.array([{"31": 1.0, "33": 10.0, "35": 20.0}[region] for region in panel.regions])
    rain = ExogenousSeries("rainfall_mm", "mm a day", np.repeat(fallen[:, None], 90, axis=1))
    inputs = factor_inputs(panel.with_exogenous((rain,)), np.ones(panel.price.shape))["cuaca"]
    shallot = panel.rows_of("bawang-merah")
    np.testing.assert_allclose(inputs["rain7"][:, -1], fallen)
    np.testing.assert_allclose(inputs["producer_rain60"][shallot, -1], 15.0)
    assert np.isnan(inputs["producer_rain60"][panel.rows_of("garam")]).all(), "nobody is listed as its grower"


def test_too_few_prices_are_refused() -> None:
    with pytest.raises(NothingToLearn):
        attribute(walks(1, days=40, commodities=("teh",), regions=("11", "32")))
