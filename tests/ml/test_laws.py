"""Laws over every model: what it is given stays as it was, its answers depend on nothing else, broken series do not break it."""

import pickle
import random
from dataclasses import replace

import numpy as np
import pytest

from ml.forecaster import HORIZONS, Forecaster
from ml.models import MODELS
from ml.panel import Panel
from tests.ml.made_panels import degenerate, gappy, made, noisy, walks

LATER = 6
EVERY = pytest.mark.parametrize("name", MODELS)
BY_SERIES = ("ses", "ets", "theta", "arima")


@pytest.fixture(scope="module")
def panel() -> Panel:
    """500 days with gaps, a price level a series, and a year in it."""
    return gappy(walks(7, national=0.4), 7, share=0.05)


@pytest.fixture(scope="module")
def fitted(panel: Panel):
    """Each model fitted once, `LATER` days before the panel ends."""
    kept: dict[str, Forecaster] = {}

    def of(name: str) -> Forecaster:
        if name not in kept:
            kept[name] = made_model(name)
            kept[name].fit(panel.until(origin(panel)))
        return kept[name]

    return of


def made_model(name: str) -> Forecaster:
    return MODELS[name](3, True)


def origin(panel: Panel) -> int:
    return len(panel.days) - 1 - LATER


def dice() -> tuple[object, ...]:
    return random.getstate(), pickle.dumps(np.random.get_state())


@EVERY
def test_a_model_is_called_by_its_name(name: str):
    assert made_model(name).name == name


@EVERY
def test_input_and_global_state_stay_as_they_were(name: str, panel: Panel, fitted):
    fitted(name)  # libraries may roll dice when they are first imported
    given = panel.until(origin(panel))
    before, rolled = given.price.copy(), dice()
    given.price.flags.writeable = False
    model = made_model(name)
    model.fit(given)
    model.forecast(given)
    np.testing.assert_array_equal(given.price, before)
    assert dice() == rolled


@EVERY
def test_answers_are_prices_or_nan_one_for_each_series_and_horizon(name: str, panel: Panel, fitted):
    asked = (1, 4, 7, 14, 30)
    answer = fitted(name).forecast(panel.until(origin(panel)), asked)
    assert answer.shape == (len(panel.price), len(asked)) and answer.dtype == np.float64
    known = np.array(asked) <= max(getattr(fitted(name), "horizons", asked))  # beyond what was learned: nothing
    assert (answer[:, known] > 0).all() and np.isnan(answer[:, ~known]).all()


@EVERY
def test_the_same_seed_gives_the_same_answer(name: str, panel: Panel, fitted):
    again = made_model(name)
    again.fit(panel.until(origin(panel)))
    now = panel.until(origin(panel))
    np.testing.assert_array_equal(again.forecast(now), fitted(name).forecast(now))


@EVERY
def test_a_saved_model_answers_as_before(name: str, panel: Panel, fitted):
    now = panel.until(origin(panel))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted(name))).forecast(now), fitted(name).forecast(now))


@EVERY
def test_later_days_change_no_earlier_answer(name: str, panel: Panel, fitted):
    """A panel with another future, cut at the origin, gets the same answer, also after the model was asked about later days."""
    now = panel.until(origin(panel))
    before = fitted(name).forecast(now)
    fitted(name).forecast(panel)
    changed = panel.price.copy()
    changed[:, origin(panel) + 1 :] *= 3
    np.testing.assert_array_equal(fitted(name).forecast(replace(panel, price=changed).until(origin(panel))), before)


@EVERY
def test_later_days_do_change_later_answers(name: str, panel: Panel, fitted):
    """A model fitted a few days ago knows the days since."""
    assert not np.allclose(fitted(name).forecast(panel), fitted(name).forecast(panel.until(origin(panel))), rtol=1e-4)


@EVERY
def test_one_horizon_alone_is_the_same_as_among_others(name: str, panel: Panel, fitted):
    now = panel.until(origin(panel))
    np.testing.assert_allclose(fitted(name).forecast(now, (5,))[:, 0], fitted(name).forecast(now, HORIZONS)[:, 4], rtol=1e-6)


@EVERY
def test_broken_series_break_nothing(name: str):
    broken = degenerate(150)
    for day in (0, 1, 74, 149):
        model = made_model(name)
        model.fit(broken.until(day))
        answer = model.forecast(broken.until(day), (1, 7, 30))
        assert answer.shape == (len(broken.price), 3)
        assert (np.isnan(answer) | (answer > 0)).all() and not np.isinf(answer).any()
        empty = broken.commodities.index("empty")
        assert np.isnan(answer[empty]).all()


@EVERY
@pytest.mark.parametrize("shape", [(0, 200), (12, 0)])
def test_nothing_to_learn_from_is_no_error(name: str, shape: tuple[int, int]):
    goods = ("kentang", "teh", "kol") if shape[0] else ()
    model, nothing = made_model(name), made(np.full(shape, np.nan), goods)
    model.fit(nothing)
    assert model.forecast(nothing).shape == (shape[0], len(HORIZONS))


@EVERY
def test_a_new_or_missing_series_is_no_error(name: str, panel: Panel, fitted):
    """A province that began to report after the fit is NaN or forecast; one that left is not asked for."""
    now = panel.until(origin(panel))
    rows = [*range(1, len(now.price)), 0]
    renamed = replace(
        now,
        commodities=tuple(now.commodities[row] for row in rows[1:]),
        regions=tuple(now.regions[row] for row in rows[1:-1]) + ("99",),
        units=now.units[1:],
        price=now.price[rows[1:]],
    )
    answer = fitted(name).forecast(renamed)
    assert answer.shape == (len(rows) - 1, len(HORIZONS))
    silent = now.price.copy()
    silent[:2] = np.nan
    np.testing.assert_allclose(answer[:3], fitted(name).forecast(replace(now, price=silent))[2:5], rtol=0.02)


@EVERY
def test_the_unit_of_money_does_not_matter(name: str, panel: Panel, fitted):
    dear = replace(panel, price=panel.price * 1000).until(origin(panel))
    model = made_model(name)
    model.fit(dear)
    ratio = model.forecast(dear) / fitted(name).forecast(panel.until(origin(panel)))
    np.testing.assert_allclose(ratio, 1000, rtol=5e-3)


def gain(name: str, panels: list[Panel], window: int = 60) -> float:
    """Student's t of naive's loss minus the model's, a panel's mean over origins being one draw."""
    gains = []
    for one in panels:
        days, model, lost = len(one.days), made_model(name), []
        model.fit(one.until(days - window - 1))
        for day in range(days - window - 1, days - 8, 7):
            now, actual = one.until(day), np.log(one.price[:, day + 1 : day + 8])
            naive = np.abs(np.log(now.filled[:, -1:]) - actual)
            lost.append(np.nanmean(naive - np.abs(np.log(model.forecast(now)) - actual)))
        gains.append(np.mean(lost))
    return float(np.mean(gains) / (np.std(gains, ddof=1) / np.sqrt(len(gains))))


@pytest.mark.parametrize("name", ["drift", "seasonal_naive", *BY_SERIES])
def test_nobody_gains_on_random_walks(name: str):
    assert gain(name, [walks(seed, 260, goods=("teh",)) for seed in range(8)]) < 2


@pytest.mark.parametrize("name", BY_SERIES)
def test_smoothing_gains_where_the_survey_is_noisy(name: str):
    assert gain(name, [noisy(seed, 260, goods=("teh",)) for seed in range(8)]) > 2
