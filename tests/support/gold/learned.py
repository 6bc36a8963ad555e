"""Prices, weather and verdicts: what the trainer computes from them as a whole."""

import random
from datetime import date, datetime, timedelta

import numpy as np

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.reference import provinces
from lakehouse.validation.prices.validator import PriceValidator
from ml.anomalies import job
from ml.anomalies.context import TABLES, read_context
from ml.anomalies.forecast_vote import day_ahead_forecasts
from ml.anomalies.observations import read_reports
from ml.anomalies.rows import EPOCH, anomaly_rows
from ml.data.load import daily_prices
from ml.impact.context import with_context
from ml.impact.fit import attribute
from ml.impact.job import impact_rows
from ml.weather.job import correlate, correlation_rows, prices_of
from tests.support.daily_prices_lake import row as daily_row
from tests.support.gold.subject import Row, Tables
from tests.support.price_rows import CODES, judge, knobs
from tests.support.price_rows import row as price

DAYS = 420
FIRST = date(2024, 1, 1)


def prices_and_rain(rng: random.Random) -> dict[str, list[Row]]:
    """Prices of four provinces that share a national move, and the rain of a station in one of them."""
    numbers = np.random.default_rng(rng.randrange(99))
    national = np.cumsum(numbers.standard_normal(DAYS) * 0.03)
    prices: list[Row] = []
    rain: list[Row] = []
    for region in ("31", "32", "33", "35"):
        own = np.cumsum(numbers.standard_normal(DAYS) * 0.01)
        for nth in range(DAYS):
            idr = float(np.round(35_000 * np.exp(national[nth] + own[nth])))
            prices.append(daily_row("bawang-merah", region, FIRST + timedelta(days=nth), idr))
    for nth in range(DAYS):
        day = FIRST + timedelta(days=nth)
        place = {"event_id": f"w{nth}", "station_id": "S1", "region_code": "32"}
        measured = {"date": day, "rainfall_mm": float(numbers.exponential(9)), "event_month": f"{day:%Y-%m}"}
        rain.append(place | measured | {"region": provinces()["32"].name})
    return {"gold.daily_prices": prices, "silver.weather": rain}


def weather_prices(tables: Tables, newest: datetime) -> list[Row]:
    """By the function of all pairs over the whole panel."""
    panel = daily_prices(settings().lake_root, longest=True)
    rows = correlation_rows(correlate(panel))
    return [row | prices_of(panel, row["commodity"], row["region_code"]) for row in rows]


def impact_factors(tables: Tables, newest: datetime) -> list[Row]:
    """By the fit over the whole panel."""
    root = settings().lake_root
    return impact_rows(attribute(with_context(daily_prices(root), root)))


def verdicts(rng: random.Random) -> dict[str, list[Row]]:
    """Verdicts about half a year of prices, with a spike, a price ten times too high and a lasting shift."""
    numbers = np.random.default_rng(rng.randrange(99))
    moves = 0.006 * numbers.standard_normal((170, 1)) + 0.006 * numbers.standard_normal((170, len(CODES)))
    idr = np.round(35_000 * np.exp(np.cumsum(moves, axis=0)))
    idr[120, 2] *= 1.6
    idr[130, 3] *= 10
    idr[160:, 4] *= 1.5
    rows = [price(day, code, float(idr[day, at])) for day in range(170) for at, code in enumerate(CODES)]
    return {"silver.price_verdicts": judge(PriceValidator(knobs()), rows)[0].verdicts.to_pylist()}


def anomalies(tables: Tables, newest: datetime) -> list[Row]:
    """By the function of all series and days at once."""
    stored = tables["silver.price_verdicts"]
    first = min(stored["market_date"].to_pylist()) - timedelta(days=job.LABELLED_DAYS)
    sources = {name: arrow_schema(contracts()[name]).empty_table() for name in TABLES}
    rows = anomaly_rows(
        list(read_reports(stored, first)),
        job.thresholds_of_day(),
        (first - EPOCH).days,
        lambda places: read_context(sources, places),
        day_ahead_forecasts(None),
    )
    return list(rows)
