"""Every formula of a price verdict against a case computed by hand."""

from dataclasses import asdict

import numpy as np
import pytest

from lakehouse.reference import commodities
from lakehouse.validation.prices import isolation_forest
from lakehouse.validation.prices.closings import ClosingPanel
from lakehouse.validation.prices.rules import PriceRules
from lakehouse.validation.prices.scores import score
from lakehouse.validation.prices.statistics import NUMBERS, friday_before, statistics, weekday
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.prices.validator import PriceValidator
from lakehouse.validation.windows import count, deviation, mean, median, ordered, quantile
from tests.support.price_rows import CODES, START, judge, knobs, row, table

ONION = commodities()["bawang-merah"]
QUIET = {
    "n": 60,
    "mean_idr": 100.0,
    "sd_idr": 2.0,
    "q1_idr": 98.0,
    "q3_idr": 102.0,
    "median_idr": 100.0,
    "mad_idr": 1.0,
    "last_log": np.log(100.0),
    "last_day": 9.0,
    "change_day": 9.0,
    "level_7": np.log(100.0),
    "average_28": np.log(100.0),
    "own_scale": 0.01,
    "residual_scale": 0.0125,
    "gap_median": 0.0,
    "gap_scale": 0.02,
    "friday_idr": np.nan,
    "friday_day": 8.0,
    "national_move": 0.01,
    "national_level": np.log(100.0),
    "national_median_idr": 100.0,
    "peers": 34,
    "peers_moved": 1.0,
    "source_log": np.nan,
    "source_pairs": np.nan,
}


def verdict_on(
    price: float, day: int = 10, commodity: str = "bawang-merah", ai: bool = False, **changes: float
) -> dict:
    """The verdict on a price after a quiet series of 60 closings around 100, last seen on day 9."""
    of = {name: np.array([float({**QUIET, **changes}[name])]) for name in NUMBERS}
    thresholds = Thresholds.of({**knobs(), "source_tolerance": {"default": 0.10}})
    columns = score(np.array([price]), day, of, thresholds, commodities()[commodity], ai)
    return {name: values[0] for name, values in columns.items()}


def test_window_statistics_skip_missing_values():
    window = np.array([[1.0, np.nan], [4.0, np.nan], [np.nan, np.nan], [2.0, 7.0], [10.0, np.nan]])
    assert count(window).tolist() == [4, 1]
    assert mean(window).tolist() == [17 / 4, 7]
    assert median(window).tolist() == [3, 7]
    # type 7: position (n-1) q in 1 2 4 10 -> 0.75 between 1 and 2; 2.25 between 4 and 10
    ascending, n = ordered(window), count(window)
    assert quantile(ascending, n, 0.25).tolist() == [1.75, 7]
    assert quantile(ascending, n, 0.75).tolist() == [5.5, 7]
    spread = deviation(window, mean(window))
    assert spread[0] == pytest.approx(np.std([1, 4, 2, 10], ddof=1)) and np.isnan(spread[1])
    assert np.isnan(median(np.empty((0, 2)))).all()


def test_zscore_and_quartile_fence_are_strict():
    assert verdict_on(106.0)["zscore"] == 3.0 and not verdict_on(106.0)["zscore_flag"]  # 6 / 2, not above 3
    assert verdict_on(106.1)["zscore_flag"]
    assert not verdict_on(108.0)["iqr_flag"] and verdict_on(108.01)["iqr_flag"]  # 102 + 1.5 * 4
    assert not verdict_on(92.0)["iqr_flag"] and verdict_on(91.99)["iqr_flag"]


def test_scale_of_zero_is_replaced_by_its_floor():
    flat = {"sd_idr": 0.0, "q1_idr": 100.0, "q3_idr": 100.0, "mad_idr": 0.0}
    assert verdict_on(101.0, **flat)["zscore"] == 2.0  # 1 / (0.005 * 100)
    assert verdict_on(101.0, **flat)["hampel"] == 2.0
    assert (
        not verdict_on(101.5, **flat)["iqr_flag"] and verdict_on(101.6, **flat)["iqr_flag"]
    )  # 1.5 * 0.01 * 100
    assert verdict_on(101.0, **flat, own_scale=0.0)["cause"] == "zero_scale"


def test_deviation_above_a_quarter_is_flagged():
    assert (
        verdict_on(125.0)["deviation"] == 0.25
        and not verdict_on(125.0)["deviation_flag"]
        and verdict_on(126.0)["deviation_flag"]
    )
    assert verdict_on(104.0)["hampel"] == pytest.approx(4 / 1.4826)


