"""Prices and readings: statistics of the series, and the silent ones."""

import random
from datetime import datetime

import pyarrow.compute as pc

from lakehouse.alerts.rows import with_staleness
from lakehouse.contracts.contract import contracts
from lakehouse.io.query import run_contract_sql
from lakehouse.validation.prices.validator import PriceClosings
from streaming_jobs.gold.alerts import as_table, of_commodity
from streaming_jobs.gold.series_stats import candidates, series_stats
from streaming_jobs.gold.silent_series import with_clocks
from tests.support.gold.subject import Row, Tables
from tests.support.price_lake import price_rows, sensor_rows
from tests.support.price_rows import knobs


def prices_and_readings(rng: random.Random) -> dict[str, list[Row]]:
    """Prices of many series, and readings."""
    series = [row for row in price_rows(rng.randrange(99)) if row["commodity"] == "cabai-rawit-merah"]
    return {"silver.prices": series, "silver.sensors": sensor_rows(rng.randrange(99), 300)}


def series_statistics(tables: Tables, newest: datetime) -> list[Row]:
    """By the validator's code over all prices at once."""
    closings = PriceClosings(knobs())
    closings.load(tables["silver.prices"].select(list(closings.columns)))
    rows: list[Row] = series_stats(closings, candidates(newest)).to_pylist()
    return rows


def silent_series(tables: Tables, newest: datetime) -> list[Row]:
    """By the contract's SQL over all events at once."""
    rows: list[Row] = with_clocks(dict(tables), [], newest).to_pylist()
    return rows


def alerts(tables: Tables, newest: datetime) -> list[Row]:
    """Of prices, each commodity at once. The other alerts have tests of the job."""
    daily = run_contract_sql(contracts()["gold.daily_prices"], {"silver_prices": tables["silver.prices"]})
    names = daily["commodity"].unique().to_pylist()
    known = [of_commodity(daily.filter(pc.equal(daily["commodity"], name)), {}) for name in names]
    closed = [row for of in known for row in of.closed.to_pylist()]
    newest_day = max(of.newest_day for of in known)
    rows: list[Row] = as_table(
        with_staleness([row for of in known for row in of.open], newest_day)
    ).to_pylist()
    return [*closed, *rows]
