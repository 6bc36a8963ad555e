"""The newest sensor readings."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from serving_api.http.cursors import Key
from serving_api.http.dependencies import CurrentResponses, CurrentSnapshots
from serving_api.reads.names import known_market
from serving_api.reads.provenance import simulated_rows
from serving_api.reads.responses import EncodedPage, KeyedItem, encode_page, rows_after, to_json_value
from serving_api.reads.snapshots import Snapshot
from serving_api.schemas.envelope import Page
from serving_api.schemas.problem import problems
from serving_api.schemas.sensors import SensorReading, SensorsQuery

router = APIRouter(prefix="/api/v1/sensors", tags=["markets"])
SERIES = ("market_id", "device_id_hash", "metric")


@router.get(
    "/live",
    response_model=Page[SensorReading],
    responses=problems(404, 410, 422),
    summary="Newest sensor readings",
)
async def list_live_sensors(
    query: Annotated[SensorsQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """The newest reading of each metric of each device, newest first. Devices are identified by a hash."""
    snapshot = snapshots["gold.sensors_live"]

    def read(key: Key | None, limit: int) -> EncodedPage:
        market = known_market(snapshots, query.market_id)
        rows = snapshot.cached("rows", lambda: reading_rows(snapshot))
        matches = [
            (sort_key, item)
            for sort_key, item in rows
            if market in (None, item["market_id"]) and query.metric in (None, item["metric"])
        ]
        simulated = simulated_rows(snapshot, SERIES)
        return encode_page(
            rows_after(matches, key), limit, lambda item: tuple(item[name] for name in SERIES) in simulated
        )

    return responses.page([snapshot], query, read)


def reading_rows(snapshot: Snapshot) -> list[KeyedItem]:
    """(sort key, item), newest first."""
    assert snapshot.rows is not None
    rows = [
        (
            (-row["event_time"].timestamp(), row["market_id"], row["device_id_hash"], row["metric"]),
            {name: to_json_value(row[name]) for name in SensorReading.model_fields},
        )
        for row in snapshot.rows.to_pylist()
    ]
    return sorted(rows, key=lambda row: row[0])