def test_score_r_is_the_move_less_the_national_one():
    verdict = verdict_on(100 * np.exp(0.10))
    assert verdict["score_r"] == pytest.approx((0.10 - 0.01) / (0.0125 + 0.01))
    assert verdict_on(100 * np.exp(0.10), 13)["score_r"] == pytest.approx(
        (0.10 - 0.01) / np.sqrt(4) / 0.0225
    )  # four days old
    assert verdict_on(100 * np.exp(0.10), national_move=np.nan)["score_r"] == pytest.approx(0.10 / 0.0225)


def test_a_move_back_to_the_level_of_the_week_is_not_confirmed():
    assert verdict_on(130.0)["confirmed"]
    assert not verdict_on(100.0, last_log=np.log(130.0))[
        "confirmed"
    ]  # a spike that was accepted, and the way back
    assert verdict_on(115.0, level_7=np.log(107.0))["confirmed"] == (np.log(115 / 107) >= 0.5 * np.log(1.15))


def test_score_g_is_the_gap_less_the_usual_gap():
    verdict = verdict_on(120.0, gap_median=0.05)
    assert verdict["score_g"] == pytest.approx((np.log(1.2) - 0.05) / (0.02 + 0.02))
    alone = verdict_on(120.0, national_level=np.nan)
    assert np.isnan(alone["score_g"]) and alone["cause"] == "no_peer"


def test_unchanged_price_is_no_outlier_whatever_the_country_did():
    assert verdict_on(100.0, national_move=0.4)["score_r"] == 0
    far = {"national_level": np.log(160.0), "gap_median": 0.0}
    assert verdict_on(100.0, **far)["score_g"] == 0
    assert verdict_on(104.0, **far)["score_g"] == 0  # towards its usual gap
    assert verdict_on(96.0, national_level=np.log(103.0))["score_g"] > 0


def test_move_with_the_country_or_without_it_counts_by_the_smaller():
    assert verdict_on(100 * np.exp(0.10), national_move=-0.3)["score_r"] == pytest.approx(0.10 / 0.0225)
    assert verdict_on(100 * np.exp(0.10), national_move=0.08)["score_r"] == pytest.approx(0.02 / 0.0225)


def test_price_that_stood_still_for_a_week_may_catch_up_with_the_others():
    others = {"national_level": np.log(129.0)}
    assert verdict_on(130.0, change_day=2.0, **others)["score_r"] == pytest.approx(np.log(130 / 129) / 0.0225)
    assert verdict_on(130.0, change_day=3.0, **others)["score_r"] > 8
    assert verdict_on(130.0, change_day=2.0)["score_r"] > 8  # nobody else moved
    assert verdict_on(130.0, change_day=2.0, national_level=np.nan)["score_r"] > 8


def test_level_that_was_released_counts_only_by_what_a_move_adds():
    # The last accepted price lies 0.26 from the usual gap; the limit is 5.5 * 0.04 = 0.22.
    released = {"last_log": np.log(130.0), "level_7": np.log(130.0)}
    assert verdict_on(131.0, **released)["score_g"] == pytest.approx(np.log(131 / 130) / 0.04)
    assert verdict_on(180.0, **released)["score_g"] > 5.5
    below = {"last_log": np.log(120.0)}
    assert verdict_on(131.0, **below)["score_g"] == pytest.approx(np.log(1.31) / 0.04)


def test_scale_of_a_standing_price_is_that_of_its_steps():
    """Of 60 days two bring a step; the others' steps weigh as three of its own."""
    steps = {"11": (20, 40), "12": (15, 30, 45), "13": (), "14": (10,), "15": (50,)}
    prices = dict.fromkeys(steps, 30_000.0)
    rows = []
    for day in range(60):
        prices |= {code: prices[code] * 1.1 for code, days in steps.items() if day in days}
        rows += [row(day, code, price) for code, price in prices.items()]
    validator = PriceValidator(knobs())
    validator.load(table(rows))
    panel = validator.panels["bawang-merah", "retail"]
    of, _ = statistics(panel, (START - START.fromordinal(719163)).days + 60, validator.thresholds)
    usual = 0.4 * np.log(1.1)
    for code in ("11", "13"):
        at = panel.series["market", f"PROV-{code}", code]
        assert of["own_scale"][at] == pytest.approx(usual)
    # Prices that move every day have the mean of all moves, as before.
    validator = PriceValidator(knobs())
    validator.load(table([row(day, "11", 30_000.0 * 1.01 ** (day % 2)) for day in range(60)]))
    panel = validator.panels["bawang-merah", "retail"]
    of, _ = statistics(panel, (START - START.fromordinal(719163)).days + 60, validator.thresholds)
    assert of["own_scale"][0] == pytest.approx(np.log(1.01))


