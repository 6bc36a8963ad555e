"""Laws of the features: none uses a later day, and an independent SQL computes the same values."""

from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import pytest

from ml.data import holidays
from ml.data.panel import SECOND_PRICE, ExogenousSeries, Panel
from ml.features import FEATURES, feature_matrix, latest_features
from ml.features.inputs import FeatureInputs
from ml.features.related_series import find_related_series
from ml.models.forecaster import scale
from tests.support.panels import gappy, walks

COMMODITIES = ("bawang-merah", "kentang", "teh")  # one that the reference list knows, with a ceiling
REGIONS = ("11", "12", "32", "33", "34", "elsewhere")


@pytest.fixture(scope="module")
def panel() -> Panel:
    panel = gappy(
        walks(5, days=460, commodities=COMMODITIES, regions=REGIONS, national=0.4, first="2023-02-01"),
        6,
        share=0.06,
    )
    random = np.random.default_rng(7)
    days = panel.price.shape[1]
    rate = np.where(
        random.random(days) < 0.7, 15_000 * np.exp(np.cumsum(0.004 * random.standard_normal(days))), np.nan
    )
    second = 1.1 * panel.price * np.exp(0.02 * random.standard_normal(panel.price.shape))
    second[random.random(second.shape) < 0.3] = np.nan
    rain = random.gamma(1.0, 8.0, (len(panel.regions), days))
    price = panel.price.copy()
    price[panel.rows_of("teh")] *= (
        price[panel.rows_of("kentang")] / 18_000
    )  # two commodities that move together
    exogenous = (
        ExogenousSeries("fx-usd-idr", "IDR per USD", rate),
        ExogenousSeries("rainfall_mm", "mm a day", rain),
        ExogenousSeries(SECOND_PRICE, "IDR", second),
    )
    return replace(panel, price=price, exogenous=exogenous)


def features_of_day(panel: Panel, inputs: FeatureInputs, day: int) -> np.ndarray:
    rows = np.arange(len(panel.commodities))
    return feature_matrix(inputs, FEATURES, rows, np.full(len(rows), day))


def test_each_feature_has_one_name_a_definition_and_an_availability():
    assert len(FEATURES) >= 60
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    assert all(feature.definition and feature.available for feature in FEATURES)


def test_deleting_later_days_changes_no_feature(panel):
    origin = 400
    related = find_related_series(panel.until(300))  # found before: it is part of the model
    whole, cut = FeatureInputs(panel, related), FeatureInputs(panel.until(origin), related)
    for day in (origin, origin - 1, 250):
        from_whole, from_cut = features_of_day(panel, whole, day), features_of_day(panel, cut, day)
        different = [
            feature.name
            for column, feature in enumerate(FEATURES)
            if from_whole[:, column].tobytes() != from_cut[:, column].tobytes()
        ]
        assert different == []


def test_related_series_depend_on_no_later_day(panel):
    spoiled = replace(
        panel, price=np.where(np.arange(panel.price.shape[1]) > 300, panel.price * 7, panel.price)
    )
    expected, related = find_related_series(panel.until(300)), find_related_series(spoiled.until(300))
    assert all(
        np.array_equal(getattr(expected, name), getattr(related, name))
        for name in expected.__dataclass_fields__
    )


def test_features_without_data_are_nan_and_all_others_have_values(panel):
    matrix = features_of_day(
        panel, FeatureInputs(panel, find_related_series(panel)), panel.price.shape[1] - 1
    )
    empty = {
        feature.name for column, feature in enumerate(FEATURES) if not np.isfinite(matrix[:, column]).any()
    }
    without_data = {
        "palm_oil28",
        "wheat28",
        "sugar28",
        "crude28",
        "palm_oil7",
        "inflation",
        "temperature7_z",
        "humidity7_z",
        *("family1", "family3", "family7", "family_gap"),  # no two of the commodities are of one group
    }
    assert empty == without_data
    assert len(FEATURES) - len(empty) >= 60


