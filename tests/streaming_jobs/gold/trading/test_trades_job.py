"""gold.trades and gold.portfolio follow from the log alone: bars, orders, restarts in any order."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse.io.delta import read_rows
from streaming_jobs.gold.trades import PORTFOLIO, TRADES, Trades
from tests.lakehouse.trading.made_bars import random_bars
from tests.support.trading.bars_lake import bar_rows, land_batch, order_row

BARS = bar_rows(random_bars(51, 40), 0, 40)


def results() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    trades = sorted(read_rows(TRADES).to_pylist(), key=lambda row: row["trade_id"])
    return trades, sorted(read_rows(PORTFOLIO).to_pylist(), key=lambda row: row["account"])


def test_order_fills_at_the_next_bar_and_the_account_is_the_same_after_a_restart(lake: Path) -> None:
    job = Trades()
    land_batch(1, "bar", "silver.bars", BARS[:10])
    land_batch(2, "order", "silver.orders", [order_row("a", "BUY", 5.0, BARS[9])])
    job.refresh()
    (trade,), (account,) = results()
    assert (trade["status"], trade["price"]) == ("ACCEPTED", None)
    assert account["cash"] == account["equity"] == 10_000
    land_batch(3, "bar", "silver.bars", BARS[10:12])
    job.refresh()
    (trade,), (account,) = results()
    assert trade["status"] == "EXECUTED"
    assert trade["price"] == pytest.approx(BARS[10]["open"] * 1.0005)
    assert trade["executed_at"] == BARS[10]["bar_time"]
    assert account["equity"] == pytest.approx(account["cash"] + 5 * BARS[11]["close"], abs=0.006)
    # Bars and the order that was decided before them arrive together, the order last.
    land_batch(4, "bar", "silver.bars", BARS[12:20])
    sale = order_row("b", "SELL", 5.0, BARS[14])
    refused = order_row("c", "BUY", 9.0, BARS[15], status="REJECTED", validation=REFUSAL)
    land_batch(
        5, "order", "silver.orders", [sale, refused, order_row("d", "BUY", 1.0, BARS[3], account="budi")]
    )
    job.refresh()
    trades, accounts = results()
    assert [trade["status"] for trade in trades] == ["EXECUTED", "EXECUTED", "REJECTED", "EXECUTED"]
    assert trades[1]["executed_at"] == BARS[15]["bar_time"]
    assert trades[2]["violations"] == '[{"rule":"min_confidence","limit":0.65,"actual":0.5}]'
    assert accounts[0]["cash"] == pytest.approx(10_000 + accounts[0]["realised_pnl"], abs=1e-9)
    before = results()
    Trades().refresh()
    assert results() == before


def test_purchase_with_a_level_shows_at_what_it_was_sold(lake: Path) -> None:
    last = BARS[10]["close"]
    land_batch(1, "bar", "silver.bars", BARS[:11])
    land_batch(2, "order", "silver.orders", [order_row("a", "BUY", 5.0, BARS[10], stop_price=last * 0.5)])
    fallen = BARS[12] | {"open": last, "high": last, "low": last * 0.4, "close": last * 0.45}
    land_batch(3, "bar", "silver.bars", [BARS[11], fallen])
    Trades().refresh()
    (trade,), (account,) = results()
    assert trade["status"] == "EXECUTED" and trade["price"] == pytest.approx(BARS[11]["open"] * 1.0005)
    assert trade["exit_price"] == pytest.approx(last * 0.5 * 0.9995)
    assert trade["exited_at"] == BARS[12]["bar_time"] and trade["pnl"] < 0
    assert account["positions"] == "[]" and account["cash"] == account["equity"]


def test_order_on_a_bar_of_the_first_years_stops_nothing(lake: Path) -> None:
    land_batch(1, "bar", "silver.bars", BARS[:10])
    ancient = order_row("a", "BUY", 5.0, BARS[9], bar_time=datetime(2, 1, 1, tzinfo=UTC))
    land_batch(2, "order", "silver.orders", [ancient, order_row("b", "BUY", 1.0, BARS[8], account="budi")])
    Trades().refresh()
    trades, accounts = results()
    assert [trade["trade_id"] for trade in trades] == ["a", "b"]
    assert [account["account"] for account in accounts] == ["ana", "budi"]


REFUSAL = '{"result":"INVALID","violations":[{"rule":"min_confidence","limit":0.65,"actual":0.5}]}'
