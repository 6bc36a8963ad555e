"""Every gold table equals its recomputation from silver in one go, however the rows were cut into batches and ordered."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from conf.settings import REPO, settings
from lakehouse.contract import Contract, contracts
from lakehouse.paths import view_name
from streaming_jobs import indicators_job
from streaming_jobs.delta_sink import EPOCH, create_tables, empty_table, open_table, taken_up_to
from streaming_jobs.indicators_job import Indicators
from streaming_jobs.slow_gold import SlowGold, answer, reference_tables
from tests.laws.price_lake import Row, Stream, batches, price_rows, sensor_rows
from tests.laws.recomputed import RECOMPUTED

# Tables that do not follow from accepted rows: the stream counts and notes them while it judges.
NOTED_BY_THE_STREAM = {"gold.balance", "gold.data_quality", "gold.reviews"}
# Tables whose law is written beside their job.
LAW_OF_ITS_OWN = {
    "gold.ledger": "tests/streaming_jobs/test_ledger_job.py",
    "gold.silent_series": "tests/streaming_jobs/test_silent_series.py",
    "gold.schema_drift": "tests/streaming_jobs/test_schema_drift.py",
    "gold.quality_hourly": "tests/streaming_jobs/test_quality_hourly.py",
    "gold.series_stats": "tests/streaming_jobs/test_price_jobs.py",
    "gold.forecasts": "tests/ml/test_materialise.py",
    "gold.model_accuracy": "tests/ml/test_issued.py",
    "gold.feature_importance": "tests/ml/test_price_round.py",
    "gold.weather_prices": "tests/ml/test_weather_prices.py",
    "gold.sales_model": "tests/ml/test_sales.py",
    "gold.sales_leaks": "tests/ml/test_sales.py",
    "gold.anomalies": "tests/ml/test_anomaly_job.py",
}
SILVER = ("silver.prices", "silver.sensors")


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Empty tables of every contract."""
    monkeypatch.setenv("LUMBUNG_HOME", str(tmp_path))
    settings.cache_clear()
    create_tables()
    yield tmp_path
    monkeypatch.undo()
    settings.cache_clear()


def rows_of(table: str) -> list[Row]:
    return open_table(table).to_pyarrow_table().to_pylist()


def by_key(contract: Contract, rows: list[Row]) -> dict[tuple, Row]:
    found = {tuple(row[name] for name in contract.key): row for row in rows}
    assert len(found) == len(rows), f"{contract.table}: {len(rows) - len(found)} keys twice"
    return found


def differences(contract: Contract, stands: list[Row], wanted: list[Row]) -> list[str]:
    """Keys on one side only, and columns that disagree (numbers within 1e-9 of each other)."""
    here, there = by_key(contract, stands), by_key(contract, wanted)
    found = [
        f"{key} is not in {side}" for side, a, b in (("gold", here, there), ("silver", there, here)) for key in b if key not in a
    ]
    for key in here.keys() & there.keys():
        for name in contract.column_names:
            if not alike(here[key][name], there[key][name]):
                found.append(f"{key} {name}: {here[key][name]!r}, recomputed {there[key][name]!r}")
    return found


def alike(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, (int, float)):
        return one == pytest.approx(other, rel=1e-9, abs=1e-7)  # abs: percents that are zero
    return one == other


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
def test_gold_follows_silver_however_it_is_cut(lake: Path, seed: int, count: int, shuffled: bool):
    dice = random.Random(seed)
    stream, slow, heavy = Stream(), SlowGold(1), Indicators()
    rows, readings = price_rows(seed=7), sensor_rows(seed=7)
    assert len(rows) > 2000
    for prices, sensed in zip(batches(rows, count, seed, shuffled), batches(readings, count, seed, shuffled), strict=True):
        stream.write(prices, sensed)
        if dice.random() < 0.3:
            stream.gold = type(stream.gold)()  # a restart: what stands is read again
        if dice.random() < 0.6:
            slow.refresh()
        if dice.random() < 0.6:
            heavy.refresh()  # it may lag behind the days, which lag behind silver
    slow.refresh()
    heavy.refresh()
    assert_equals_recomputation()
    assert taken_up_to("gold.indicators") == taken_up_to("gold.daily_prices") > EPOCH
    alps = [row["alps"] for row in rows_of("gold.indicators") if row["alps"] is not None]
    ifpa = [row["ifpa"] for row in rows_of("gold.indicators") if row["ifpa"] is not None]
    assert alps and ifpa, "nothing was compared"
    versions = {table: open_table(table).version() for table in RECOMPUTED}
    slow.refresh()
    heavy.refresh()
    assert {table: open_table(table).version() for table in RECOMPUTED} == versions  # nothing new, nothing written


