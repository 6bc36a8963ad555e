"""On published prices: naive's error is the one known, its conformal intervals cover what they promise in every commodity."""

from pathlib import Path

import numpy as np
import pytest

from ml import metrics
from ml.backtest import plan, run
from ml.intervals import replay
from ml.panel import Panel
from scripts.bench.price_faults import panel_harga


@pytest.fixture(scope="module")
def panel():
    try:
        prices = panel_harga()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    rows = prices.idr.transpose(1, 2, 0).reshape(-1, len(prices.days))
    return Panel(
        commodities=tuple(good for good in prices.commodities for _ in prices.provinces),
        regions=tuple(region for _ in prices.commodities for region in prices.provinces),
        units=("kg",) * len(rows),
        days=np.array(prices.days, dtype="datetime64[D]"),
        price=np.where(rows > 0, rows, np.nan),
    )


def test_naive_and_its_intervals(panel, tmp_path: Path):
    whole = plan(panel)
    cells = run(panel, {}, whole.part(opened=False), tmp_path)
    assert len(np.unique(cells.origin)) >= 52 and whole.holdout == 13 and len(cells) > 100_000
    week = cells.at(7)
    chilli = week.of("cabai-rawit-merah")
    assert 9 < 100 * metrics.mape(chilli.actual, chilli.naive) < 12
    bands, _ = replay(cells, "naive")
    held = bands.calibrated
    for level, pooled, each in ((0.8, 0.02, 0.05), (0.95, 0.015, 0.05)):
        inside = (bands.lower[level] <= cells.actual) & (cells.actual <= bands.upper[level])
        assert abs(inside[held].mean() - level) < pooled
        for good in range(len(cells.goods)):
            assert abs(inside[held & (cells.good == good)].mean() - level) < each
