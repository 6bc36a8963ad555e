"""Predictions from materialised forecasts under load: first requests, cached ones, and during a new issue."""

import asyncio
import itertools
import threading
from datetime import UTC, date, datetime, timedelta

import numpy as np
import orjson
import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.reference import commodities, provinces
from scripts.bench.api_lake import write
from scripts.bench.api_load import api_only, durations_of, load
from scripts.bench.harness import in_milliseconds, temporary_stack

MEANS = (
    "one worker, load generator on the same machine, a lake for this bench only; "
    "milliseconds from request to last byte"
)
MODELS = ("naive", "seasonal_naive", "ses", "theta", "arima", "boosting", "ensemble")
PREDICT = "/api/v1/predict/price/"
DAYS = 7


def write_issue(root: str, issued_at: datetime) -> int:
    """gold.forecasts: one issue for every commodity, province and the nation, with all models.

    Returns the number of rows.
    """
    products = [commodity for commodity in commodities().values() if not commodity.is_group]
    places = [("ID", "Indonesia"), *((place.code, place.name) for place in provinces().values())]
    grid = list(itertools.product(products, places, MODELS))
    horizon = np.tile(np.arange(1, DAYS + 1), len(grid))
    price = np.repeat([commodity.typical_idr for commodity, _, _ in grid], DAYS)
    spread = 0.02 * np.sqrt(horizon)
    origin = issued_at.date()

    def repeated(values: list[object]) -> pa.Array:
        return pa.array([value for value in values for _ in range(DAYS)])

    rows = len(horizon)
    columns = {
        "commodity": repeated([commodity.id for commodity, _, _ in grid]),
        "region_code": repeated([code for _, (code, _), _ in grid]),
        "region": repeated([name for _, (_, name), _ in grid]),
        "unit": repeated([commodity.unit for commodity, _, _ in grid]),
        "issued_at": pa.repeat(pa.scalar(issued_at, pa.timestamp("us", "UTC")), rows),
        "origin_date": pa.repeat(pa.scalar(origin), rows),
        "target_date": pa.array([origin + timedelta(days=int(day)) for day in horizon]),
        "horizon_days": pa.array(horizon, pa.int32()),
        "model": repeated([model for _, _, model in grid]),
        "champion": repeated([model == "ensemble" for _, _, model in grid]),
        "price_idr": pa.array(price),
        "lower_80_idr": pa.array(price * np.exp(-spread)),
        "upper_80_idr": pa.array(price * np.exp(spread)),
        "lower_95_idr": pa.array(price * np.exp(-1.7 * spread)),
        "upper_95_idr": pa.array(price * np.exp(1.7 * spread)),
        "confidence": pa.array(1 - spread),
    }
    schema = arrow_schema(contracts()["gold.forecasts"])
    write(
        root,
        "gold.forecasts",
        pa.table([columns.get(field.name, pa.nulls(rows, field.type)) for field in schema], schema=schema),
    )
    return rows


def time_requests(url: str, path: str, bodies: list[bytes]) -> dict[str, float]:
    """Percentiles, in milliseconds, of requests sent one after the other."""
    return in_milliseconds(durations_of((f"{url}{path}", body) for body in bodies))


def price_walk(days: int) -> list[dict[str, object]]:
    """A random walk of shallot prices, one observation a day."""
    level = 35_000 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.02, days)))
    return [
        {"date": f"{date(2024, 1, 1) + timedelta(days=day)}", "price_idr": float(price)}
        for day, price in enumerate(level)
    ]


def measure(connections: int = 32, seconds: float = 6, issues: int = 3) -> dict[str, object]:
    """Figures of the documented endpoints, on `issues` issues of some 48,000 forecasts each."""
    with temporary_stack() as stack:
        now = datetime.now(UTC).replace(microsecond=0)
        rows = sum(write_issue(stack.lake_root, now - timedelta(days=back)) for back in range(issues, 0, -1))
        figures: dict[str, object] = {"connections": connections, "forecast_rows": rows}
        region = orjson.dumps({"region": "Jawa Barat"})
        batch = {"requests": [{"commodity": commodity} for commodity in commodities()]}
        with api_only(stack) as url:
            path = f"{PREDICT}bawang-merah"
            figures["predict"] = asyncio.run(load(url, path, connections, seconds, region))
            new_bodies = [orjson.dumps({"interval_level": 0.5 + step / 1000}) for step in range(400)]
            figures["predict_first_asked_ms"] = time_requests(url, path, new_bodies)
            figures["forecast"] = asyncio.run(
                load(url, "/api/public/forecast?commodity=bawang-merah", connections, seconds)
            )
            figures[f"batch_of_{len(batch['requests'])}_ms"] = time_requests(
                url, "/api/v1/predict/batch", [orjson.dumps(batch)] * 100
            )
            for days in (30, 1000):
                body = orjson.dumps({"commodity": "bawang-merah", "observations": price_walk(days)})
                time_requests(url, "/api/v1/predict/anomaly", [body])  # builds the isolation forest
                figures[f"anomaly_of_{days}_ms"] = time_requests(url, "/api/v1/predict/anomaly", [body] * 40)
            issuing = threading.Timer(seconds / 2, write_issue, (stack.lake_root, now))
            issuing.start()
            figures["predict_while_issued"] = asyncio.run(load(url, path, connections, seconds, region))
            issuing.join()
    return figures
