"""Forecasts of closes: naive serves a driftless walk, a model serves what it can forecast, issued once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable

from conf.settings import settings
from lakehouse.io.delta import table_uri
from lakehouse.trading.signals import Series
from ml import schedule
from ml.data.panel import NothingToLearn, Panel
from ml.progress import TrainingProgress
from ml.trading import forecasts
from ml.trading.bars import bars_of, daily_panel
from ml.trading.forecasts import MomentumRidge
from scripts.bench.api_lake import write
from tests.lakehouse.trading.made_bars import random_bars
from tests.support.trading.lake_of_bars import rows_of, write_bars


def coin(number: int) -> Series:
    return Series(f"COIN{number}", "crypto", "1d", "USD")


def test_naive_serves_walks_with_its_reason_and_a_round_issues_once(lone_home: Path):
    for number in range(3):
        write_bars(settings().lake_root, coin(number), random_bars(number, 420))
    run_id, promoted, detail = forecasts.run_round()
    assert not promoted and detail == "naive serves all 3 symbols: no model is significantly better"
    rows = DeltaTable(table_uri("gold.equity_forecasts")).to_pyarrow_table().to_pylist()
    served = [row for row in rows if row["champion"]]
    assert {row["model"] for row in served} == {"naive"} and len(served) == 3 * 30
    assert all(row["lower_95"] <= row["lower_80"] < row["price"] < row["upper_80"] for row in served)
    assert all("no model is better" in row["gate_reason"] and row["run_id"] == run_id for row in served)
    assert schedule.read_note("signal")["bars"] == {"last_day": "2025-02-23", "symbols": 3}
    version = DeltaTable(table_uri("gold.equity_forecasts")).version()
    forecasts.run_round()
    assert DeltaTable(table_uri("gold.equity_forecasts")).version() == version


def test_bars_of_another_symbol_are_due_and_an_empty_table_delays_nothing(lone_home: Path):
    root = settings().lake_root
    now = datetime.now(UTC)
    write(root, "silver.bars", [])
    assert schedule.signal_due(now) is None
    write_bars(root, coin(0), random_bars(0, 5))
    assert schedule.signal_due(now) == "daily bars of 1 symbols up to 2024-01-05"
    schedule.write_note("signal", bars=schedule.daily_bars())
    assert schedule.signal_due(now) is None
    write_bars(root, coin(1), random_bars(1, 5))
    assert schedule.signal_due(now) is None, "its pause is not over"
    later = now + timedelta(minutes=settings().training.issue_minutes + 1)
    assert schedule.signal_due(later) == "daily bars of 2 symbols up to 2024-01-05"


def test_short_history_is_forecast_by_naive_and_an_empty_lake_by_nothing(lone_home: Path):
    with pytest.raises(NothingToLearn):
        daily_panel()
    write_bars(settings().lake_root, coin(1), random_bars(1, 40))
    panel = daily_panel()
    assert forecasts.compare(panel, TrainingProgress(None)) is None
    assert "too short" in forecasts.summary(panel, None)
    assert forecasts.issue(panel, None, "run") == 2 * 30  # the ridge needs more days


def test_newest_report_of_a_bar_counts_and_a_day_without_trade_has_no_price(lone_home: Path):
    rows = rows_of(coin(1), random_bars(1, 5))
    corrected = rows[2] | {"event_id": "again", "close": 7.0, "event_time": rows[4]["event_time"]}
    rows[3]["volume"] = 0.0
    write(settings().lake_root, "silver.bars", [*reversed(rows), corrected])
    panel = daily_panel()
    assert panel.price[0, 2] == 7.0 and np.isnan(panel.price[0, 3])
    stored = bars_of("COIN1")
    assert stored.bars.close[2] == 7.0 and stored.key == ("COIN1", "1d")


def test_model_that_can_forecast_passes_the_gate():
    days = np.arange(np.datetime64("2022-01-03"), np.datetime64("2025-01-06"))
    random = np.random.default_rng(4)
    trend = 0.01 * np.repeat(random.choice([-1.0, 1.0], (12, 30)), 40, axis=1)[:, : len(days)]
    price = 100 * np.exp((trend + random.normal(0, 0.002, trend.shape)).cumsum(axis=1))
    symbols = tuple(f"S{number}" for number in range(12))
    panel = Panel(symbols, ("equity",) * 12, ("USD",) * 12, days[: trend.shape[1]], price)
    model = MomentumRidge()
    model.fit(panel.until(900))
    ahead = model.predict(panel.until(900), [5])[:, 0]
    naive = panel.price[:, 900]
    actual = panel.price[:, 905]
    assert np.abs(ahead - actual).mean() < 0.7 * np.abs(naive - actual).mean()


def test_series_without_history_has_no_forecast_of_its_own():
    panel = Panel(
        ("A",),
        ("equity",),
        ("USD",),
        np.arange(np.datetime64("2024-01-01"), np.datetime64("2024-01-11")),
        np.full((1, 10), 5.0),
    )
    model = MomentumRidge()
    model.fit(panel)
    assert np.isnan(model.predict(panel, [1, 5])).all()
    assert forecasts.compare(panel, TrainingProgress(None)) is None
