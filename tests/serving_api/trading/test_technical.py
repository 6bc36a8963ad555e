"""Indicators, signals and bars over HTTP: the newest first, filtered, unknown names refused."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, get_args

import pytest

from lakehouse.trading.performance import PERIODS, By
from lakehouse.trading.signals import Series, signal_at
from serving_api.listings import listing
from serving_api.reads.snapshots import Snapshot
from tests.lakehouse.trading.made_bars import COIN, random_bars
from tests.support.api import Api, new_stack, pages
from tests.support.trading.lake_of_bars import write_bars, write_house, write_signals

SHARE = Series("SHARE", "equity", "1d", "USD")
QUICK = Series("QUICK", "equity", "5m", "EUR")
BARS = random_bars(1, 300)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    stack = new_stack(tmp_path_factory.mktemp("technical"))
    for series in (COIN, SHARE, QUICK):
        write_bars(stack.lake_root, series, BARS)
        write_signals(stack.lake_root, series, BARS)
    write_house(stack.lake_root, COIN, BARS)
    running = Api(stack)
    yield running
    running.stop()


def test_indicators_are_those_of_the_newest_signal(own: Api):
    body = own.get("/api/v1/ai/technical/coin").json()
    signal = signal_at(BARS, len(BARS), COIN)
    assert signal is not None
    assert body["indicators"]["rsi"] == pytest.approx(signal.indicators["rsi"], abs=1e-9)
    rises = signal.indicators["ma5"] > signal.indicators["ma20"]
    assert body["trend"] == ("up" if rises else "down")
    assert body["bar_time"] == "2024-10-26T00:00:00Z" and body["symbol"] == "COIN"


def test_signals_are_listed_newest_first_and_filtered(own: Api):
    whole = own.get("/api/v1/ai/signals?limit=1000").json()["items"]
    assert len(whole) == 90 and whole[0]["bar_time"] >= whole[-1]["bar_time"]
    equities = own.get("/api/v1/ai/signals?asset_class=equity").json()["items"]
    series = {(item["symbol"], item["interval"]) for item in equities}
    assert series == {("SHARE", "1d"), ("QUICK", "5m")} and len(equities) == 60
    of_symbol = own.get("/api/v1/ai/signals?symbol=coin&limit=7").json()
    assert {item["symbol"] for item in of_symbol["items"]} == {"COIN"} and of_symbol["next_cursor"]


def test_fates_of_signals_are_listed_by_symbol_and_fate(own: Api):
    items = own.get("/api/v1/signal-outcomes?symbol=coin&fate=held&limit=3").json()["items"]
    assert [item["signal"] for item in items] == ["HOLD"] * 3
    assert items[0]["bar_time"] > items[1]["bar_time"] > items[2]["bar_time"]
    (rule, *_) = items[0]["violations"]
    assert items[0]["rule"] == rule["rule"] and items[0]["detail"].startswith(rule["rule"])
    assert own.get("/api/v1/signal-outcomes?symbol=QUICK&fate=traded").json()["items"] == []
    whole = own.get("/api/v1/signal-outcomes?limit=1000").json()["items"]
    assert {item["symbol"] for item in whole} == {"COIN", "SHARE", "QUICK"}
    sheet = own.get("/api/v1/signal-outcomes?symbol=COIN&format=csv")
    assert sheet.text.splitlines()[0].startswith("signal_id,symbol,interval,bar_time")


def test_page_of_a_large_table_reads_the_rows_that_it_may_list(own: Api, monkeypatch: pytest.MonkeyPatch):
    path = "/api/v1/signal-outcomes?limit="
    wanted = pages(own, f"{path}7")
    sizes: list[int] = []
    read = Snapshot.read

    def noted(snapshot: Snapshot, condition: Any, columns: Any = None) -> Any:
        rows = read(snapshot, condition, columns)
        sizes.append(rows.num_rows if columns != ["bar_time"] else 0)
        return rows

    monkeypatch.setattr(listing, "KEPT_ROWS", 0)
    monkeypatch.setattr(Snapshot, "read", noted)
    assert pages(own, f"{path}8") == wanted
    assert 9 <= max(sizes) <= 9 + 4, "nine, and others of the first and the last bar"


@pytest.mark.parametrize("by", get_args(By))
def test_results_of_closed_trades_add_up_to_the_dashboard(own: Api, by: str):
    items = pages(own, f"/api/v1/performance?by={by}&limit=1")
    assert [item["key"] for item in items] == sorted((item["key"] for item in items), reverse=by in PERIODS)
    shown = own.get("/api/dashboard").json()["performance"]
    assert sum(Decimal(str(item["net_pnl"])) for item in items) == Decimal(str(shown["total_pnl"])) != 0
    assert sum(item["trades"] for item in items) == shown["total_trades"] == 2
    answer = own.get(f"/api/v1/performance?by={by}", "user")
    assert answer.json()["items"] == [] and "private" in answer.headers["cache-control"]


def test_bars_of_a_symbol_without_daily_ones_are_those_that_it_has(own: Api):
    items = own.get("/api/v1/bars?symbol=QUICK&limit=2").json()["items"]
    assert [item["close"] for item in items] == [float(close) for close in BARS.close[:-3:-1]]
    assert own.get("/api/v1/bars?symbol=QUICK&interval=1d").json()["items"] == []
    body = own.get("/api/v1/ai/technical/QUICK").json()
    signal = signal_at(BARS, len(BARS), QUICK)
    assert signal is not None and body["indicators"]["volatility"] == signal.indicators["volatility"]


def test_bars_are_listed_newest_first(own: Api):
    items = own.get("/api/v1/bars?symbol=COIN&limit=3").json()["items"]
    assert [item["close"] for item in items] == [float(close) for close in BARS.close[:-4:-1]]


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        ("/api/v1/ai/technical/NOSUCH", 404, "unknown-symbol"),
        ("/api/v1/ai/signals?symbol=NOSUCH", 404, "unknown-symbol"),
        ("/api/v1/ai/signals?asset_class=tulips", 422, "validation"),
        ("/api/v1/bars?symbol=NOSUCH", 404, "unknown-symbol"),
        ("/api/v1/signal-outcomes?symbol=NOSUCH", 404, "unknown-symbol"),
        ("/api/v1/signal-outcomes?fate=lost", 422, "validation"),
        ("/api/v1/performance?by=mood", 422, "validation"),
        ("/api/v1/performance", 422, "validation"),
        ("/api/v1/bars", 422, "validation"),
    ],
)
def test_unknown_names_are_refused(own: Api, path: str, status: int, slug: str):
    response = own.get(path)
    assert (response.status_code, response.json()["type"]) == (status, f"/problems/{slug}")
