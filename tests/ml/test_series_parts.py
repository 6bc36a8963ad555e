"""What models of single series stand on: naive forms by hand, grid and steps, the national series, windows, feasts."""

from dataclasses import replace

import numpy as np
import pytest

from ml import grid
from ml.forecaster import scale
from ml.models import MODELS
from ml.national import national
from ml.panel import Panel
from ml.prophet_model import _feasts
from ml.windows import cells, scales, windows
from tests.ml.made_panels import gappy, made, walks

NAN = np.nan
FRIDAY = np.datetime64("2024-03-01")


def one(*price: float) -> Panel:
    """One series from Monday 2024-02-26 on."""
    return made(np.array([price], dtype=float), ("teh",), ("32",), "2024-02-26")


@pytest.mark.parametrize(
    ("name", "price", "horizons", "expected"),
    [
        ("naive", (10, 12, NAN), (1, 7), (12, 12)),
        ("drift", (10, 20, 40), (1, 2), (80, 160)),
        ("drift", (10, 20, 40, NAN), (1,), (160,)),  # the line goes on from the last observation
        ("drift", (NAN, 40, NAN), (1,), (40,)),
        ("seasonal_naive", (1, 2, 3, 4, 5, 6, 7, 8), (1, 6, 7, 8, 14, 15), (2, 7, 8, 2, 8, 2)),
        ("seasonal_naive", (1, NAN, 3, 4, 5, 6, 7, 8), (1,), (1,)),  # absent a week ago: what was known then
        ("seasonal_naive", (1, 2), (1, 7), (NAN, 2)),
    ],
)
def test_naive_forms_by_hand(name: str, price: tuple[float, ...], horizons: tuple[int, ...], expected: tuple[float, ...]):
    np.testing.assert_allclose(MODELS[name](0, False).forecast(one(*price), horizons)[0], expected)


def test_a_source_that_sleeps_at_weekends_is_seen():
    assert grid.frozen_at_weekends(gappy(walks(1), 1, frozen_weekends=True))
    assert not grid.frozen_at_weekends(gappy(walks(1), 1))


def test_goods_that_hardly_move_do_not_freeze_a_daily_source():
    walk = walks(2)
    still = np.random.default_rng(0).random(walk.price.shape) < 0.95
    still[:, 0] = False
    kept = np.maximum.accumulate(np.where(still, 0, np.arange(walk.price.shape[1])), axis=1)
    assert not grid.frozen_at_weekends(replace(walk, price=np.take_along_axis(walk.price, kept, axis=1)))


def test_history_is_what_was_observed_on_the_grid():
    panel = gappy(walks(1, 300), 1, frozen_weekends=True)
    business = np.is_busday(panel.days)
    for history, price in zip(grid.histories(panel, panel.days[0]), panel.price, strict=True):
        seen = business & np.isfinite(price)
        np.testing.assert_allclose(history.values, np.log(price[seen]))
        assert history.business and (history.days == panel.days[seen]).all() and 0.8 < history.density <= 1


@pytest.mark.parametrize(
    ("business", "density", "origin", "expected"),
    [
        (False, 1.0, FRIDAY, (1, 2, 3, 7)),
        (True, 1.0, FRIDAY, (0, 0, 1, 5)),  # Saturday and Sunday are Friday
        (True, 1.0, FRIDAY + 1, (0, 1, 2, 5)),  # from Saturday
        (False, 1 / 7, FRIDAY, (1, 1, 1, 1)),  # a weekly reporter
    ],
)
def test_steps_from_origin_to_target(business: bool, density: float, origin: np.datetime64, expected: tuple[int, ...]):
    history = grid.History(np.zeros(3), np.array([origin] * 3), density, business)
    assert grid.steps(history, origin, (1, 2, 3, 7)).tolist() == list(expected)


@pytest.mark.parametrize("name", ["ses", "theta"])
def test_a_frozen_weekend_is_forecast_as_friday(name: str):
    panel = gappy(walks(1, 300), 1, frozen_weekends=True)
    thursday = int(np.flatnonzero(np.is_busday(panel.days, weekmask="Thu"))[-1])
    model = MODELS[name](0, False)
    model.fit(panel.until(thursday))
    answer = model.forecast(panel.until(thursday))
    np.testing.assert_array_equal(answer[:, [1, 2]], answer[:, [0, 0]])


def test_the_national_price_is_the_median_of_fresh_provinces():
    days = 60
    price = np.repeat([[10.0], [20.0], [40.0]], days, axis=1)
    price[2, 1:] = NAN  # silent: counts for 30 days, then no more
    price[:, 5] = NAN  # nobody: not observed
    country = national(made(price, ("teh",), ("11", "32", "51")))
    assert country.regions == ("ID",) and country.commodities == ("teh",)
    np.testing.assert_array_equal(country.price[0, [0, 4, 5, 30, 31, 59]], [20, 20, NAN, 20, 15, 15])


def test_a_national_series_that_is_given_stays_out_of_its_own_median():
    panel = made(np.array([[10.0] * 5, [20.0] * 5, [99.0] * 5]), ("teh",), ("11", "32", "ID"))
    assert (national(panel).price == 15).all()
    alone = made(np.array([[99.0] * 5]), ("teh",), ("ID",))
    assert (national(alone).price == 99).all()


def test_the_scale_of_each_day_is_that_of_the_panel_cut_there():
    panel = gappy(walks(3, 400), 3)
    for day in (0, 1, 100, 180, 181, 399):
        np.testing.assert_allclose(scales(panel)[:, day], scale(panel.until(day)), rtol=1e-9)


def test_a_window_holds_nothing_after_its_origin():
    panel = gappy(walks(3, 120), 3)
    series, origin = cells(panel, 28)
    assert origin.min() == 27 and origin.max() == 119
    chosen = origin == 90
    past = windows(panel, 28, (1, 7), series[chosen], origin[chosen])
    cut = windows(panel.until(90), 28, (1, 7), series[chosen], origin[chosen])
    np.testing.assert_array_equal(past.path, cut.path)
    np.testing.assert_array_equal(past.weight, cut.weight)
    assert np.isnan(cut.change).all()
    expected = np.log(panel.price[series[chosen], 97] / panel.filled[series[chosen], 90])
    np.testing.assert_allclose(past.change[:, 1] * past.weight * np.sqrt(7), expected, rtol=1e-4)


def test_feasts_are_known_a_year_ahead():
    feasts = _feasts(np.arange("2023-01-01", "2023-12-31", dtype="datetime64[D]")).set_index("holiday")
    assert "2024-04-10" in feasts.loc["Eid al-Fitr", "ds"].astype(str).tolist()
    assert not feasts.index.str.contains("estimated").any()
    assert feasts["lower_window"].min() == -7 and feasts["upper_window"].max() == 3
