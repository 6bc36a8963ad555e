"""Panels, thin days and counts of the validation bench."""

from datetime import date, timedelta

import numpy as np
import pytest

from scripts.bench.market_panel import DAYS, MARKETS, market_panel
from scripts.bench.price_faults import Prices, thin_days
from scripts.bench.validation import longest_run


def test_longest_run_counts_flags_in_a_row():
    assert longest_run(np.array([True, False, True, True, False])) == 2
    assert longest_run(np.array([], dtype=bool)) == 0


def test_same_seed_gives_the_same_markets_which_stand_still_for_weeks():
    first, second = (market_panel(3) for _ in range(2))
    assert np.array_equal(first.prices.idr, second.prices.idr, equal_nan=True)
    assert first.prices.idr.shape[0] == DAYS and first.prices.idr.shape[2] == MARKETS
    changed = np.diff(first.prices.idr, axis=0)
    assert 0.8 < (changed[np.isfinite(changed)] == 0).mean() < 0.99
    assert first.shock.any() and first.prices.level == "market"


@pytest.mark.parametrize(
    ("day", "thin"), [("ordinary", False), ("half_report", True), ("round_prices", True)]
)
def test_day_is_thin_with_few_reports_or_many_round_prices(day: str, thin: bool):
    idr = np.full((40, 1, 20), 12_310.0)
    if day == "half_report":
        idr[35, 0, :10] = np.nan
    if day == "round_prices":
        idr[35, 0, :6] = 12_500.0
    days = [date(2024, 1, 1) + timedelta(nth) for nth in range(40)]
    flags = thin_days(Prices(idr, days, ["beras-medium"], ["32"] * 20))
    assert flags[35] == thin and flags.sum() == thin
