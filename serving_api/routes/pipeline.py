"""The state of the pipeline: tables, silence, drift; and live prices that changed since a version."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import Response

from lakehouse.contracts.contract import Contract, contracts
from lakehouse.io.process_status import (
    alert_worker_status,
    background_gold_status,
    collectors_status,
    gateway_status,
    is_alive,
    stream_status,
    trainer_status,
    was_killed,
)
from lakehouse.times import utc_text
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.operation.balance import BalanceReader, total_of
from serving_api.reads.operation.lag import KafkaLag
from serving_api.reads.operation.silent_series import read_silence
from serving_api.reads.responses import CurrentResponses
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.schemas.pipeline import (
    Pipeline,
)

router = Router(prefix="/api/v1", tags=["pipeline"])
NANOSECONDS = 1e9
BRONZE = "bronze.events"
BALANCE = "gold.balance"


def read_tables(snapshots: Snapshots) -> list[dict[str, Any]]:
    """Every table of the contracts, bronze first. Blocks while new versions are opened."""
    states = {
        name: snapshots.or_empty(name) if contract.served else snapshots.open_newest(name)
        for name, contract in contracts().items()
    }
    order = {"bronze": 0, "silver": 1, "gold": 2}
    names = sorted(states, key=lambda name: (order[name.partition(".")[0]], name))
    looks = last_looks(states)
    return [table_item(contracts()[name], states, looks.get(name)) for name in names]


def last_looks(states: Mapping[str, Snapshot]) -> dict[str, datetime]:
    """Table -> when its job has last looked at its sources: a look that changes nothing writes nothing.

    A batch ends with the balance; the jobs in background say it in their status file.
    """
    status = background_gold_status()
    jobs = status["jobs"] if status else {}
    batch = written_at(states[BALANCE])
    looks = {}
    for name, contract in contracts().items():
        job = jobs.get(contract.job or name.partition(".")[2])
        if contract.refreshed == "batch" and batch:
            looks[name] = batch
        elif contract.refreshed == "background" and job and job["done_at"]:
            looks[name] = datetime.fromisoformat(job["done_at"])
    return looks


def written_at(snapshot: Snapshot) -> datetime | None:
    """When the newest version was committed; None without one."""
    nanoseconds = snapshot.identity[1]
    return None if nanoseconds is None else datetime.fromtimestamp(nanoseconds / NANOSECONDS, UTC)


def table_item(
    contract: Contract, states: Mapping[str, Snapshot], looked_at: datetime | None
) -> dict[str, Any]:
    """A table; it is late when a source is newer by more than the freshness that the contract promises.

    Newer than the table's version, and than `looked_at`: when its job last had nothing to change.
    """
    layer = contract.table.partition(".")[0]
    state = states[contract.table]
    own = written_at(state)
    sources = [written_at(states[name]) for name in contract.reads if name in states]
    newest = max((moment for moment in sources if moment), default=None)
    lag = None
    if own is not None:
        seen = max(own, looked_at or own)
        lag = max(0.0, (newest - seen).total_seconds()) if newest else 0.0
    return {
        "table": contract.table,
        "layer": layer,
        "delta_version": state.version if state.delta is not None else None,
        "rows": state.count,
        "written_at": utc_text(own) if own else None,
        "lag_seconds": None if lag is None else round(lag, 1),
        "freshness_seconds": contract.freshness_seconds,
        "late": lag is not None and lag > contract.freshness_seconds,
        "fed_by": list(contract.reads) or ([BRONZE] if layer == "silver" else []),
    }


def read_processes(lag: KafkaLag) -> list[dict[str, Any]]:
    """The processes of the stack, from doors to API; one that was never started is left out.

    By their status files; Kafka runs while its events can be counted.
    """
    statuses: dict[str, Mapping[str, Any] | None] = {
        "gateway": gateway_status(),
        "collectors": collectors_status(),
        "stream": stream_status(),
        "background-gold": background_gold_status(),
        "trainer": trainer_status(),
        "alert-worker": alert_worker_status(),
    }
    broker = {"name": "broker", "state": "running" if lag.events is not None else "silent", "since": None}
    reported = [
        {"name": name, "state": process_state(status), "since": status["updated_at"]}
        for name, status in statuses.items()
        if status is not None
    ]
    return [broker, *reported, {"name": "api", "state": "running", "since": None}]


def process_state(status: Mapping[str, Any]) -> str:
    """The state that the process wrote; of the gateway, which writes none, whether it runs."""
    if "state" not in status:
        return "running" if is_alive(status) else "stopped"
    return "killed" if was_killed(status) else str(status["state"])


@router.get("/pipeline", response_model=Pipeline, summary="Tables, lag, processes and balance")
def get_pipeline(
    lag: Shared[KafkaLag],
    balance: Shared[BalanceReader],
    responses: CurrentResponses,
) -> Response:
    """Every table with its version, rows and lag against its promise, from bronze to gold."""
    counted, per_kind = balance.read()
    balanced = all(counts["difference"] == 0 for counts in per_kind.values())
    item = {
        "tables": read_tables(responses.snapshots),
        "kafka_lag": lag.events,
        "processes": read_processes(lag),
        "silence": read_silence(responses.snapshots),
        "balance": {**total_of(per_kind), "balanced": balanced},
        "hours": balance.last_hours(),
    }
    state = hashlib.sha256(orjson.dumps(item)).hexdigest()
    return responses.item([counted], item, variant=state)
