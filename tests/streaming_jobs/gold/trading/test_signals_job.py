"""gold.signals over a real lake: each bar once, the same however the bars arrived and after every crash."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from lakehouse.io.delta import read_rows
from lakehouse.trading.moods import counts_of, with_moods
from lakehouse.trading.series_bars import PRICES, StoredSeries
from lakehouse.trading.signals import signal_at
from streaming_jobs.gold.signals import SIGNALS, Signals
from tests.lakehouse.trading.made_bars import COIN, random_bars
from tests.support.trading.bars_lake import bar_rows, land, land_batch


def stored() -> list[dict[str, object]]:
    return sorted(read_rows(SIGNALS).to_pylist(), key=lambda row: (row["symbol"], row["bar_time"]))


def test_signals_do_not_depend_on_batches_and_restarts(lake: Path) -> None:
    bars = random_bars(41, 620)
    land_batch(1, "bar", "silver.bars", bar_rows(bars, 0, 300))
    first = Signals()
    first.refresh()
    land_batch(2, "bar", "silver.bars", bar_rows(bars, 300, 610))
    first.refresh()
    land_batch(3, "bar", "silver.bars", bar_rows(bars, 610, 619))
    first.refresh()
    assert len(stored()) == 370
    restarted = Signals()
    restarted.refresh()
    land_batch(4, "bar", "silver.bars", bar_rows(bars, 619, 620))
    restarted.refresh()
    restarted.refresh()
    rows = stored()
    assert len(rows) == 371
    for row, end in zip(rows, range(250, 621), strict=True):
        signal = signal_at(bars, end, COIN)
        assert signal is not None
        assert (row["signal"], row["confidence"], row["data_version"]) == (
            signal.direction,
            signal.confidence,
            signal.data_version,
        )
    assert {row["result"] for row in read_rows("gold.verifications").to_pylist()} == {"VERIFIED"}
    assert read_rows("gold.verifications").num_rows == 371
    (live,) = read_rows("gold.bars_live").to_pylist()
    assert live["close"] == bars.close[-1]
    assert live["closes"] == bars.close[-100:].tolist()


def test_clock_of_simulated_bars_is_their_newest_one(lake: Path) -> None:
    bars = random_bars(43, 253)
    for nth, source in enumerate(("sim:test", "market")):
        land_batch(nth, "bar", "silver.bars", bar_rows(bars, 0, 253, symbol=f"COIN{nth}", source=source))
    Signals().refresh()
    closed = max(row["bar_time"] for row in read_rows(SIGNALS).to_pylist()) + timedelta(days=1)
    simulated, reported = (
        [row for row in read_rows("gold.verifications").to_pylist() if row["symbol"] == symbol]
        for symbol in ("COIN0", "COIN1")
    )
    assert {row["feed_time"] for row in simulated} == {closed}
    assert all(row["feed_time"] == row["timestamp"] > closed for row in reported)


def test_split_before_the_first_bar_of_a_batch_adjusts_the_bars_before_it(lake: Path) -> None:
    bars = random_bars(44, 260)
    before = np.arange(260) < 259
    prices = {name: np.where(before, 4 * getattr(bars, name), getattr(bars, name)) for name in PRICES[:4]}
    rows = bar_rows(replace(bars, **prices), 0, 260)
    rows[259]["previous_close"] = bars.close[258]
    land_batch(1, "bar", "silver.bars", rows[:259])
    job = Signals()
    job.refresh()
    land_batch(2, "bar", "silver.bars", rows[259:])
    job.refresh()
    (live,) = read_rows("gold.bars_live").to_pylist()
    assert live["closes"] == pytest.approx(bars.close[-100:])
    assert live["change_24h_pct"] == pytest.approx(100 * (bars.close[259] / bars.close[258] - 1))
    assert stored()[-1]["ma20"] == pytest.approx(bars.close[-20:].mean())


def test_sentiment_of_the_day_before_votes_in_live_signals_and_those_of_a_history(lake: Path) -> None:
    bars = random_bars(47, 300)
    first = bar_rows(bars, 0, 1)[0]["bar_time"].date()
    days = [
        {
            "subject_kind": "symbol",
            "subject": "COIN",
            "market_date": first + timedelta(days=at),
            "market_month": f"{first + timedelta(days=at):%Y-%m}",
            "positive": at % 9,
            "negative": at % 4,
        }
        for at in range(0, 299, 2)
    ]
    land("gold.sentiment", days)
    land_batch(1, "bar", "silver.bars", bar_rows(bars, 0, 290))
    Signals().refresh()
    live = Signals()
    for at in range(290, 300):
        land_batch(at, "bar", "silver.bars", bar_rows(bars, at, at + 1))
        live.refresh()
    series = with_moods(StoredSeries(COIN, bars, bars.time, "file"), counts_of(days)).bars
    rows = stored()
    assert len(rows) == 51
    for row, end in zip(rows, range(250, 301), strict=True):
        signal = signal_at(series, end, COIN)
        assert signal is not None
        assert (row["sentiment"], row["buy_score"], row["data_version"]) == (
            signal.sentiment,
            signal.buy_score,
            signal.data_version,
        )
        assert (row["sentiment"] is None) == (end % 2 == 1)
    assert Counter(row["result"] for row in read_rows("gold.verifications").to_pylist()) == {"VERIFIED": 51}


def test_a_history_that_is_taken_up_keeps_no_new_bar_waiting(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming_jobs.gold.signals.PAST_BARS_A_REFRESH", 100)
    bars = random_bars(43, 500)
    land_batch(1, "bar", "silver.bars", bar_rows(bars, 0, 252, "QUICK"))
    job = Signals()
    job.refresh()
    land_batch(2, "bar", "silver.bars", bar_rows(bars, 0, 500, "A-LONG-PAST"))
    job.refresh()
    land_batch(3, "bar", "silver.bars", bar_rows(bars, 252, 253, "QUICK"))
    job.refresh()
    counts = Counter(row["symbol"] for row in stored())
    assert counts["QUICK"] == 4 and 0 < counts["A-LONG-PAST"] < 251
    for _ in range(3):
        job.refresh()
    assert Counter(row["symbol"] for row in stored()) == {"QUICK": 4, "A-LONG-PAST": 251}
