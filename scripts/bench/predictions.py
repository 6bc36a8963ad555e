"""Predictions from materialised forecasts under load, fresh and remembered, and while a new issue is taken up."""

import asyncio
import shutil
import tempfile
import threading
import time
import urllib.request
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.reference import commodities, provinces
from scripts.bench.api_lake import write
from scripts.bench.api_load import api_only, load
from scripts.bench.figures import percentiles
from tests.integration.stack import Stack

MEANS = "one worker, generator on the same machine, lake of its own; milliseconds from request to last byte"
MODELS = ("naive", "seasonal_naive", "ses", "theta", "arima", "boosting", "ensemble")
PREDICT = "/api/v1/predict/price/"
DAYS = 7


def write_issue(root: str, issued_at: datetime) -> int:
    """gold.forecasts: an issue for every good, every province and the nation, all models; returns the number of rows."""
    goods = [good for good in commodities().values() if not good.is_group]
    places = [("ID", "Indonesia"), *((place.code, place.name) for place in provinces().values())]
    grid = [(good, place, model) for good in goods for place in places for model in MODELS]
    horizon = np.tile(np.arange(1, DAYS + 1), len(grid))
    price = np.repeat([good.typical_idr for good, _, _ in grid], DAYS)
    wide = 0.02 * np.sqrt(horizon)
    origin = issued_at.date()

    def each(values: list[object]) -> pa.Array:
        return pa.array([value for value in values for _ in range(DAYS)])

    rows = len(horizon)
    columns = {
        "commodity": each([good.id for good, _, _ in grid]),
        "region_code": each([code for _, (code, _), _ in grid]),
        "region": each([name for _, (_, name), _ in grid]),
        "unit": each([good.unit for good, _, _ in grid]),
        "issued_at": pa.repeat(pa.scalar(issued_at, pa.timestamp("us", "UTC")), rows),
        "origin_date": pa.repeat(pa.scalar(origin), rows),
        "target_date": pa.array([origin + timedelta(days=int(day)) for day in horizon]),
        "horizon_days": pa.array(horizon, pa.int32()),
        "model": each([model for _, _, model in grid]),
        "champion": each([model == "ensemble" for _, _, model in grid]),
        "price_idr": pa.array(price),
        "lower_80_idr": pa.array(price * np.exp(-wide)),
        "upper_80_idr": pa.array(price * np.exp(wide)),
        "lower_95_idr": pa.array(price * np.exp(-1.7 * wide)),
        "upper_95_idr": pa.array(price * np.exp(1.7 * wide)),
        "confidence": pa.array(1 - wide),
    }
    schema = arrow_schema(contracts()["gold.forecasts"])
    write(root, "gold.forecasts", pa.table([columns.get(f.name, pa.nulls(rows, f.type)) for f in schema], schema=schema))
    return rows


def asked(url: str, path: str, bodies: list[bytes]) -> dict[str, float]:
    """Percentiles of questions asked one after the other, milliseconds."""
    took = []
    for body in bodies:
        request = urllib.request.Request(f"{url}{path}", body, {"Content-Type": "application/json"})  # noqa: S310  # our own process
        began = time.perf_counter()
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            answer.read()
        took.append((time.perf_counter() - began) * 1000)
    return percentiles(took)


def series(days: int) -> list[dict[str, object]]:
    """A random walk of shallot prices."""
    level = 35_000 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.02, days)))
    return [{"date": f"{date(2024, 1, 1) + timedelta(days=day)}", "price_idr": float(price)} for day, price in enumerate(level)]


def measure(connections: int = 32, seconds: float = 6, issues: int = 3) -> dict[str, object]:
    """The rows of the documented endpoints, on `issues` issues of some 48,000 forecasts each."""
    home = Path(tempfile.mkdtemp(prefix="lumbung-bench-"))
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        stack = Stack(home)
        rows = sum(write_issue(stack.lake_root, now - timedelta(days=back)) for back in range(issues, 0, -1))
        figures: dict[str, object] = {"connections": connections, "forecast_rows": rows}
        region = orjson.dumps({"region": "Jawa Barat"})
        batch = {"requests": [{"commodity": good} for good in commodities()]}
        with api_only(stack) as url:
            path = f"{PREDICT}bawang-merah"
            figures["predict"] = asyncio.run(load(url, path, connections, seconds, region))
            fresh = [orjson.dumps({"interval_level": 0.5 + step / 1000}) for step in range(400)]
            figures["predict_first_asked_ms"] = asked(url, path, fresh)
            figures["forecast"] = asyncio.run(load(url, "/api/public/forecast?commodity=bawang-merah", connections, seconds))
            figures[f"batch_of_{len(batch['requests'])}_ms"] = asked(url, "/api/v1/predict/batch", [orjson.dumps(batch)] * 100)
            for days in (30, 1000):
                body = orjson.dumps({"commodity": "bawang-merah", "observations": series(days)})
                asked(url, "/api/v1/predict/anomaly", [body])  # grows the forest
                figures[f"anomaly_of_{days}_ms"] = asked(url, "/api/v1/predict/anomaly", [body] * 40)
            issuing = threading.Timer(seconds / 2, write_issue, (stack.lake_root, now))
            issuing.start()
            figures["predict_while_issued"] = asyncio.run(load(url, path, connections, seconds, region))
            issuing.join()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return figures


if __name__ == "__main__":
    print(orjson.dumps(measure(), option=orjson.OPT_INDENT_2).decode())
