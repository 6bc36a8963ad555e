"""Every gold table equals its recomputation from silver, for any cut into batches and any order of rows."""

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import write_deltalake

from conf.settings import REPO
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import (
    EPOCH,
    empty_table,
    ensure_table,
    high_water_mark,
    open_table,
    table_uri,
)
from lakehouse.io.query import reference_tables, run_contract_sql
from lakehouse.paths import view_name
from streaming_jobs.gold import driver, indicators
from streaming_jobs.gold.incremental import IncrementalGold
from streaming_jobs.gold.indicators import Indicators
from tests.support.gold.rows import by_key, differences, rows_of
from tests.support.gold.subjects import SUBJECTS
from tests.support.price_lake import Stream, batches, price_rows, sensor_rows
from tests.support.recomputed_gold import RECOMPUTED

# Tables that do not follow from accepted rows: the stream writes them with its verdicts.
WRITTEN_WITH_VERDICTS = {"gold.balance", "gold.data_quality", "gold.reviews"}
# Tables whose law is a test of their job: what was stated once stays, whatever arrives later, and what
# training writes depends on when it ran. Of gold.model_accuracy only the rows of issued forecasts follow from
# other tables; training writes those of backtests.
LAW_OF_ITS_OWN = {
    "gold.silences": "tests/streaming_jobs/test_silent_series.py",
    "gold.forecasts": "tests/ml/forecasts/test_issue.py",
    "gold.equity_forecasts": "tests/ml/trading/test_forecasts.py",
    "gold.feature_importance": "tests/ml/forecasts/test_training_round.py",
    "gold.sales_model": "tests/ml/sales/test_sales_model.py",
    "gold.sales_leaks": "tests/ml/sales/test_sales_model.py",
    "gold.price_elasticity": "tests/ml/sales/test_elasticity.py",
    "gold.discount_lift": "tests/ml/sales/test_elasticity.py",
    "gold.risk_scores": "tests/ml/risk/test_issue.py",
}
SILVER = ("silver.prices", "silver.sensors")


def assert_equals_recomputation() -> None:
    silver = {table: rows_of(table) for table in SILVER}
    for table, recompute in RECOMPUTED.items():
        wrong = differences(contracts()[table], rows_of(table), recompute(silver))
        assert not wrong, f"{table}: {len(wrong)} differences, such as {wrong[:5]}"


@pytest.mark.parametrize(
    ("seed", "count", "shuffled"),
    [(1, 1, False), (2, 12, False), (3, 9, True), (4, 4, True)],
    ids=["in one go", "by time, some late", "any order", "any order, other cuts"],
)
def test_gold_follows_silver_for_any_cut_into_batches(lake: Path, seed: int, count: int, shuffled: bool):
    rng = random.Random(seed)
    stream = Stream()
    incremental = IncrementalGold(1)
    background = Indicators()
    rows, readings = price_rows(seed=7), sensor_rows(seed=7)
    assert len(rows) > 2000
    for prices, sensed in zip(
        batches(rows, count, seed, shuffled), batches(readings, count, seed, shuffled), strict=True
    ):
        stream.write(prices, sensed)
        if rng.random() < 0.3:
            stream.gold = type(stream.gold)()  # a restart: the tables are read again
        if rng.random() < 0.6:
            incremental.refresh()
        if rng.random() < 0.6:
            background.refresh()  # it may lag behind the days, which lag behind silver
    incremental.refresh()
    background.refresh()
    assert_equals_recomputation()
    assert high_water_mark("gold.indicators") == high_water_mark("gold.daily_prices") > EPOCH
    alps = [row["alps"] for row in rows_of("gold.indicators") if row["alps"] is not None]
    ifpa = [row["ifpa"] for row in rows_of("gold.indicators") if row["ifpa"] is not None]
    assert alps and ifpa, "nothing was compared"
    versions = {table: open_table(table).version() for table in RECOMPUTED}
    incremental.refresh()
    background.refresh()
    assert {
        table: open_table(table).version() for table in RECOMPUTED
    } == versions  # nothing new, nothing written


def test_gold_equals_its_own_sql_over_all_of_silver(lake: Path):
    stream = Stream()
    incremental = IncrementalGold(1)
    for prices, sensed in zip(
        batches(price_rows(8), 5, 8, True), batches(sensor_rows(8), 5, 8, True), strict=True
    ):
        stream.write(prices, sensed)
        incremental.refresh()
    tables = {
        view_name(name): open_table(name).to_pyarrow_table()
        for name in (*SILVER, "gold.live_prices", "gold.sensors_live")
    }
    checked = 0
    for contract in contracts().values():
        if contract.sql and contract.table in RECOMPUTED:
            wanted = run_contract_sql(contract, tables | reference_tables()).to_pylist()
            assert not differences(contract, rows_of(contract.table), wanted), contract.table
            checked += 1
    assert checked >= 5


def test_a_late_row_changes_every_day_that_depends_on_it(lake: Path):
    """A price of the first day, released a batch later, changes the days 1, 7, 28 and 30 after it."""
    stream = Stream()
    incremental = IncrementalGold(1)
    background = Indicators()
    rows = [row for row in price_rows(9) if row["commodity"] == "beras-medium" and row["level"] == "province"]
    first = min(
        row["market_date"]
        for row in rows
        if row["market_date"] > date(2024, 1, 1) and row["region_code"] == "32"
    )
    late = [row for row in rows if row["market_date"] == first and row["region_code"] == "32"]
    stream.write([row for row in rows if row not in late], [])
    incremental.refresh()
    background.refresh()
    before = by_key(contracts()["gold.indicators"], rows_of("gold.indicators"))
    stream.write(late, [])
    incremental.refresh()
    background.refresh()
    after = by_key(contracts()["gold.indicators"], rows_of("gold.indicators"))
    changed = {key[4] - first for key, row in after.items() if key[1] == "32" and before.get(key) != row}
    assert changed & {timedelta(days) for days in (1, 7, 28, 30)}
    neighbours = [key for key, row in after.items() if key[1] != "32" and before[key] != row]
    assert {key[4] for key in neighbours} == {first}  # the national price of that day, nothing else
    assert_equals_recomputation()


