"""On published prices: the error of naive is the known one, and its intervals cover as stated."""

from pathlib import Path

import numpy as np
import pytest

from ml.data.panel import Panel
from ml.evaluation import metrics
from ml.evaluation.backtest import plan, run
from ml.evaluation.conformal import calibrate
from scripts.bench.price_faults import panel_harga


@pytest.fixture(scope="module")
def panel():
    try:
        prices = panel_harga()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    rows = prices.idr.transpose(1, 2, 0).reshape(-1, len(prices.days))
    return Panel(
        commodities=tuple(commodity for commodity in prices.commodities for _ in prices.provinces),
        regions=tuple(region for _ in prices.commodities for region in prices.provinces),
        units=("kg",) * len(rows),
        days=np.array(prices.days, dtype="datetime64[D]"),
        price=np.where(rows > 0, rows, np.nan),
    )


def test_naive_error_and_coverage_of_its_intervals(panel, tmp_path: Path):
    whole = plan(panel)
    predictions = run(panel, {}, whole.part(opened=False), tmp_path)
    assert len(np.unique(predictions.origin)) >= 52 and whole.holdout == 13 and len(predictions) > 100_000
    week = predictions.select(predictions.horizon == 7)
    chilli = week.of_commodity("cabai-rawit-merah")
    assert 9 < 100 * metrics.mape(chilli.actual, chilli.naive) < 12
    intervals, _ = calibrate(predictions, "naive")
    held = intervals.calibrated
    for level, pooled, each in ((0.8, 0.02, 0.05), (0.95, 0.015, 0.05)):
        inside = (intervals.lower[level] <= predictions.actual) & (
            predictions.actual <= intervals.upper[level]
        )
        assert abs(inside[held].mean() - level) < pooled
        for number in range(len(predictions.distinct_commodities)):
            assert abs(inside[held & (predictions.commodity_index == number)].mean() - level) < each
