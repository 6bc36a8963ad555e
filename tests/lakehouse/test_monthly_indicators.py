"""IFPA and ALPS against cases computed by hand, a plain re-computation, and the figures of the handbook."""

import numpy as np
import pytest

from lakehouse.gold.indicator_rows import ifpa_reason
from lakehouse.gold.monthly_indicators import (
    MonthChanges,
    SeasonalTrend,
    alps,
    alps_class,
    growth,
    ifpa,
    ifpa_class,
    monthly,
    weighted_z,
)
from tests.lakehouse.test_indicators import panel

NAN = float("nan")


def test_a_month_is_the_mean_of_its_observed_days():
    # days 0, 1 lie in January 1970, 31 in February, 90 (1 April) in April; March has none
    months, price, days = monthly(panel([[10, 20, NAN, 40], [NAN, NAN, 6, 8]], days=[0, 1, 31, 90]))
    assert months.tolist() == [0, 1, 2, 3]
    assert price[0].tolist() == pytest.approx([15, NAN, NAN, 40], nan_ok=True)
    assert price[1].tolist() == pytest.approx([NAN, 6, NAN, 8], nan_ok=True)
    assert days.tolist() == [[2, 0, 0, 1], [0, 1, 0, 1]]


def changes_of(prices: dict[int, float]) -> MonthChanges:
    """Of one province; `prices`: day since 1970 -> price."""
    series = panel([list(prices.values())], days=list(prices))
    months, price, _ = monthly(series)
    return MonthChanges.of(series, months, price)


def test_month_that_runs_is_compared_over_the_same_days_of_the_month_before():
    # January 1970: 100, from the 11th on 200; February: 110 until the 10th
    january = {day: 100.0 if day < 10 else 200.0 for day in range(31)}
    running = changes_of(january | {31 + day: 110.0 for day in range(10)})
    assert running.is_complete.tolist() == [[True, False]]
    assert running.compared_days.tolist() == [[None, "1-10"]]
    assert running.by_lag[1][0].tolist() == pytest.approx([NAN, 10.0], nan_ok=True)
    assert running.last_day.tolist() == [[30, 40]]
    over = changes_of(january | {31 + day: 110.0 for day in range(28)})
    mean = (10 * 100 + 21 * 200) / 31
    assert over.is_complete[0, 1] and over.compared_days[0, 1] is None
    assert over.by_lag[1][0, 1] == pytest.approx(100 * (110 / mean - 1))


def test_month_with_few_days_is_incomplete_although_it_is_over():
    days = [*range(31), *range(31, 31 + 19), 59]  # 19 of the 28 days of February are 68 %
    assert changes_of(dict.fromkeys(days, 5.0)).is_complete.tolist() == [[True, False, False]]
    days.insert(50, 58)
    assert changes_of(dict.fromkeys(days, 5.0)).is_complete.tolist() == [[True, True, False]]


def test_year_on_year_is_against_the_same_month_of_the_year_before():
    # 1970 is 100 throughout, January 1971 120; a month without prices in between changes nothing
    days = {day: 100.0 for day in range(365) if not 100 <= day < 200}
    later = changes_of(days | {365 + day: 120.0 for day in range(31)})
    assert later.by_lag[12][0, -1] == pytest.approx(20.0) and later.by_lag[1][0, -1] == pytest.approx(20.0)
    assert np.isnan(later.by_lag[12][0, :-1]).all()


def test_growth_is_compound_by_month():
    price = np.array([[100.0, 1.0, 1.0, 133.1]])
    assert growth(price, 3)[0].tolist() == pytest.approx([NAN, NAN, NAN, 0.1], nan_ok=True)  # 1.1³ = 1.331
    assert np.isnan(growth(price, 12)).all()