def test_gold_equals_its_own_sql_over_all_of_silver(lake: Path):
    stream, slow = Stream(), SlowGold(1)
    for prices, sensed in zip(batches(price_rows(8), 5, 8, True), batches(sensor_rows(8), 5, 8, True), strict=True):
        stream.write(prices, sensed)
        slow.refresh()
    tables = {view_name(name): open_table(name).to_pyarrow_table() for name in (*SILVER, "gold.live_prices", "gold.sensors_live")}
    checked = 0
    for contract in contracts().values():
        if contract.sql and contract.table in RECOMPUTED:
            wanted = answer(contract, tables | reference_tables()).to_pylist()
            assert not differences(contract, rows_of(contract.table), wanted), contract.table
            checked += 1
    assert checked >= 5


def test_a_late_row_changes_every_day_that_depends_on_it(lake: Path):
    """A price of the first day, released a batch after all others: the days 1, 7, 28 and 30 later speak of it."""
    stream, slow, heavy = Stream(), SlowGold(1), Indicators()
    rows = [row for row in price_rows(9) if row["commodity"] == "beras-medium" and row["level"] == "province"]
    first = min(row["market_date"] for row in rows if row["market_date"] > date(2024, 1, 1) and row["region_code"] == "32")
    late = [row for row in rows if row["market_date"] == first and row["region_code"] == "32"]
    stream.write([row for row in rows if row not in late], [])
    slow.refresh()
    heavy.refresh()
    before = by_key(contracts()["gold.indicators"], rows_of("gold.indicators"))
    stream.write(late, [])
    slow.refresh()
    heavy.refresh()
    after = by_key(contracts()["gold.indicators"], rows_of("gold.indicators"))
    changed = {key[4] - first for key, row in after.items() if key[1] == "32" and before.get(key) != row}
    assert changed & {timedelta(days) for days in (1, 7, 28, 30)}
    neighbours = [key for key, row in after.items() if key[1] != "32" and before[key] != row]
    assert {key[4] for key in neighbours} == {first}  # the nation's price of that day, nothing else
    assert_equals_recomputation()


def test_days_set_back_are_begun_anew(lake: Path):
    stream, slow, heavy = Stream(), SlowGold(1), Indicators()
    stream.write(price_rows(10)[:900], [])
    slow.refresh()
    heavy.refresh()
    empty_table(contracts()["gold.daily_prices"])
    heavy.refresh()
    assert rows_of("gold.indicators") == rows_of("gold.monthly_indicators") == []
    slow.refresh()
    heavy.refresh()
    assert_equals_recomputation()


def test_killed_between_two_commits_it_makes_up_for_it(lake: Path, monkeypatch: pytest.MonkeyPatch):
    stream, slow, heavy = Stream(), SlowGold(1), Indicators()
    first, second = batches(price_rows(11), 2, 11, True)
    stream.write(first, [])
    slow.refresh()
    heavy.refresh()
    stream.write(second, [])
    slow.refresh()
    write, left = indicators_job.overwrite_arrow, [3]

    def killed(*arguments: Any, **more: Any) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        write(*arguments, **more)

    monkeypatch.setattr(indicators_job, "overwrite_arrow", killed)
    monkeypatch.setattr(indicators_job, "ROWS_PER_COMMIT", 100)
    with pytest.raises(KeyboardInterrupt):
        heavy.refresh()
    left[0] = 99
    heavy.refresh()
    assert_equals_recomputation()


def test_every_gold_table_is_under_the_law():
    gold = {name for name in contracts() if name.startswith("gold.")}
    assert gold - NOTED_BY_THE_STREAM - set(LAW_OF_ITS_OWN) == set(RECOMPUTED)
    assert all(table in (REPO / file).read_text(encoding="utf-8") for table, file in LAW_OF_ITS_OWN.items())
