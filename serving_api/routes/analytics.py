"""What weather has to do with prices, as the training job measured it."""

from typing import Any

import orjson
import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response

from serving_api.access import role_of
from serving_api.answers import JSON, PRIVATE, accepts, meta
from serving_api.bodies import document
from serving_api.gold import Gold, Snapshot
from serving_api.names import NATION
from serving_api.problems import Problem, invalid
from serving_api.routes.decisions import body_of
from serving_api.routes.forecasts import made_from_simulated
from serving_api.routes.predictions import area_of_body, good_of_body
from serving_api.shapes import problems
from serving_api.shapes_analytics import CorrelationAnswer, CorrelationBody

router = APIRouter(prefix="/api/v1/analytics", tags=["analytics"])
TABLE = "gold.weather_prices"
SAID = (
    "correlation", "lag_days", "n", "n_eff", "ci_low", "ci_high", "p_value", "p_value_adjusted", "significant", "text", "method",
)  # fmt: skip


@router.post(
    "/correlation",
    responses={200: {"model": CorrelationAnswer}, **problems(400, 401, 413, 415, 422, 503)},
    openapi_extra=body_of(CorrelationBody),
    summary="Does weather go before prices?",
)
async def correlation(request: Request) -> Response:
    """The lag with the smallest p-value among those asked for. Where nothing more than chance stands behind it `significant` is
    false and `text` says so."""
    accepts(request, "application/json")
    asked = (await document(request, role_of)).shaped(CorrelationBody)
    gold: Gold = request.app.state.gold
    (code, name), good = area_of_body(gold, asked.region), good_of_body(asked.commodity)
    if code == NATION[0]:
        raise invalid("/region", "unknown_region", "weather belongs to a province")
    snapshot, rows = await run_sync(measured, gold, good, code, asked.variable)
    rows = [row for row in rows if row["lag_days"] <= asked.max_lag_days]
    if not rows:
        raise Problem("insufficient-data", why=f"prices of '{good}' and weather in {name} have too few days in common")
    strongest = min(rows, key=lambda row: (row["p_value"], row["lag_days"]))
    first, last = strongest["from_date"], strongest["to_date"]
    if (asked.from_ is not None and asked.from_ > first) or (asked.to is not None and asked.to <= last):
        raise Problem("insufficient-data", why=f"it is measured over {first} to {last} as a whole")
    said = {
        "commodity": good,
        "region": name,
        "variable": asked.variable,
        **{field: strongest[field] for field in SAID},
        "by_lag": [{field: row[field] for field in ("lag_days", "correlation", "p_value")} for row in rows],
        "meta": meta(request, [snapshot], None, made_from_simulated(gold)),
    }
    return Response(orjson.dumps(said), headers={"Cache-Control": PRIVATE}, media_type=JSON)


def measured(gold: Gold, commodity: str, region_code: str, variable: str) -> tuple[Snapshot, list[dict[str, Any]]]:
    """The rows of a good, a province and a variable, by lag."""
    snapshot = gold.now(TABLE)

    def read() -> list[dict[str, Any]]:
        assert snapshot.delta is not None
        wanted = (pc.field("commodity") == commodity) & (pc.field("region_code") == region_code)
        wanted &= pc.field("variable") == variable
        found = snapshot.delta.to_pyarrow_dataset().to_table(filter=wanted, columns=[*SAID, "from_date", "to_date"])
        rows: list[dict[str, Any]] = found.sort_by("lag_days").to_pylist()
        return rows

    return snapshot, [] if snapshot.delta is None else snapshot.cached((commodity, region_code, variable), read)