def test_weighted_z_equals_the_one_computed_by_hand():
    # x 1, 2, 4 with weights 1, 2, 3: m = 17/6; Σw(x-m)² = 121/36 + 2·25/36 + 3·49/36 = 318/36;
    # s² = (318/36) / (6·2/3) = 318/144; z = (4 - 17/6) / s = (7/6) / √(318/144) = 14/√318
    z, n = weighted_z(np.array([[1.0, 2.0, 4.0]]))
    assert z[0] == pytest.approx(14 / np.sqrt(318)) and n[0] == 3
    missing, count = weighted_z(np.array([[1.0, NAN, 2.0, 4.0], [1.0, 2.0, 4.0, NAN], [3.0, 3.0, 3.0, 3.0]]))
    assert missing[0] == pytest.approx(z[0]) and count.tolist() == [3, 3, 4]  # a missing year has no weight
    assert np.isnan(missing[1]) and np.isnan(missing[2])  # no current value; no spread


@pytest.mark.parametrize(("years", "largest"), [(3, 0.82), (5, 1.26), (8, 1.75)])
def test_the_largest_possible_z_is_that_of_the_handbook(years: int, largest: float):
    """Reached when only the current year differs; no draw exceeds it."""
    alone = np.zeros((1, years))
    alone[0, -1] = 1.0
    reached = weighted_z(alone)[0][0]
    assert reached == pytest.approx(largest, abs=0.005)
    drawn = np.random.default_rng(1).standard_t(2, size=(20_000, years))
    assert np.abs(weighted_z(drawn)[0]).max() <= reached + 1e-9


def test_ifpa_is_the_weighted_sum_of_past_months():
    rng = np.random.default_rng(3)
    price = 10_000 * np.exp(rng.normal(0, 0.1, (2, 76)).cumsum(axis=1))
    warning = ifpa(price)
    for region, t in ((0, 75), (1, 72)):
        # an independent reading: the same calendar month, year by year, oldest first
        parts = []
        for k in (3, 12):
            x = [
                (price[region, s] / price[region, s - k]) ** (1 / k) - 1
                for s in range(t % 12, t + 1, 12)
                if s >= k
            ]
            w = range(1, len(x) + 1)
            m = sum(a * b for a, b in zip(w, x, strict=True)) / sum(w)
            squares = sum(a * (b - m) ** 2 for a, b in zip(w, x, strict=True))
            parts.append((x[-1] - m) / (squares / (sum(w) * (len(x) - 1) / len(x))) ** 0.5)
        assert warning.value[region, t] == pytest.approx(0.4 * parts[0] + 0.6 * parts[1])
    cut = ifpa(price[:, :73])
    assert np.array_equal(cut.value, warning.value[:, :73], equal_nan=True)


def test_missing_ifpa_has_a_reason():
    price = np.full((1, 73), 100.0)
    price[0, 70] = NAN
    warning = ifpa(price)
    reasons = ifpa_reason(warning, price)[0]
    assert (
        reasons[59] == "insufficient: 4 years of this month, 5 needed"
    )  # the fifth December: 4 yearly changes
    assert reasons[72] == "no variation"  # the seventh January, 6 yearly changes, all equal
    assert reasons[70] == "no price in the month"
    longer = 100.0 + np.random.default_rng(4).normal(0, 1, (1, 97))
    longer[0, 93] = NAN
    assert (
        ifpa_reason(ifpa(longer), longer)[0][96] == "no price 3 or 12 months before"
    )  # October of a January


def test_classes_begin_at_their_bounds():
    assert ifpa_class(np.array([NAN, -1, -0.99, 0.49, 0.5, 1])).tolist() == [
        None, "abnormally low", "normal", "normal", "moderately high", "abnormally high",
    ]  # fmt: skip
    assert alps_class(np.array([NAN, -3, 0.24, 0.25, 1, 2])).tolist() == [
        None,
        "normal",
        "normal",
        "stress",
        "alert",
        "crisis",
    ]


