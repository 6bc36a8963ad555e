"""Laws of every model: unchanged input, reproducible forecasts, no look-ahead, any series accepted."""

import pickle
import random
from dataclasses import replace

import numpy as np
import pytest

from ml.data.panel import Panel
from ml.models.forecaster import HORIZONS, Forecaster
from ml.models.registry import MODELS, ON_DEMAND, PER_SERIES
from tests.support.panels import degenerate, gappy, make_panel, noisy, walks

LATER = 6
EVERY = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in ON_DEMAND else name for name in MODELS]
)


@pytest.fixture(scope="module")
def panel() -> Panel:
    """500 days with gaps, a price level a series, and a year in it."""
    return gappy(walks(7, national=0.4), 7, share=0.05)


@pytest.fixture(scope="module")
def fitted(panel: Panel):
    """Each model fitted once, `LATER` days before the panel ends."""
    models: dict[str, Forecaster] = {}

    def of(name: str) -> Forecaster:
        if name not in models:
            models[name] = new_model(name)
            models[name].fit(panel.until(origin(panel)))
        return models[name]

    return of


def new_model(name: str) -> Forecaster:
    return MODELS[name].make(3, True)


def origin(panel: Panel) -> int:
    return len(panel.days) - 1 - LATER


def random_state() -> tuple[object, ...]:
    return random.getstate(), pickle.dumps(np.random.get_state())


@EVERY
def test_name_of_a_model_is_its_name_in_the_registry(name: str):
    assert new_model(name).name == name


@EVERY
def test_fit_and_predict_change_neither_input_nor_global_random_state(name: str, panel: Panel, fitted):
    fitted(name)  # libraries may draw random numbers when first imported
    given = panel.until(origin(panel))
    before, state = given.price.copy(), random_state()
    given.price.flags.writeable = False
    model = new_model(name)
    model.fit(given)
    model.predict(given)
    np.testing.assert_array_equal(given.price, before)
    assert random_state() == state


@EVERY
def test_forecast_is_a_price_or_nan_per_series_and_horizon(name: str, panel: Panel, fitted):
    horizons = (1, 4, 7, 14, 30)
    forecast = fitted(name).predict(panel.until(origin(panel)), horizons)
    assert forecast.shape == (len(panel.price), len(horizons)) and forecast.dtype == np.float64
    known = np.array(horizons) <= max(
        getattr(fitted(name), "horizons", horizons)
    )  # beyond the fitted horizons: NaN
    assert (forecast[:, known] > 0).all() and np.isnan(forecast[:, ~known]).all()


@EVERY
def test_same_seed_gives_the_same_forecast(name: str, panel: Panel, fitted):
    again = new_model(name)
    again.fit(panel.until(origin(panel)))
    now = panel.until(origin(panel))
    np.testing.assert_array_equal(again.predict(now), fitted(name).predict(now))


@EVERY
def test_pickled_model_gives_the_same_forecast(name: str, panel: Panel, fitted):
    now = panel.until(origin(panel))
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(fitted(name))).predict(now), fitted(name).predict(now)
    )


@EVERY
def test_later_days_change_no_earlier_forecast(name: str, panel: Panel, fitted):
    """Other prices after the origin do not change the forecast, also after a forecast of later days."""
    now = panel.until(origin(panel))
    before = fitted(name).predict(now)
    fitted(name).predict(panel)
    changed = panel.price.copy()
    changed[:, origin(panel) + 1 :] *= 3
    np.testing.assert_array_equal(
        fitted(name).predict(replace(panel, price=changed).until(origin(panel))), before
    )


@EVERY
def test_days_after_the_fit_change_the_forecast(name: str, panel: Panel, fitted):
    """A model that was fitted some days ago uses the days since."""
    assert not np.allclose(
        fitted(name).predict(panel), fitted(name).predict(panel.until(origin(panel))), rtol=1e-4
    )


