"""Alerts: the public list, and what operators do about them."""

from typing import Any

from fastapi import Response

from conf.channels import channel_modes
from lakehouse.contracts.contract import contracts
from lakehouse.event import Event
from lakehouse.io.identity.database import Database
from lakehouse.reference import commodity_aliases, matching_key
from serving_api.http.dependencies import CurrentOperator
from serving_api.http.messages import message
from serving_api.http.path_parameters import AlertIdInPath
from serving_api.http.problems import Problem
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.live.service import Live
from serving_api.reads.names import NATION, commodity_in_body, region_in_body
from serving_api.reads.responses import receipt
from serving_api.reads.snapshots import Snapshots
from serving_api.schemas.alerts import (
    AcknowledgeBody,
    AcknowledgeReceipt,
    TriggerBody,
    TriggerReceipt,
)
from serving_api.writes.act_audit import Act, audit_acts
from serving_api.writes.alerts import AlertActs

router = Router(tags=["alerts"])
EMPTY_ROW = dict.fromkeys(contracts()["gold.alerts"].column_names) | {"stale": False}
SENDING = {"on": "queued", "mock": "mock", "off": "off"}


@router.post("/api/alerts/trigger", status_code=202, response_model=TriggerReceipt, summary="Raise an alert")
async def trigger_alert(
    body: TriggerBody,
    caller: CurrentOperator,
    snapshots: Shared[Snapshots],
    acts: Shared[AlertActs],
    database: Shared[Database],
    live: Shared[Live],
) -> Response:
    """202 once Kafka has stored the alert, which is then active. A repeat for the same commodity and place
    updates the open one. An operator who is limited to regions raises alerts of these."""
    commodity_in_body(body.commodity)
    code, region = region_in_body(snapshots, body.region, body.market_id)
    is_national = code == NATION[0]
    if not caller.covers(None if is_national else code):
        raise Problem("forbidden", reason=message("region_not_own"))
    fields = {
        **body.model_dump(),
        "commodity": commodity_aliases()[matching_key(body.commodity)],
        "region_code": None if is_national else code,
        "region": None if is_national else region,
    }
    event, row = await acts.raise_alert(fields, caller.subject)
    await audit_acts(database, caller, [Act("alert.raise", row["alert_id"], event.event_id)])
    live.feed.publish_alert({**EMPTY_ROW, **row})
    sending = {name: SENDING[mode] for name, mode in channel_modes().items()} | {"websocket": "sent"}
    return receipt_of(event, alert_id=row["alert_id"], channels=sending)


@router.post(
    "/api/v1/alerts/{alert_id}/acknowledge",
    status_code=202,
    response_model=AcknowledgeReceipt,
    summary="Acknowledge an active alert",
)
async def acknowledge_alert(
    alert_id: AlertIdInPath,
    body: AcknowledgeBody,
    caller: CurrentOperator,
    acts: Shared[AlertActs],
    database: Shared[Database],
) -> Response:
    """202 once Kafka has stored it. It stays open until its exit rule holds; 409 unless it is active."""
    event = await acts.acknowledge(alert_id, body.note, caller)
    await audit_acts(database, caller, [Act("alert.acknowledge", alert_id, event.event_id)])
    return receipt_of(event, alert_id=alert_id)


def receipt_of(event: Event, **more: Any) -> Response:
    """202 for an act that Kafka has stored."""
    return receipt(event.event_id, [event.kind], event.received_at, **more)