def trend_by_least_squares(price: np.ndarray) -> tuple[np.ndarray, float]:
    """(fitted, sd of residuals) by the design matrix of the definition: t and twelve dummies, no constant."""
    t = np.flatnonzero(np.isfinite(price))
    design = np.column_stack([t, np.eye(12)[t % 12]])
    coefficients, *_ = np.linalg.lstsq(design, price[t], rcond=None)
    fitted = np.full(len(price), np.nan)
    fitted[t] = design @ coefficients
    return fitted, float((price[t] - fitted[t]).std(ddof=1))


def test_trend_equals_the_one_computed_by_hand():
    # two years, every calendar month alike except the last:
    # 12 months apart prices rise by 12 → slope 1, levels 100
    t = np.arange(24)
    price = 100.0 + t
    price[23] += 24.0
    # month 11 holds residuals; the slope: Σdt·dp/Σdt², dt = ±6 in each month, dp = ±6, in month 11 ±18
    # = (11·2·36 + 2·6·18) / (12·2·36) = (792 + 216) / 864 = 7/6
    fitted = SeasonalTrend.fit(t, price)
    assert fitted.slope == pytest.approx(7 / 6)
    # residuals: months 0..10 ∓6 ± 7 = ±1, month 11 ∓18 ± 7 = ∓11: squares 22·1 + 2·121 = 264, /23
    assert fitted.spread == pytest.approx(np.sqrt(264 / 23))
    assert fitted.gap(23, price[23]) == pytest.approx(11 / np.sqrt(264 / 23))


def test_alps_is_least_squares_on_the_months_up_to_then():
    rng = np.random.default_rng(8)
    price = 10_000 + 40 * np.arange(60) + 900 * np.sin(np.arange(60) * np.pi / 6) + rng.uniform(-300, 300, 60)
    price[[7, 20, 44]] = NAN
    real, late, reason = alps(price)
    assert (
        reason[34] == "insufficient: 35 months, 36 needed"
        and reason[44] == "no price in the month"
        and reason[35] is None
    )
    assert not (real >= 2).any()  # no crisis here, so each month has its own fit
    for t in (35, 43, 59):
        fitted, sd = trend_by_least_squares(price[: t + 1])
        assert real[t] == pytest.approx((price[t] - fitted[t]) / sd, rel=1e-8)
    fitted, sd = trend_by_least_squares(price)
    assert late[50] == pytest.approx((price[50] - fitted[50]) / sd, rel=1e-8)
    assert np.array_equal(
        alps(price[:50])[0], real[:50], equal_nan=True
    )  # later months change nothing in real time


def test_within_a_crisis_the_fit_is_kept():
    rng = np.random.default_rng(6)
    price = 10_000 + rng.normal(0, 100, 48)
    price[44:47] += 5_000
    real, _, _ = alps(price)
    assert (real[44:47] >= 2).all()
    kept = SeasonalTrend.fit(np.arange(45), price[:45])
    refitted = SeasonalTrend.fit(np.arange(47), price[:47])
    assert (
        real[46]
        == pytest.approx(float(kept.gap(46, price[46])))
        != pytest.approx(float(refitted.gap(46, price[46])))
    )
    # the month after the crisis is still measured by the kept fit, and ends it
    assert real[47] == pytest.approx(float(kept.gap(47, price[47]))) and real[47] < 2


@pytest.mark.parametrize(
    ("months", "holes", "reason"),
    [
        (33, 0, "insufficient: 33 months, 36 needed"),
        (36, 11, "insufficient: 69 % of months observed, 70 % needed"),
        (36, 10, None),
    ],
)
def test_alps_needs_36_months_of_which_70_percent_are_observed(months: int, holes: int, reason: str | None):
    price = 10_000 + np.random.default_rng(7).normal(0, 100, months)
    price[1 : 1 + holes] = NAN
    assert alps(price)[2][-1] == reason


def test_constant_price_has_no_alps():
    real, _, reason = alps(np.full(40, 11_000.0))
    assert np.isnan(real).all() and reason[-1] == "no variation"
