"""Rows of silver.prices as the validator sees them, given one by one or drawn at random."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa

from conf.settings import settings
from lakehouse.validation import Judgement
from lakehouse.validation.prices.validator import PriceValidator

START = date(2024, 1, 1)  # a Monday
SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("event_time", pa.timestamp("us", "UTC")),
        ("device_id", pa.string()),
        ("provider", pa.string()),
        ("market_id", pa.string()),
        ("region_code", pa.string()),
        ("level", pa.string()),
        ("commodity", pa.string()),
        ("channel", pa.string()),
        ("price_idr", pa.float64()),
        ("market_date", pa.date32()),
        ("ingested_at", pa.timestamp("us", "UTC")),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
    ]
)
CODES = ("11", "12", "13", "14", "15", "16", "31", "32")


def knobs(**changes: object) -> dict[str, object]:
    return {**settings().rule_values(), **changes}


def row(
    day: int, code: str, price: float | None, nth: int = 0, commodity: str = "bawang-merah", **more: object
) -> dict:
    """A province's price on the `day`-th day; `nth` orders several of one day."""
    usual = {
        "event_id": f"{commodity}-{more.get('provider', 'market')}-{code}-{day}-{nth}",
        "event_time": datetime(2024, 1, 1, 3, tzinfo=UTC) + timedelta(days=day, minutes=nth),
        "device_id": None,
        "provider": "market",
        "market_id": f"PROV-{code}",
        "region_code": code,
        "level": "province",
        "commodity": commodity,
        "channel": "retail",
        "price_idr": price,
        "market_date": START + timedelta(days=day),
        "ingested_at": datetime(2024, 6, 1, tzinfo=UTC),
    }
    return {**usual, **more}


def table(rows: Sequence[dict]) -> pa.Table:
    """The place in Kafka is the row number unless the row has one."""
    whole = [{"partition": 0, "offset": nth, **row} for nth, row in enumerate(rows)]
    return pa.Table.from_pylist(whole, schema=SCHEMA)


def numbered(rows: Sequence[dict]) -> list[dict]:
    """The rows with their place in Kafka."""
    return [{**row, "offset": nth} for nth, row in enumerate(rows)]


def walk(days: int, seed: int, codes: Sequence[str] = CODES, **more: object) -> list[dict]:
    """A random walk per province with heavy tails, gaps and a few extreme prices, in steps of 10 rupiah."""
    random = np.random.default_rng(seed)
    moves = 0.01 * random.standard_t(3, (days, len(codes)))
    prices = np.round(35_000 * np.exp(np.cumsum(moves, axis=0)) / 10) * 10
    wild = random.random(prices.shape) < 0.01
    prices = np.where(wild, prices * random.choice([0.1, 0.6, 1.5, 10.0], prices.shape), prices)
    is_observed = random.random(prices.shape) > 0.05
    return [
        row(day, code, float(prices[day, nth]), **more)
        for day in range(days)
        for nth, code in enumerate(codes)
        if is_observed[day, nth]
    ]


def judge(validator: PriceValidator, rows: Sequence[dict]) -> tuple[Judgement, pa.Table]:
    """All rows pass the other rules."""
    batch = table(rows)
    everything = np.ones(batch.num_rows, dtype=bool)
    return validator.judge(batch, everything, ~everything), batch


def verdicts(verdict_table: pa.Table) -> dict[str, dict]:
    """event_id -> its verdict."""
    return {verdict["event_id"]: verdict for verdict in verdict_table.to_pylist()}
