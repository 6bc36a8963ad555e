"""Laws over the features: none sees past its column, each is named once, and an independent SQL finds the same values."""

from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import pytest

from ml import calendar_days
from ml.features import FEATURES, Base, chosen, columns, described, latest
from ml.forecaster import scale
from ml.panel import Outside, Panel
from tests.ml.made_panels import gappy, walks

GOODS = ("bawang-merah", "kentang", "teh")  # one that the reference list knows, with a ceiling
REGIONS = ("11", "12", "32", "33", "34", "elsewhere")


@pytest.fixture(scope="module")
def panel() -> Panel:
    made = gappy(walks(5, days=460, goods=GOODS, regions=REGIONS, national=0.4, first="2023-02-01"), 6, share=0.06)
    random = np.random.default_rng(7)
    days = made.price.shape[1]
    rate = np.where(random.random(days) < 0.7, 15_000 * np.exp(np.cumsum(0.004 * random.standard_normal(days))), np.nan)
    rain = random.gamma(1.0, 8.0, (len(made.regions), days))
    price = made.price.copy()
    price[made.of("teh")] *= price[made.of("kentang")] / 18_000  # two goods that go together
    stands = (Outside("fx-usd-idr", "IDR per USD", rate), Outside("rainfall_mm", "mm a day", rain))
    return replace(made, price=price, outside=stands)


def every(panel: Panel, base: Base, day: int) -> np.ndarray:
    rows = np.arange(len(panel.commodities))
    return columns(base, FEATURES, rows, np.full(len(rows), day))


def test_there_are_many_each_named_once_and_told():
    told = described()
    assert len(told) >= 60
    assert len({one["name"] for one in told}) == len(told)
    assert all(one["says"] and one["available"] for one in told)


def test_no_feature_changes_when_everything_after_its_day_is_deleted(panel):
    origin = 400
    selection = chosen(panel.until(300))  # chosen before: the choice is part of the model
    whole, cut = Base(panel, selection), Base(panel.until(origin), selection)
    for day in (origin, origin - 1, 250):
        one, other = every(panel, whole, day), every(panel, cut, day)
        differ = [f.name for place, f in enumerate(FEATURES) if one[:, place].tobytes() != other[:, place].tobytes()]
        assert differ == []


def test_the_choice_of_leaders_looks_at_nothing_after_its_panel(panel):
    spoiled = replace(panel, price=np.where(np.arange(panel.price.shape[1]) > 300, panel.price * 7, panel.price))
    one, other = chosen(panel.until(300)), chosen(spoiled.until(300))
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in one.__dataclass_fields__)


def test_most_features_say_something(panel):
    found = every(panel, Base(panel, chosen(panel)), panel.price.shape[1] - 1)
    silent = {f.name for place, f in enumerate(FEATURES) if not np.isfinite(found[:, place]).any()}
    without_data = {"palm_oil28", "wheat28", "sugar28", "crude28", "palm_oil7", "inflation", "temperature7_z", "humidity7_z"}
    assert silent == without_data
    assert len(FEATURES) - len(silent) >= 60


SQL = """
with filled as (
  select series, good, region, day, price is not null as seen, ln(last_value(price ignore nulls) over w) as y
  from prices window w as (partition by series order by day)),
moved as (select *, y - lag(y, 1) over w as r1, y - lag(y, 7) over w as r7, y - lag(y, 28) over w as r28
  from filled window w as (partition by series order by day)),
scaled as (select *,
    sum(case when seen then abs(r1) end) over half / greatest(count(case when seen and r1 is not null then 1 end) over half, 1)
      + 1e-4 as v
  from moved window half as (partition by series order by day rows between 179 preceding and current row)),
nation as (select day, good, sum(greatest(least(r7, .5), -.5)) as total, count(r7) as provinces, median(y) as level,
    avg(case when r7 is null then null when r7 > .01 then 1 else 0 end) as up, stddev_pop(y) as wide
  from scaled group by day, good),
beside as (select day, region, sum(greatest(least(r7 / v, 30), -30)) as total, count(r7) as goods from scaled group by all),
joined as (select s.*, n.level, n.up, n.wide, s.y - n.level as g,
    (n.total - greatest(least(s.r7, .5), -.5)) / (n.provinces - 1) as n7,
    (b.total - greatest(least(s.r7 / s.v, 30), -30)) / (b.goods - 1) as basket
  from scaled s join nation n using (day, good) join beside b on b.day = s.day and b.region = s.region)
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
  rank() over (partition by good, day order by y) - 1 as below, count(*) over (partition by good, day) as provinces
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


def test_an_independent_sql_finds_the_same_values(panel):
    count, days = panel.price.shape
    prices = pd.DataFrame(
        {
            "series": np.repeat(np.arange(count), days),
            "good": np.repeat(panel.commodities, days),
            "region": np.repeat(panel.regions, days),
            "day": np.tile(np.arange(days), count),
            "price": panel.price.ravel(),
        }
    )
    prices["price"] = prices["price"].where(np.isfinite(prices["price"]), None).astype("Float64")
    with duckdb.connect() as lake:
        lake.register("prices", prices)
        told = lake.execute(SQL).df()
    base = Base(panel, chosen(panel))
    sample = np.flatnonzero((told["day"] >= 250).to_numpy())[::17]
    for name, formula in BY_SQL.items():
        feature = [one for one in FEATURES if one.name == name]
        ours = columns(base, feature, told["series"].to_numpy()[sample], told["day"].to_numpy()[sample])[:, 0]
        assert np.allclose(ours, formula(told).to_numpy(dtype=float)[sample], rtol=1e-4, atol=2e-5), name


def test_the_usual_move_is_the_one_that_judges_use(panel):
    assert np.allclose(Base(panel, chosen(panel)).v[:, -1], scale(panel))


def test_the_last_day_needs_no_more_days_than_it_is_given():
    long = gappy(walks(8, days=900, goods=GOODS[:2], regions=REGIONS), 9)
    selection = chosen(long)
    _, cells = latest(long, selection, FEATURES)
    assert np.allclose(cells, every(long, Base(long, selection), 899), atol=1e-4, equal_nan=True)


def test_the_calendar_knows_the_feasts():
    days = np.arange(np.datetime64("2023-04-01"), np.datetime64("2024-05-01"))
    at = {str(day): place for place, day in enumerate(days)}
    fitri = calendar_days.distance(days, "fitri")
    assert [fitri[at[day]] for day in ("2023-04-20", "2023-04-22", "2023-05-02", "2024-04-10")] == [-2, 0, 10, 0]
    assert fitri[at["2023-10-01"]] == 45  # nearer to the one before
    assert calendar_days.distance(days, "adha")[at["2023-06-29"]] == 0
    assert calendar_days.ramadan(days)[[at["2024-03-20"], at["2024-04-10"]]].tolist() == [True, False]
    assert calendar_days.holidays_within(days, 3)[[at["2024-04-07"], at["2024-04-12"]]].tolist() == [3, 1]
    assert calendar_days.weekday(days)[at["2024-04-29"]] == 0