def test_every_day_is_computed_again_when_another_provider_is_chosen(lake: Path):
    stream = Stream()
    incremental = IncrementalGold(1)
    background = Indicators()
    series = [
        row
        for row in price_rows(9)
        if (row["commodity"], row["level"], row["region_code"]) == ("beras-medium", "province", "32")
    ]
    ordered = sorted(series, key=lambda row: row["market_date"])
    longer = [
        row | {"provider": "pihps", "event_id": f"b-{row['event_id']}", "price_idr": row["price_idr"] * 1.1}
        for row in ordered
    ]
    for rows, provider in ((ordered[20:], "market"), (longer, "pihps")):
        stream.write(rows, [])
        incremental.refresh()
        background.refresh()
        shown = rows_of("gold.indicators")
        assert {row["provider"] for row in shown} == {provider}
        assert len(shown) == len({row["market_date"] for row in rows})
        assert_equals_recomputation()
    assert {row["provider"] for row in rows_of("gold.daily_prices")} == {"market", "pihps"}


def test_days_of_an_ended_provider_are_spliced_and_follow_its_late_prices(lake: Path):
    """A late price in the last days of the ended one, or a new one of the current one, moves all of them."""
    stream = Stream()
    incremental = IncrementalGold(1)
    background = Indicators()
    series = [
        row
        for row in price_rows(9)
        if (row["commodity"], row["level"], row["region_code"]) == ("bawang-merah", "province", "32")
    ]
    ordered = sorted(series, key=lambda row: row["market_date"])
    ended, gap = ordered[:-20], timedelta(days=60)
    current = [
        row
        | {"provider": "pihps", "market_date": row["market_date"] + gap, "price_idr": row["price_idr"] * 1.1}
        for row in ordered[-20:]
    ]
    current = [row | {"market_month": f"{row['market_date']:%Y-%m}"} for row in current]
    factors = set()
    for rows in (ended[:-1], current[:1], current[1:3], ended[-1:], current[3:]):
        stream.write(rows, [])
        incremental.refresh()
        background.refresh()
        assert_equals_recomputation()
        factors |= {row["splice_factor"] for row in rows_of("gold.indicators")}
    shown = rows_of("gold.indicators")
    assert {row["provider"] for row in shown} == {"pihps"} and len(factors) >= 4
    assert {row["spliced_from"] for row in shown} == {"market", None}
    assert {row["provider"] for row in rows_of("gold.daily_prices")} == {"market", "pihps"}, "raw prices stay"


def test_gold_of_an_earlier_contract_is_written_again(lake: Path):
    """Its rows have no provider: they are removed when the column is added, and follow from silver again."""
    stream = Stream()
    incremental = IncrementalGold(1)
    background = Indicators()
    stream.write(price_rows(10)[:300], [])
    incremental.refresh()
    background.refresh()
    for table in ("gold.daily_prices", "gold.indicators", "gold.monthly_indicators"):
        old = open_table(table).to_pyarrow_table().drop_columns(["provider"])
        write_deltalake(table_uri(table), old, mode="overwrite", schema_mode="overwrite")
        assert ensure_table(table).to_pyarrow_table().num_rows == 0
    incremental.refresh()
    background.refresh()
    assert_equals_recomputation()
    ensure_table("gold.daily_prices")  # nothing is missing: nothing is emptied
    assert_equals_recomputation()


def test_indicators_start_again_after_daily_prices_were_emptied(lake: Path):
    stream = Stream()
    incremental = IncrementalGold(1)
    background = Indicators()
    stream.write(price_rows(10)[:900], [])
    incremental.refresh()
    background.refresh()
    empty_table("gold.daily_prices")
    background.refresh()
    assert rows_of("gold.indicators") == rows_of("gold.monthly_indicators") == []
    incremental.refresh()
    background.refresh()
    assert_equals_recomputation()


def test_indicators_killed_between_two_commits_are_completed(lake: Path, monkeypatch: pytest.MonkeyPatch):
    stream = Stream()
    incremental = IncrementalGold(1)
    background = Indicators()
    first, second = batches(price_rows(11), 2, 11, True)
    stream.write(first, [])
    incremental.refresh()
    background.refresh()
    stream.write(second, [])
    incremental.refresh()
    write, left = driver.replace_rows, [3]

    def killed(*arguments: Any, **more: Any) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        write(*arguments, **more)

    monkeypatch.setattr(driver, "replace_rows", killed)
    monkeypatch.setattr(indicators, "ROWS_PER_COMMIT", 100)
    with pytest.raises(KeyboardInterrupt):
        background.refresh()
    left[0] = 99
    background.refresh()
    assert_equals_recomputation()


def test_every_gold_table_has_a_recomputation():
    gold = {name for name in contracts() if name.startswith("gold.")}
    background = {table for subject in SUBJECTS.values() for table in subject.recomputed}
    assert gold - WRITTEN_WITH_VERDICTS - set(LAW_OF_ITS_OWN) == {*RECOMPUTED, *background}
    assert all(table in (REPO / file).read_text(encoding="utf-8") for table, file in LAW_OF_ITS_OWN.items())
