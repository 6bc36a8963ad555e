"""Thousands of silver rows with many edge cases, and the writers of the stream without Spark."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import BatchTag, append_rows
from lakehouse.reference import commodities, provinces
from streaming_jobs.batch.folded_gold import FoldedGold, rows_to_fold

Row = dict[str, Any]
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
SUMMER = [
    date(2024, 4, 25) + timedelta(days) for days in range(100)
]  # across a change of the ceiling of rice
YEAR_BEFORE = [day - timedelta(365) for day in SUMMER[:10]]
MARKETS = {"32": ("PASAR-001", "KIOS-32"), "11": ("KIOS-11",), "91": ("KIOS-91",)}


def _row(
    rng: random.Random,
    number: int,
    region: str,
    commodity: str,
    channel: str,
    level: str,
    day: date,
    idr: float,
) -> Row:
    """One accepted price; some prices have the same time of day."""
    province = provinces()[region]
    market = province.market_id if level == "province" else rng.choice(MARKETS[region])
    at = datetime.combine(day, time(rng.choice((2, 3, 3, 4)), rng.choice((0, 30))), UTC)
    return {
        "event_id": f"e{number:05}",
        "market_id": market,
        "market_name": market,
        "level": level,
        "region_code": region,
        "region": province.name,
        "commodity": commodity,
        "channel": channel,
        "provider": "market",
        "price_idr": idr,
        "unit": commodities()[commodity].unit,
        "event_time": at,
        "market_date": day,
        "market_month": f"{day:%Y-%m}",
        "source": "test",
        "topic": "lumbung.price",
        "partition": 0,
        "offset": number,
        "rule_set": "x",
        "_warnings": ["released"] if rng.random() < 0.01 else [],
    }


def _series(rng: random.Random) -> Iterator[tuple[str, str, str, str, list[date]]]:
    """(region, commodity, channel, level, days)."""
    for region in MARKETS:
        for commodity in ("beras-medium", "cabai-rawit-merah"):
            yield region, commodity, "retail", "market", SUMMER
            yield region, commodity, "retail", "province", SUMMER + YEAR_BEFORE
    yield "32", "cabai-rawit-merah", "producer", "province", SUMMER
    yield "11", "daging-sapi", "wholesale", "market", SUMMER
    months = [date(2019 + month // 12, month % 12 + 1, day) for month in range(66) for day in (3, 17)]
    yield "32", "bawang-merah", "retail", "province", months
    yield "11", "bawang-merah", "retail", "province", months[24:]  # 54 months
    yield (
        "91",
        "bawang-merah",
        "retail",
        "province",
        [day for day in months if rng.random() < 0.5 and day.month != 2],
    )


def price_rows(seed: int) -> list[Row]:
    """Walks around the typical price, a tenth of days missing, some days reported two to four times."""
    rng, rows = random.Random(seed), []
    for region, commodity, channel, level, days in _series(rng):
        idr = commodities()[commodity].typical_idr * (0.5 if channel == "producer" else 1)
        for day in sorted(days):
            idr *= 1 + rng.gauss(0, 0.03)
            if rng.random() < 0.1:
                continue
            for _ in range(rng.choice((1, 1, 1, 2, 4)) if level == "market" else 1):
                price = round(idr * (1 + rng.gauss(0, 0.02)), -1)
                rows.append(_row(rng, len(rows), region, commodity, channel, level, day, price))
    return rows


def sensor_rows(seed: int, count: int = 600) -> list[Row]:
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        at = BEGAN + timedelta(minutes=rng.randrange(200))
        rows.append(
            {
                "event_id": f"s{number:04}",
                "market_id": rng.choice(("PASAR-001", "PASAR-002", "KIOS-9")),
                "region_code": "32",
                "device_id_hash": rng.choice("abc"),
                "metric": rng.choice(("temperature_c", "humidity_pct")),
                "value": rng.uniform(20, 35),
                "event_time": at,
                "market_date": at.date(),
                "market_month": f"{at:%Y-%m}",
                "source": "test",
                "topic": "lumbung.sensor",
                "partition": 0,
                "offset": number,
                "rule_set": "x",
                "_warnings": [],
            }
        )
    return rows


def batches(rows: Sequence[Row], count: int, seed: int, shuffled: bool) -> list[list[Row]]:
    """The rows cut at seeded places. Not shuffled: by event time, with one row in twenty late."""
    rng = random.Random(seed)
    late = {row["event_id"]: rng.random() < 0.05 for row in rows}
    keys = {row["event_id"]: rng.random() for row in rows}
    ordered = sorted(
        rows,
        key=lambda r: (
            keys[r["event_id"]] if shuffled else (late[r["event_id"]], r["event_time"], r["event_id"])
        ),
    )
    cuts = sorted(rng.sample(range(1, len(ordered)), count - 1))
    return [list(ordered[a:b]) for a, b in zip([0, *cuts], [*cuts, len(ordered)], strict=True)]


class Stream:
    """Writes a batch as the stream does: silver, folded gold, then the balance, which makes it finished."""

    def __init__(self) -> None:
        self.gold = FoldedGold()
        self.number = 0

    def write(self, prices: list[Row], readings: list[Row]) -> None:
        at = BEGAN + timedelta(seconds=self.number)
        tag = BatchTag("law", self.number)
        accepted = {}
        for table, rows in (("silver.prices", prices), ("silver.sensors", readings)):
            contract = contracts()[table]
            whole = [row | {"received_at": at, "ingested_at": at} for row in rows]
            accepted[table] = pa.Table.from_pylist(whole, schema=arrow_schema(contract))
            append_rows(contract.table, accepted[table], tag.text())
        self.gold.update([rows_to_fold(table, rows) for table, rows in accepted.items()], tag)
        counts = [
            {
                "stream_id": "law",
                "batch_id": self.number,
                "kind": kind,
                "rows_in": n,
                "silver": n,
                "quarantine": 0,
                "duplicates": 0,
                "ingested_at": at,
            }
            for kind, n in (("price", len(prices)), ("sensor", len(readings)))
        ]
        balance = contracts()["gold.balance"]
        append_rows("gold.balance", pa.Table.from_pylist(counts, schema=arrow_schema(balance)), tag.text())
        self.number += 1
