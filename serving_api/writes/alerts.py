"""What people do about alerts, as events: raised ones, and acknowledgements.

An act is remembered until gold.alerts shows it: a second acknowledgement is refused, and an alert can be
acknowledged as soon as it is raised.
"""

import asyncio
import math
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from cachetools import TTLCache

from lakehouse.alerts.rows import manual_alerts
from lakehouse.event import Event
from lakehouse.identity.roles import Principal
from lakehouse.io.kafka import AcknowledgedProducer
from lakehouse.signatures import SigningKeys
from lakehouse.times import rfc3339
from serving_api.http.messages import message
from serving_api.http.problems import Problem
from serving_api.reads.snapshots import Snapshots
from serving_api.writes.publish import publish

REMEMBERED_SECONDS = 600  # an act that gold.alerts does not show by then was not processed
ABSENT = dict.fromkeys(("market_id", "region_code", "region", "risk_score", "note"))


class AlertActs:
    """Sends acts and remembers them; one per process."""

    def __init__(self, snapshots: Snapshots, producer: AcknowledgedProducer, keys: SigningKeys) -> None:
        self._keys = keys
        self._snapshots = snapshots
        self._producer = producer
        # alert -> its row by an act that Kafka has acknowledged
        self._remembered: TTLCache[str, dict[str, Any]] = TTLCache(math.inf, REMEMBERED_SECONDS)
        self._lock = asyncio.Lock()  # a second act on an alert is checked after the first was sent

    async def raise_alert(self, raised: Mapping[str, Any], actor: str) -> tuple[Event, dict[str, Any]]:
        """The event, once Kafka has it, and the alert's row.

        `raised`: commodity, level, message, market_id, region_code, region, risk_score as in gold.alerts. The
        open alert of the same commodity and place keeps its id. Raises Problem 503.
        """
        async with self._lock:
            is_open = self._open_alert(raised)
            alert_id = is_open["alert_id"] if is_open else f"al-{uuid.uuid4().hex[:24]}"
            act = {**ABSENT, **raised, "alert_id": alert_id, "act": "raise", "actor": actor}
            event = await self._send(act)
            (row,) = manual_alerts([act | {"event_time": event.received_at}], None)
            if is_open:
                row |= {"opened_at": is_open["opened_at"], "active_at": is_open["active_at"]}
            self._remember(row)
            return event, row

    async def acknowledge(self, alert_id: str, note: str | None, caller: Principal) -> Event:
        """The event, once Kafka has it.

        Raises Problem 404 for no alert of the caller's regions, 409 unless it is active, 503.
        """
        async with self._lock:
            row = self._row(alert_id)
            if row is None or not caller.covers(row.get("region_code")):
                raise Problem("not-found", reason=message("no_alert", name=alert_id))
            if row["state"] != "active":
                raise Problem("wrong-state", name=alert_id, state=row["state"])
            act = {
                **ABSENT,
                "alert_id": alert_id,
                "act": "acknowledge",
                "actor": caller.subject,
                "note": note,
            }
            event = await self._send(act)
            self._remember({**row, "state": "acknowledged"})
            return event

    def _open_alert(self, raised: Mapping[str, Any]) -> dict[str, Any] | None:
        """The open alert of a person for the same commodity and place."""
        stored = self._snapshots["gold.alerts"].rows_by("alert_id")
        rows = stored | dict(self._remembered)
        series = ("commodity", "market_id", "region_code")
        for row in rows.values():
            same = all(row[name] == raised.get(name) for name in series)
            if row["rule"] == "manual" and row["state"] in ("active", "acknowledged") and same:
                return row
        return None

    def _row(self, alert_id: str) -> dict[str, Any] | None:
        """The alert as the newest act or gold.alerts has it."""
        stored = self._snapshots["gold.alerts"].rows_by("alert_id")
        return self._remembered.get(alert_id) or stored.get(alert_id)

    def _remember(self, row: dict[str, Any]) -> None:
        """Remember the alert's row, and forget those that gold.alerts shows in the same state."""
        stored = self._snapshots["gold.alerts"].rows_by("alert_id")
        for alert_id, remembered in list(self._remembered.items()):
            if alert_id in stored and stored[alert_id]["state"] == remembered["state"]:
                del self._remembered[alert_id]
        self._remembered[row["alert_id"]] = row

    async def _send(self, act: Mapping[str, Any]) -> Event:
        at = datetime.now(UTC)
        event_id = f"ae-{uuid.uuid4().hex}"
        payload = {name: value for name, value in act.items() if value is not None and name != "region_code"}
        body = orjson.dumps({"event_id": event_id, "event_time": rfc3339(at), **payload})
        event = Event("alert", act["alert_id"], body, event_id, f"api:{act['actor']}", at)
        await publish(self._producer, [self._keys.sign(event)])
        return event
