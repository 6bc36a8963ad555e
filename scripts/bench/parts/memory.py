"""CPU of judging readings, and of a start of the validators from silver and from their saved memory."""

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.validation.registry import VALIDATORS
from streaming_jobs.batch.event_ids import EventIds
from streaming_jobs.batch.judge import Judge
from streaming_jobs.batch.place_memory import PlaceMemory, read_memory, write_memory
from streaming_jobs.batch.task import NO_KEYS

MEANS = (
    "sensors: events judged a CPU second, three readings each, in calls of so many events from so many "
    "devices a market; start: CPU seconds until a validator can judge, after so many rows of silver were "
    "loaded or the file was read, and the size of the file"
)
# Events of a call, markets, devices a market.
SHAPES = ((50_000, 400, 5), (50_000, 2, 200), (200, 40, 5))
BEGIN = 1_767_225_600  # 2026-01-01
METRICS = ("temperature_c", "humidity_pct", "crowd_count")
OWNER = {"batch": "bench"}


def sensor_events(events: int, markets: int, devices: int, seed: int, begin: int) -> pa.Table:
    """A reading a minute from each device, in order of time; 1 % are 15 °C too warm."""
    draw = np.random.default_rng(seed)
    count = markets * devices
    numbers = np.arange(events)
    seconds = begin + numbers // count * 60 + np.sort(draw.integers(0, 50, events))
    device = numbers % count
    values = np.stack(
        [28 + draw.normal(0, 0.5, events), 70 + draw.normal(0, 2, events), draw.poisson(100, events)], axis=1
    )
    values[draw.random(events) < 0.01, 0] += 15
    flat = pa.StructArray.from_arrays(
        [pa.array(np.tile(METRICS, events)), pa.array(values.ravel())], ["metric", "value"]
    )
    return pa.table(
        {
            "market_id": [f"PASAR-{nth // devices:03}" for nth in device.tolist()],
            "device_id_hash": [f"{nth:016x}" for nth in device.tolist()],
            "event_time": pa.array(np.sort(seconds) * 1_000_000, pa.timestamp("us", "UTC")),
            "readings": pa.ListArray.from_arrays(pa.array(np.arange(events + 1, dtype=np.int32) * 3), flat),
            **arrival(events),
        }
    )


def arrival(rows: int) -> dict[str, pa.Array]:
    """The place of rows in the stream."""
    return {
        "ingested_at": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * rows, pa.timestamp("us", "UTC")),
        "partition": pa.array(np.zeros(rows, dtype=np.int32)),
        "offset": pa.array(np.arange(rows)),
    }


def judged_per_cpu_second(events: int, markets: int, devices: int) -> int:
    """Of the third call: the two before it leave a history."""
    validator = VALIDATORS["sensor"](settings().rule_values())
    seconds = 0.0
    for call in range(3):
        minutes = -(-events // (markets * devices))
        rows = sensor_events(events, markets, devices, call, BEGIN + call * 60 * minutes)
        everything = np.ones(events, dtype=bool)
        seconds = cpu(partial(validator.judge, rows, everything, ~everything))
    return round(events / seconds)


def silver_prices(days: int, series: int, a_day: int) -> pa.Table:
    """`a_day` prices of each series on each day, all in one commodity."""
    rows = days * series * a_day
    numbers = np.arange(rows)
    code = numbers // a_day % series
    day = numbers // (a_day * series)
    seconds = BEGIN + day * 86_400 + numbers % a_day
    return pa.table(
        {
            "event_id": [f"e-{nth:09}" for nth in range(rows)],
            "event_time": pa.array(seconds * 1_000_000, pa.timestamp("us", "UTC")),
            "device_id": pa.nulls(rows, pa.string()),
            "provider": pa.repeat("market", rows),
            "market_id": [f"PASAR-{nth:03}" for nth in code.tolist()],
            "region_code": pa.repeat("32", rows),
            "level": pa.repeat("market", rows),
            "commodity": pa.repeat("bawang-merah", rows),
            "channel": pa.repeat("retail", rows),
            "price_idr": 30_000.0 + numbers % 97,
            "market_date": pa.array((BEGIN // 86_400 + day).astype(np.int32), pa.date32()),
            **arrival(rows),
        }
    )


def silver_sensors(events: int, markets: int, devices: int) -> pa.Table:
    """One row a reading."""
    table = sensor_events(events, markets, devices, 1, BEGIN)
    lists = table["readings"].combine_chunks()
    rows = table.drop_columns(["readings"]).take(pc.list_parent_indices(lists))
    flat = pc.list_flatten(lists)
    for name in ("metric", "value"):
        rows = rows.append_column(name, pc.struct_field(flat, name))
    return rows


def starts(kind: str, silver: pa.Table) -> dict[str, float]:
    """CPU seconds of a start from silver and from the file, and its megabytes."""
    loaded = empty_memory(kind)
    last: datetime = arrival(1)["ingested_at"][0].as_py()
    loaded.upto = last

    def load() -> None:
        validator = loaded.judge.validator
        assert validator is not None  # noqa: S101
        validator.load(silver.select(validator.columns))
        validator.state()  # what was loaded becomes part of the state with the first use

    from_silver = cpu(load)
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as name:
        folder = Path(name)
        written = cpu(lambda: write_memory(folder, OWNER, loaded))
        (file,) = folder.glob("*.memory")
        restored = empty_memory(kind)
        from_file = cpu(lambda: read_memory(file, OWNER, last, restored))
        megabytes = file.stat().st_size / 1e6
    return {
        "rows": silver.num_rows,
        "from_silver": round(from_silver, 3),
        "from_file": round(from_file, 3),
        "writing": round(written, 3),
        "file_mb": round(megabytes, 2),
    }


def empty_memory(kind: str) -> PlaceMemory:
    return PlaceMemory((f"lumbung.{kind}", 0), Judge(kind, EventIds(), NO_KEYS))


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds that it takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measure() -> dict[str, object]:
    """Figures as MEANS describes them."""
    return {
        "sensors": {
            f"{events}, {devices} in {markets}": judged_per_cpu_second(events, markets, devices)
            for events, markets, devices in SHAPES
        },
        "start_prices": starts("price", silver_prices(days=400, series=50, a_day=20)),
        "start_sensors": starts("sensor", silver_sensors(150_000, 400, 5)),
    }