SQL = """
with filled as (
  select series, commodity, region, day, price is not null as seen,
    ln(last_value(price ignore nulls) over w) as y
  from prices window w as (partition by series order by day)),
moved as (select *, y - lag(y, 1) over w as r1, y - lag(y, 7) over w as r7, y - lag(y, 28) over w as r28
  from filled window w as (partition by series order by day)),
scaled as (select *,
    sum(case when seen then abs(r1) end) over half
      / greatest(count(case when seen and r1 is not null then 1 end) over half, 1) + 1e-4 as v
  from moved window half as (partition by series order by day rows between 179 preceding and current row)),
nation as (select day, commodity, sum(greatest(least(r7, .5), -.5)) as total, count(r7) as provinces,
    median(y) as level,
    avg(case when r7 is null then null when r7 > .01 then 1 else 0 end) as up, stddev_pop(y) as wide
  from scaled group by day, commodity),
basket as (select day, region, sum(greatest(least(r7 / v, 30), -30)) as total, count(r7) as commodities
  from scaled group by all),
joined as (select s.*, n.level, n.up, n.wide, s.y - n.level as g,
    (n.total - greatest(least(s.r7, .5), -.5)) / (n.provinces - 1) as n7,
    (b.total - greatest(least(s.r7 / s.v, 30), -30)) / (b.commodities - 1) as basket
  from scaled s join nation n using (day, commodity) join basket b on b.day = s.day and b.region = s.region)
select *, avg(y) over (partition by series order by day rows between 13 preceding and current row) as ma14,
  stddev_pop(r1) over (partition by series order by day rows between 27 preceding and current row) as sd28,
  median(g) over (partition by series order by day rows between 89 preceding and current row) as usual,
  max(abs(r1)) over (partition by series order by day rows between 27 preceding and current row) as largest,
  sum(case when seen then 1 else 0 end)
    over (partition by series order by day rows between 27 preceding and current row) as reports,
  sum(case when seen and r1 <> 0 then 1 else 0 end)
    over (partition by series order by day rows between 27 preceding and current row) as changes,
  max(case when seen then day end) over (partition by series order by day) as last_report,
  avg(wide) over (partition by series order by day rows between 89 preceding and current row) as wide90,
  rank() over (partition by commodity, day order by y) - 1 as below,
  count(*) over (partition by commodity, day) as provinces
from joined order by series, day
"""

BY_SQL = {
    "r7": lambda t: t.r7 / t.v,
    "r28": lambda t: t.r28 / t.v,
    "v180": lambda t: t.v,
    "gap_ma14": lambda t: (t.y - t.ma14) / t.v,
    "sd28": lambda t: t.sd28 / t.v,
    "largest28": lambda t: t.largest / t.v,
    "unchanged28": lambda t: 1 - t.changes / t.reports.clip(lower=1),
    "reports28": lambda t: t.reports / 28,
    "days_since_report": lambda t: (t.day - t.last_report).clip(upper=365),
    "n7": lambda t: t.n7 / t.v,
    "own7": lambda t: (t.r7 - t.n7) / t.v,
    "gap": lambda t: t.g,
    "gap_unusual": lambda t: (t.g - t.usual) / t.v,
    "gap_rank": lambda t: t.below / (t.provinces - 1),
    "breadth_up7": lambda t: t.up,
    "spread": lambda t: t.wide / (t.wide90 + 1e-6),
    "basket7": lambda t: t.basket,
}


def test_independent_sql_computes_the_same_values(panel):
    count, days = panel.price.shape
    prices = pd.DataFrame(
        {
            "series": np.repeat(np.arange(count), days),
            "commodity": np.repeat(panel.commodities, days),
            "region": np.repeat(panel.regions, days),
            "day": np.tile(np.arange(days), count),
            "price": panel.price.ravel(),
        }
    )
    prices["price"] = prices["price"].where(np.isfinite(prices["price"]), None).astype("Float64")
    with duckdb.connect() as lake:
        lake.register("prices", prices)
        expected = lake.execute(SQL).df()
    inputs = FeatureInputs(panel, find_related_series(panel))
    sample = np.flatnonzero((expected["day"] >= 250).to_numpy())[::17]
    for name, formula in BY_SQL.items():
        feature = [entry for entry in FEATURES if entry.name == name]
        ours = feature_matrix(
            inputs, feature, expected["series"].to_numpy()[sample], expected["day"].to_numpy()[sample]
        )[:, 0]
        assert np.allclose(ours, formula(expected).to_numpy(dtype=float)[sample], rtol=1e-4, atol=2e-5), name


