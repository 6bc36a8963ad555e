"""Anomalies: prices that are sent for a check, and those that the anomaly job detected in the tables."""

from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Response

from conf.settings import settings
from lakehouse.identity.roles import Principal
from lakehouse.validation.prices.series_check import MODEL, check_series
from lakehouse.validation.prices.thresholds import Thresholds
from serving_api.http.callers import principal_of
from serving_api.http.cursors import Key, TimeRange, time_range
from serving_api.http.dependencies import CurrentResponses, CurrentSnapshots
from serving_api.http.openapi import takes_json
from serving_api.http.path_parameters import RegionInPath
from serving_api.http.request_bodies import JsonBody, json_body
from serving_api.reads.keyset import next_rows
from serving_api.reads.names import (
    NATION,
    commodity_ids,
    commodity_in_body,
    region_in_body,
    region_of,
    timezone_of,
)
from serving_api.reads.provenance import current_rule_set, from_simulated
from serving_api.reads.responses import EncodedPage, KeyedItem, encode_page, to_json_value
from serving_api.reads.series_statistics import series_statistics
from serving_api.reads.snapshots import Snapshot, Snapshots, newest_of
from serving_api.schemas.anomalies import AnomaliesQuery, AnomalyBody, AnomalyReport, AnomalyRow
from serving_api.schemas.envelope import Page
from serving_api.schemas.problem import problems

router = APIRouter(prefix="/api/v1/predict/anomaly", tags=["anomalies"])
LISTED = ("region", "commodity", "market_id", "event_time", "price_idr", "score", "severity", "kind", "label")
KEY = ("commodity", "region_code", "market_id", "channel", "provider", "market_date")
ORDER = (("event_time", "descending"), *((name, "ascending") for name in KEY))


@router.post(
    "",
    response_model=AnomalyReport,
    **takes_json(AnomalyBody, 401),
    summary="Check prices for anomalies",
)
async def check_prices(
    body: Annotated[
        JsonBody[Principal | None, AnomalyBody], json_body(AnomalyBody, principal_of, large=True)
    ],
    snapshots: CurrentSnapshots,
    responses: CurrentResponses,
) -> Response:
    """An observation is compared with earlier prices only.

    When it is later than the newest day of the tables, it is compared with their statistics, else with the
    other observations. A method that lacks its input (earlier prices, other provinces) is left out.
    """
    code, name = region_in_body(snapshots, body.value.region)
    commodity = commodity_in_body(body.value.commodity)
    region_code = None if code == NATION[0] else code
    snapshot, entries = await run_sync(check_observations, snapshots, commodity, region_code, body.value)
    model = {
        "name": "series-check",
        "version": f"{MODEL}+{Thresholds.of(settings().rule_values()).version}",
        "run_id": "none",
        "alias": "champion",
        "trained_on": {snapshot.table: snapshot.version},
    }
    item = {
        "commodity": commodity,
        "region": name,
        "anomalies": entries,
        "count": sum(entry["is_anomaly"] for entry in entries),
    }
    demo = from_simulated(snapshots, [commodity])
    return responses.computed([snapshot], item, rule_set=current_rule_set(), demo=demo, model=model)


def check_observations(
    snapshots: Snapshots, commodity: str, region_code: str | None, body: AnomalyBody
) -> tuple[Snapshot, list[dict[str, Any]]]:
    """The version of the statistics that were used, and an entry for every observation."""
    snapshot, rows = series_statistics(snapshots, commodity)
    findings = check_series(
        rows,
        commodity=commodity,
        region_code=region_code,
        observations=[(observation.date, observation.price_idr) for observation in body.observations],
        methods=body.methods,
        knobs=settings().rule_values(),
    )
    return snapshot, [
        {"date": observation.date, "price_idr": observation.price_idr, **vars(finding)}
        for observation, finding in zip(body.observations, findings, strict=True)
    ]


@router.get(
    "/{region}",
    response_model=Page[AnomalyRow],
    responses=problems(404, 410, 422),
    summary="Anomalies detected in a region, newest first",
)
async def list_anomalies(
    region: RegionInPath,
    query: Annotated[AnomaliesQuery, Query()],
    snapshots: CurrentSnapshots,
    responses: CurrentResponses,
) -> Response:
    """Prices of a province that the anomaly job marked as unusual.

    Default: the 30 days that end with the newest market day of the table; `meta.range` names them.
    """
    snapshot = snapshots["gold.anomalies"]
    times = time_range(query.from_, query.to, newest_of(snapshot, "market_date"), timezone_of(None, region))

    def read(key: Key | None, limit: int) -> EncodedPage:
        rows = anomaly_rows(snapshot, region_of(region)[0], query, times, key, limit)
        return encode_page(rows, limit, lambda item: from_simulated(snapshots, [item["commodity"]]))

    return await run_sync(lambda: responses.page([snapshot], query, read, times=times))


def anomaly_rows(
    snapshot: Snapshot, code: str, query: AnomaliesQuery, times: TimeRange, key: Key | None, limit: int
) -> list[KeyedItem]:
    """Up to limit + 1 (sort key, item) after `key`."""
    if snapshot.delta is None:
        return []
    condition = (pc.field("region_code") == code) & times.of_prices()
    if query.commodity is not None:
        condition &= pc.field("commodity").isin(sorted(commodity_ids(query.commodity)))
    if query.severity is not None:
        condition &= pc.field("severity") == query.severity
    columns = list(dict.fromkeys((*LISTED, *KEY)))
    table: pa.Table = snapshot.cached("listed", lambda: snapshot.read(None, columns))
    rows = next_rows(table.filter(condition), ORDER, key, limit + 1)
    return [(sort_key, {name: to_json_value(row[name]) for name in LISTED}) for sort_key, row in rows]
