"""Anomalies: prices judged on request, and those found in the tables."""

from typing import Annotated, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response

from conf.settings import settings
from lakehouse.validation.series_check import MODEL, check_series
from lakehouse.validation.thresholds import Thresholds
from serving_api.access import role_of
from serving_api.answers import JSON, PRIVATE, Page, accepts, listed, meta, page_of, plain, rules_now
from serving_api.bodies import document
from serving_api.gold import Gold, Snapshot
from serving_api.names import NATION, area, commodity_ids, zone_of
from serving_api.newest import next_rows
from serving_api.paging import Key, Range, time_range
from serving_api.routes.decisions import body_of
from serving_api.routes.forecasts import made_from_simulated
from serving_api.routes.predictions import area_of_body, good_of_body
from serving_api.routes.price_check import statistics_of
from serving_api.shapes import Many, problems
from serving_api.shapes_anomaly import AnomaliesAsked, AnomalyAnswer, AnomalyBody, AnomalyRow

router = APIRouter(prefix="/api/v1/predict/anomaly", tags=["anomalies"])
LISTED = ("region", "commodity", "market_id", "event_time", "price_idr", "score", "severity", "kind", "label")
KEY = ("commodity", "region_code", "market_id", "channel", "provider", "market_date")
ORDER = (("event_time", "descending"), *((name, "ascending") for name in KEY))


@router.post(
    "",
    responses={200: {"model": AnomalyAnswer}, **problems(400, 401, 413, 415, 422, 503)},
    openapi_extra=body_of(AnomalyBody),
    summary="Which of these prices are strange?",
)
async def judge(request: Request) -> Response:
    """Nothing later than an observation judges it: the tables' statistics speak of days after their newest one, the observations
    themselves of all others. A method that lacks what it needs (a past, other provinces) does not vote."""
    accepts(request, "application/json")
    asked = (await document(request, role_of, settings().api.batch_max_bytes)).shaped(AnomalyBody)
    gold: Gold = request.app.state.gold
    code, name = area_of_body(gold, asked.region)
    good = good_of_body(asked.commodity)
    snapshot, entries = await run_sync(judged, gold, good, None if code == NATION[0] else code, asked)
    model = {
        "name": "series-check",
        "version": f"{MODEL}+{Thresholds.of(settings().validation.model_dump()).version}",
        "run_id": "none",
        "alias": "champion",
        "trained_on": {snapshot.table: snapshot.version},
    }
    said = {
        "commodity": good,
        "region": name,
        "anomalies": entries,
        "count": sum(entry["is_anomaly"] for entry in entries),
        "meta": meta(request, [snapshot], rules_now(), made_from_simulated(gold), model),
    }
    return Response(orjson.dumps(said), headers={"Cache-Control": PRIVATE}, media_type=JSON)


def judged(gold: Gold, commodity: str, region_code: str | None, asked: AnomalyBody) -> tuple[Snapshot, list[dict[str, Any]]]:
    """The version of the statistics that spoke and an entry for every observation."""
    snapshot, rows = statistics_of(gold, commodity)
    said = check_series(
        rows,
        commodity=commodity,
        region_code=region_code,
        observations=[(one.date, one.price_idr) for one in asked.observations],
        methods=asked.methods,
        knobs=settings().validation.model_dump(),
    )
    return snapshot, [
        {"date": one.date, "price_idr": one.price_idr, **vars(finding)}
        for one, finding in zip(asked.observations, said, strict=True)
    ]


@router.get(
    "/{region}",
    response_model=Many[AnomalyRow],
    responses=problems(404, 410, 422),
    summary="Anomalies found in a region, newest first",
)
async def of_region(request: Request, region: str, query: Annotated[AnomaliesAsked, Query()]) -> Response:
    """Prices of a province that the anomaly job found strange; default: of the last 30 days."""
    gold: Gold = request.app.state.gold
    snapshot = gold["gold.anomalies"]
    asked = time_range(query.from_, query.to, zone_of(None, region))

    def read(key: Key | None, limit: int) -> Page:
        code = area(region)[0]
        return page_of(anomaly_rows(snapshot, code, query, asked, key, limit), limit, made_from_simulated(gold))

    return await run_sync(lambda: listed(request, [snapshot], query, read, asked=asked))


def anomaly_rows(
    snapshot: Snapshot, code: str, query: AnomaliesAsked, asked: Range, key: Key | None, limit: int
) -> list[tuple[Key, dict[str, Any]]]:
    """Up to limit + 1 (sort key, item) behind `key`."""
    if snapshot.delta is None:
        return []
    wanted = (pc.field("region_code") == code) & (pc.field("event_time") >= asked.start)
    if asked.end is not None:
        wanted &= pc.field("event_time") < asked.end
    if query.commodity is not None:
        wanted &= pc.field("commodity").isin(sorted(commodity_ids(query.commodity)))
    if query.severity is not None:
        wanted &= pc.field("severity") == query.severity
    dataset = snapshot.delta.to_pyarrow_dataset()
    columns = list(dict.fromkeys((*LISTED, *KEY)))
    whole: pa.Table = snapshot.cached("listed", lambda: dataset.to_table(columns=columns))
    rows = next_rows(whole.filter(wanted), ORDER, key, limit + 1)
    return [(place, {name: plain(row[name]) for name in LISTED}) for place, row in rows]