def by_name(inputs: FeatureInputs, name: str) -> np.ndarray:
    (feature,) = (entry for entry in FEATURES if entry.name == name)
    return np.broadcast_to(feature.compute(inputs), inputs.y.shape)


def test_second_source_is_compared_with_the_own_price_of_the_same_day(panel):
    inputs = FeatureInputs(panel, find_related_series(panel))
    second = pd.DataFrame(np.log(panel.exogenous[-1].value.T)).ffill(limit=13).to_numpy().T
    gap = second - inputs.y
    usual = pd.DataFrame(gap.T).rolling(90, min_periods=30).median().to_numpy().T
    late = slice(300, None)
    assert np.allclose(
        by_name(inputs, "second_gap")[:, late], ((gap - usual) / inputs.v)[:, late], equal_nan=True
    )
    assert np.allclose(
        by_name(inputs, "second7")[:, late],
        (second[:, 7:] - second[:, :-7])[:, 293:] / inputs.v[:, late],
        equal_nan=True,
    )
    leaders = inputs.related.leaders[0]
    of_leaders = np.nanmean((gap - usual)[leaders[leaders >= 0]], axis=0)
    assert np.allclose(
        by_name(inputs, "second_lead_gap")[0, late], (of_leaders / inputs.v[0])[late], equal_nan=True
    )
    silent = FeatureInputs(panel.with_exogenous(()), inputs.related)
    assert all(np.isnan(by_name(silent, f.name)).all() for f in FEATURES if f.group == "second source")


def test_family_is_the_other_commodities_of_the_group_in_the_province():
    names = ("beras-medium", "beras-premium", "teh")
    panel = walks(10, days=200, commodities=names, regions=REGIONS[:2])
    inputs = FeatureInputs(panel, find_related_series(panel))
    medium, premium, tea = (panel.rows_of(name) for name in names)
    family = by_name(inputs, "family7") * inputs.v
    assert np.allclose(family[medium, 100:], inputs.r(7)[premium, 100:])
    assert np.allclose(family[premium, 100:], inputs.r(7)[medium, 100:])
    assert np.isnan(family[tea]).all()


def test_usual_move_v_equals_the_scale_of_the_evaluation(panel):
    assert np.allclose(FeatureInputs(panel, find_related_series(panel)).v[:, -1], scale(panel))


def test_features_of_the_last_day_need_no_more_than_the_last_days():
    long = gappy(walks(8, days=900, commodities=COMMODITIES[:2], regions=REGIONS), 9)
    related = find_related_series(long)
    _, matrix = latest_features(long, related, FEATURES)
    assert np.allclose(
        matrix, features_of_day(long, FeatureInputs(long, related), 899), atol=1e-4, equal_nan=True
    )


def test_calendar_gives_distances_to_feasts_and_counts_holidays():
    days = np.arange(np.datetime64("2023-04-01"), np.datetime64("2024-05-01"))
    at = {str(day): place for place, day in enumerate(days)}
    fitri = holidays.distance(days, "fitri")
    assert [fitri[at[day]] for day in ("2023-04-20", "2023-04-22", "2023-05-02", "2024-04-10")] == [
        -2,
        0,
        10,
        0,
    ]
    assert fitri[at["2023-10-01"]] == 45  # nearer to the one before
    assert holidays.distance(days, "adha")[at["2023-06-29"]] == 0
    assert holidays.ramadan(days)[[at["2024-03-20"], at["2024-04-10"]]].tolist() == [True, False]
    assert holidays.holidays_within(days, 3)[[at["2024-04-07"], at["2024-04-12"]]].tolist() == [3, 1]
    assert holidays.weekday(days)[at["2024-04-29"]] == 0
