"""Models of single series: naive forms by hand, reporting grid, national series, LSTM windows, feasts."""

from dataclasses import replace

import numpy as np
import pytest

from ml.data.panel import Panel
from ml.features import rolling
from ml.features.inputs import usual_moves
from ml.models import reporting_grid
from ml.models.forecaster import scale
from ml.models.lstm import build_windows, window_ends
from ml.models.national import national_panel
from ml.models.prophet import _feasts
from ml.models.registry import MODELS
from tests.support.panels import gappy, make_panel, walks

NAN = np.nan
FRIDAY = np.datetime64("2024-03-01")


def one_series(*price: float) -> Panel:
    """One series from Monday 2024-02-26 on."""
    return make_panel(np.array([price], dtype=float), ("teh",), ("32",), "2024-02-26")


@pytest.mark.parametrize(
    ("name", "price", "horizons", "expected"),
    [
        ("naive", (10, 12, NAN), (1, 7), (12, 12)),
        ("drift", (10, 20, 40), (1, 2), (80, 160)),
        ("drift", (10, 20, 40, NAN), (1,), (160,)),  # the line continues from the last observation
        ("drift", (NAN, 40, NAN), (1,), (40,)),
        ("seasonal_naive", (1, 2, 3, 4, 5, 6, 7, 8), (1, 6, 7, 8, 14, 15), (2, 7, 8, 2, 8, 2)),
        (
            "seasonal_naive",
            (1, NAN, 3, 4, 5, 6, 7, 8),
            (1,),
            (1,),
        ),  # missing a week ago: the last price before
        ("seasonal_naive", (1, 2), (1, 7), (NAN, 2)),
    ],
)
def test_naive_forms_worked_by_hand(
    name: str, price: tuple[float, ...], horizons: tuple[int, ...], expected: tuple[float, ...]
):
    np.testing.assert_allclose(MODELS[name].make(0, False).predict(one_series(*price), horizons)[0], expected)


def test_source_without_weekend_reports_is_detected():
    assert reporting_grid.frozen_at_weekends(gappy(walks(1), 1, frozen_weekends=True))
    assert not reporting_grid.frozen_at_weekends(gappy(walks(1), 1))


def test_daily_source_of_stable_prices_is_not_frozen_at_weekends():
    walk = walks(2)
    still = np.random.default_rng(0).random(walk.price.shape) < 0.95
    still[:, 0] = False
    kept = np.maximum.accumulate(np.where(still, 0, np.arange(walk.price.shape[1])), axis=1)
    assert not reporting_grid.frozen_at_weekends(
        replace(walk, price=np.take_along_axis(walk.price, kept, axis=1))
    )


def test_history_holds_the_observed_days_of_the_grid():
    panel = gappy(walks(1, 300), 1, frozen_weekends=True)
    business = np.is_busday(panel.days)
    for history, price in zip(reporting_grid.histories(panel, panel.days[0]), panel.price, strict=True):
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
def test_steps_from_origin_to_target(
    business: bool, density: float, origin: np.datetime64, expected: tuple[int, ...]
):
    history = reporting_grid.SeriesHistory(np.zeros(3), np.array([origin] * 3), density, business)
    assert reporting_grid.steps_ahead(history, origin, (1, 2, 3, 7)).tolist() == list(expected)


@pytest.mark.parametrize("name", ["ses", "theta"])
def test_weekend_of_a_frozen_source_is_forecast_as_friday(name: str):
    panel = gappy(walks(1, 300), 1, frozen_weekends=True)
    thursday = int(np.flatnonzero(np.is_busday(panel.days, weekmask="Thu"))[-1])
    model = MODELS[name].make(0, False)
    model.fit(panel.until(thursday))
    forecast = model.predict(panel.until(thursday))
    np.testing.assert_array_equal(forecast[:, [1, 2]], forecast[:, [0, 0]])


def test_national_price_is_the_median_of_provinces_that_reported_within_30_days():
    days = 60
    price = np.repeat([[10.0], [20.0], [40.0]], days, axis=1)
    price[2, 1:] = NAN  # silent: counts for 30 days
    price[:, 5] = NAN  # no province reports
    country = national_panel(make_panel(price, ("teh",), ("11", "32", "51")))
    assert country.regions == ("ID",) and country.commodities == ("teh",)
    np.testing.assert_array_equal(country.price[0, [0, 4, 5, 30, 31, 59]], [20, 20, NAN, 20, 15, 15])


def test_reported_national_series_is_not_part_of_the_median():
    panel = make_panel(np.array([[10.0] * 5, [20.0] * 5, [99.0] * 5]), ("teh",), ("11", "32", "ID"))
    assert (national_panel(panel).price == 15).all()
    alone = make_panel(np.array([[99.0] * 5]), ("teh",), ("ID",))
    assert (national_panel(alone).price == 99).all()


def test_scale_of_a_day_equals_that_of_the_panel_cut_there():
    panel = gappy(walks(3, 400), 3)
    y = np.log(panel.filled)
    moves = usual_moves(y - rolling.lagged(y, 1), np.isfinite(panel.price))
    for day in (0, 1, 100, 180, 181, 399):
        np.testing.assert_allclose(moves[:, day], scale(panel.until(day)), rtol=1e-9)


def test_window_depends_on_no_day_after_its_origin():
    panel = gappy(walks(3, 120), 3)
    series, origin = window_ends(panel, 28)
    assert origin.min() == 27 and origin.max() == 119
    chosen = origin == 90
    past = build_windows(panel, 28, (1, 7), series[chosen], origin[chosen])
    cut = build_windows(panel.until(90), 28, (1, 7), series[chosen], origin[chosen])
    np.testing.assert_array_equal(past.path, cut.path)
    np.testing.assert_array_equal(past.weight, cut.weight)
    assert np.isnan(cut.change).all()
    expected = np.log(panel.price[series[chosen], 97] / panel.filled[series[chosen], 90])
    np.testing.assert_allclose(past.change[:, 1] * past.weight * np.sqrt(7), expected, rtol=1e-4)


def test_feasts_of_a_year_are_known_without_estimates():
    feasts = _feasts(np.arange("2023-01-01", "2023-12-31", dtype="datetime64[D]")).set_index("holiday")
    assert "2024-04-10" in feasts.loc["Eid al-Fitr", "ds"].astype(str).tolist()
    assert not feasts.index.str.contains("estimated").any()
    assert feasts["lower_window"].min() == -7 and feasts["upper_window"].max() == 3
