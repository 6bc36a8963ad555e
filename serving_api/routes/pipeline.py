"""The state of the pipeline: tables, silence, drift; and live prices that changed since a version."""

import hashlib

import orjson
from fastapi import Response

from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.dashboard.pipeline import read_processes, read_silence, read_tables
from serving_api.reads.operation.balance import BalanceReader, total_of
from serving_api.reads.operation.lag import KafkaLag
from serving_api.reads.responses import CurrentResponses
from serving_api.reads.snapshots import Snapshots
from serving_api.schemas.pipeline import (
    Pipeline,
)

router = Router(prefix="/api/v1", tags=["pipeline"])


@router.get("/pipeline", response_model=Pipeline, summary="Tables, lag, processes and balance")
def get_pipeline(
    snapshots: Shared[Snapshots],
    lag: Shared[KafkaLag],
    balance: Shared[BalanceReader],
    responses: CurrentResponses,
) -> Response:
    """Every table with its version, rows and lag against its promise, from bronze to gold."""
    counted, per_kind = balance.read()
    balanced = all(counts["difference"] == 0 for counts in per_kind.values())
    item = {
        "tables": read_tables(snapshots),
        "kafka_lag": lag.events,
        "processes": read_processes(),
        "silence": read_silence(snapshots),
        "balance": {**total_of(per_kind), "balanced": balanced},
        "hours": balance.last_hours(),
    }
    state = hashlib.sha256(orjson.dumps(item)).hexdigest()
    return responses.item([counted], item, variant=state)