def test_step_after_weeks_is_accepted_and_a_gross_error_refused():
    def board(day: int, nth: int) -> float:
        return 30_000.0 + 1_500.0 * (((day + 3 * nth) // 20) % 3)

    rows = [
        row(day, "32", board(day, nth), nth, market_id=f"PASAR-{nth:03}", level="market")
        for day in range(150)
        for nth in range(8)
    ]
    validator = PriceValidator(knobs())
    judgement, _ = judge(validator, rows)
    assert set(judgement.verdicts["outcome"].to_pylist()) == {"silver"}
    wrong = [
        row(150, "32", board(149, nth) * factor, nth, market_id=f"PASAR-{nth:03}", level="market")
        for nth, factor in enumerate((10.0, 0.1, 2.0, 0.5))
    ]
    assert set(judge(validator, wrong)[0].verdicts["outcome"].to_pylist()) == {"quarantine"}


@pytest.mark.parametrize(
    ("price", "power"),
    [(1000.0, 1), (10.05, -1), (0.1, -3), (100_000.0, 3), (1.0, -2), (130.0, 0), (1060.0, 0), (2_000.0, 0)],
)
def test_a_unit_error_is_a_power_of_ten(price: float, power: int):
    verdict = verdict_on(price)
    assert verdict["unit_power"] == power
    if power:
        assert verdict["suggested_price_idr"] == pytest.approx(price / 10.0**power)
    else:
        assert np.isnan(verdict["suggested_price_idr"])


def test_the_tolerance_of_a_unit_error_grows_with_pace_and_age():
    # 2 * (0.01 + 1e-4) * sqrt(days): 0.0202 after one day, 0.0606 after nine; log(1.05) = 0.0488
    assert verdict_on(1050.0, 10)["unit_power"] == 0 and verdict_on(1050.0, 18)["unit_power"] == 1
    # before the series has a pace of its own: twice the commodity's daily volatility, 0.03
    assert verdict_on(1050.0, 10, n=2, own_scale=np.nan)["unit_power"] == 1
    assert verdict_on(1050.0, 10, n=0, last_log=np.nan, last_day=np.nan)["unit_power"] == 0


def test_sources_are_compared_after_centring():
    agreed = {"source_log": np.log(100.0), "source_pairs": 60.0}
    assert (
        verdict_on(109.0, **agreed)["multi_source_ok"] and not verdict_on(109.0, **agreed)["source_differs"]
    )  # log 1.09 = 0.086
    differs = verdict_on(115.0, **agreed)  # 0.14: above 0.10, below 0.20
    assert differs["source_differs"] and not differs["source_mismatch"] and not differs["multi_source_ok"]
    assert verdict_on(125.0, **agreed)["source_mismatch"]
    few = verdict_on(
        125.0, source_log=np.log(100.0), source_pairs=59.0
    )  # 0.22 > 0.20, but with few pairs it is only flagged
    assert few["source_differs"] and not few["source_mismatch"] and few["multi_source_ok"]
    none = verdict_on(125.0)
    assert none["multi_source_ok"] and not none["source_differs"] and np.isnan(none["source_gap"])


def test_warm_up_has_no_score_and_flags_a_large_national_gap():
    verdict = verdict_on(170.0, n=29)
    assert verdict["cause"] == "warmup" and np.isnan(verdict["score_r"]) and np.isnan(verdict["zscore"])
    assert not verdict["iqr_flag"] and verdict["national_gap"]  # log 1.7 = 0.53
    assert not verdict_on(160.0, n=29)["national_gap"] and not verdict_on(170.0)["national_gap"]


def test_weekends_carry_fridays_price():
    assert [weekday(day) for day in (0, 1, 2)] == [3, 4, 5]  # 1 January 1970 was a Thursday
    assert [friday_before(day) for day in (1, 2, 3, 4, 8, 9)] == [-6, 1, 1, 1, 1, 8]
    carried = verdict_on(100.0, 9, friday_idr=100.0, friday_day=8.0, last_day=8.0)  # a Saturday
    assert carried["carried"] and np.isnan(carried["score_r"]) and carried["cause"] == "carried"
    assert not verdict_on(101.0, 9, friday_idr=100.0, friday_day=8.0)["carried"]
    assert not verdict_on(100.0, 12, friday_idr=100.0, friday_day=8.0)["carried"]  # a Tuesday


def test_unchanged_price_among_moving_peers_is_stale():
    # 62 and 60 days since the change
    assert verdict_on(100.0, 71)["stale"] and not verdict_on(100.0, 69)["stale"]
    assert not verdict_on(100.0, 71, peers_moved=0.4)["stale"] and not verdict_on(101.0, 71)["stale"]


def test_out_of_range_depends_on_ratio_and_band():
    assert (
        verdict_on(100.0)["outside_band"]
        and verdict_on(100.0, national_median_idr=10.0)["national_ratio"] == 10
    )


def test_stored_trees_are_those_of_scikit_learn():
    grown = isolation_forest.grow_trees()
    for name, values in asdict(isolation_forest.trees()).items():
        np.testing.assert_array_equal(values, getattr(grown, name), err_msg=name)


def test_forest_score_is_that_of_scikit_learn():
    sample = isolation_forest.reference_sample()[:50] * 3
    assert isolation_forest.score(sample) == pytest.approx(
        -isolation_forest.fitted().score_samples(sample), abs=1e-12
    )
    lone = [isolation_forest.score(sample[nth : nth + 1])[0] for nth in range(len(sample))]
    assert lone == isolation_forest.score(sample).tolist()  # a cut changes not even the last digit
    assert np.isnan(verdict_on(106.5)["forest_score"])  # the calibrated policy does not use the forest
    strange, usual = verdict_on(200.0, ai=True), verdict_on(100.5, ai=True)
    assert strange["forest_score"] > usual["forest_score"] and strange["ai_flag"] and not usual["ai_flag"]


def test_statistics_of_a_panel_equal_those_computed_by_hand():
    """Three days: the national move is the median move, a residual the own move less yesterday's."""
    prices = {
        "11": (100, 110, 121),
        "12": (100, 100, 100),
        "13": (100, 105, 105),
        "14": (100, 102, 90),
        "15": (100, 103, 103),
    }
    validator = PriceValidator(knobs())
    validator.load(
        table([row(day, code, float(p)) for code, three in prices.items() for day, p in enumerate(three)])
    )
    panel: ClosingPanel = validator.panels["bawang-merah", "retail"]
    day = (START - START.fromordinal(719163)).days + 3
    of, _ = statistics(panel, day, validator.thresholds)
    at = panel.series["market", "PROV-11", "11"]
    moves = np.log([1.1, 1.0, 1.0, 90 / 102, 1.0])
    assert of["national_move"][at] == pytest.approx(np.median(moves))
    assert of["national_level"][at] == pytest.approx(np.log(103))
    first, second = np.log(1.1), np.log(1.1) - np.log(1.03)  # no national move is known on the first day
    assert of["residual_scale"][at] == pytest.approx(1.25 * (first + second) / 2)
    gaps = [0.0, np.log(110 / 103), np.log(121 / 103)]
    assert of["gap_median"][at] == pytest.approx(gaps[1])
    assert of["gap_scale"][at] == pytest.approx(1.25 * (gaps[1] + 0 + gaps[2] - gaps[1]) / 3)
    assert of["own_scale"][at] == pytest.approx(np.log(1.1))
    assert (of["n"][at], of["mean_idr"][at], of["median_idr"][at]) == (3, pytest.approx(331 / 3), 110)
    assert of["national_median_idr"][at] == 100  # the eighth of 15


def test_two_sources_are_centred_on_their_usual_distance():
    """The second source is 10 % dearer for 70 days; then the first reports what the second would."""
    days = [row(day, "11", 30_000.0 + 10 * (day % 3)) for day in range(70)]
    days += [row(day, "11", 33_000.0 + 11 * (day % 3), provider="pihps") for day in range(70)]
    validator = PriceValidator(knobs())
    validator.load(table(days))
    judgement, _ = judge(
        validator,
        [row(70, "11", 30_000.0), row(70, "12", 30_000.0), row(70, "11", 33_000.0, provider="pihps")],
    )
    first, single, second = judgement.verdicts.to_pylist()
    assert first["source_pairs"] == 69 and first["source_gap"] == pytest.approx(0, abs=0.002)
    assert single["source_gap"] is None and single["multi_source_ok"]
    assert second["source_gap"] == pytest.approx(0, abs=0.002)
    later, _ = judge(
        validator, [row(74, "11", 30_000.0)]
    )  # the newest price of the second source is of day 70: four days before
    assert later.verdicts["source_gap"].to_pylist() == [None]


def test_few_peers_give_no_national_score():
    validator = PriceValidator(knobs())
    validator.load(
        table([row(day, code, 30_000.0 + 10 * (day % 2)) for code in CODES[:4] for day in range(40)])
    )
    judgement, _ = judge(validator, [row(40, "11", 45_000.0)])
    verdict = judgement.verdicts.to_pylist()[0]
    assert verdict["score_g"] is None and verdict["cause"] == "no_peer" and verdict["national_move"] is None
    assert verdict["score_r"] > 7.5 and verdict["outcome"] == "quarantine"


def test_message_about_other_sources_names_the_tolerance_of_the_commodity() -> None:
    """The thresholds have a mapping of the same name as the row's figure."""
    rules = PriceRules(Thresholds.of(knobs()))
    values = {"price_idr": 60_000.0, "source_gap": 0.6, "source_tolerance": 0.28}
    assert rules.message("source_mismatch", values).endswith("log distance 0.6, usual up to 0.28")