@EVERY
def test_forecast_of_a_horizon_does_not_depend_on_the_other_horizons(name: str, panel: Panel, fitted):
    now = panel.until(origin(panel))
    np.testing.assert_allclose(
        fitted(name).predict(now, (5,))[:, 0], fitted(name).predict(now, HORIZONS)[:, 4], rtol=1e-6
    )


@EVERY
def test_degenerate_series_give_a_positive_price_or_nan(name: str):
    broken = degenerate(150)
    for day in (0, 1, 74, 149):
        model = new_model(name)
        model.fit(broken.until(day))
        forecast = model.predict(broken.until(day), (1, 7, 30))
        assert forecast.shape == (len(broken.price), 3)
        assert (np.isnan(forecast) | (forecast > 0)).all() and not np.isinf(forecast).any()
        empty = broken.commodities.index("empty")
        assert np.isnan(forecast[empty]).all()


@EVERY
@pytest.mark.parametrize("shape", [(0, 200), (12, 0)])
def test_panel_without_prices_is_no_error(name: str, shape: tuple[int, int]):
    commodities = ("kentang", "teh", "kol") if shape[0] else ()
    model = new_model(name)
    empty = make_panel(np.full(shape, np.nan), commodities)
    model.fit(empty)
    assert model.predict(empty).shape == (shape[0], len(HORIZONS))


@EVERY
def test_a_new_or_missing_series_is_no_error(name: str, panel: Panel, fitted):
    """A province that began to report after the fit is forecast or NaN; one that stopped is not forecast."""
    now = panel.until(origin(panel))
    rows = [*range(1, len(now.price)), 0]
    renamed = replace(
        now,
        commodities=tuple(now.commodities[row] for row in rows[1:]),
        regions=tuple(now.regions[row] for row in rows[1:-1]) + ("99",),
        units=now.units[1:],
        price=now.price[rows[1:]],
    )
    forecast = fitted(name).predict(renamed)
    assert forecast.shape == (len(rows) - 1, len(HORIZONS))
    silent = now.price.copy()
    silent[:2] = np.nan
    np.testing.assert_allclose(forecast[:3], fitted(name).predict(replace(now, price=silent))[2:5], rtol=0.02)


@EVERY
def test_forecast_scales_with_the_unit_of_money(name: str, panel: Panel, fitted):
    thousandfold = replace(panel, price=panel.price * 1000).until(origin(panel))
    model = new_model(name)
    model.fit(thousandfold)
    ratio = model.predict(thousandfold) / fitted(name).predict(panel.until(origin(panel)))
    np.testing.assert_allclose(ratio, 1000, rtol=5e-3)


def gain(name: str, panels: list[Panel], window: int = 60) -> float:
    """Student's t of the loss of naive minus that of the model. Each panel gives one mean over origins."""
    gains = []
    for panel in panels:
        days = len(panel.days)
        model = new_model(name)
        differences = []
        model.fit(panel.until(days - window - 1))
        for day in range(days - window - 1, days - 8, 7):
            now = panel.until(day)
            actual = np.log(panel.price[:, day + 1 : day + 8])
            naive = np.abs(np.log(now.filled[:, -1:]) - actual)
            differences.append(np.nanmean(naive - np.abs(np.log(model.predict(now)) - actual)))
        gains.append(np.mean(differences))
    return float(np.mean(gains) / (np.std(gains, ddof=1) / np.sqrt(len(gains))))


@pytest.mark.parametrize(
    "name", [name for name, spec in MODELS.items() if name != "naive" and not spec.learns or spec.per_series]
)
def test_no_model_gains_on_random_walks(name: str):
    assert gain(name, [walks(seed, 260, commodities=("teh",)) for seed in range(8)]) < 2


@pytest.mark.parametrize("name", sorted(PER_SERIES))
def test_per_series_model_gains_on_noisy_prices(name: str):
    assert gain(name, [noisy(seed, 260, commodities=("teh",)) for seed in range(8)]) > 2
