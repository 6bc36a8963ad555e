"""Publish and decide planned entries by MQTT, HTTP or CSV at a pace, again and again until acknowledged."""

import csv
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

from producers.simulate.simulator import MarketClient
from scripts.chaos.plan import Entry
from scripts.stack.patience import Patience, TimedOut

STUCK_SECONDS = 240.0  # without one acknowledgement
WINDOW = 50  # events of a device that are not acknowledged
BATCH = 50
ROWS_A_FILE = 200
DECISION_SECONDS = 0.5  # between two rounds of the operator
CSV_COLUMNS = ("market_id", "commodity", "price", "unit", "event_time", "region", "event_id")
OnAcknowledged = Callable[[int], None]


class DoorRefused(RuntimeError):
    """A service answered that it does not take an event that it must take."""


class Pace:
    """A pace of `per_second` events, counted from its creation."""

    def __init__(self, per_second: float) -> None:
        self._begun = time.monotonic()
        self._per_second = per_second
        self._sent = 0

    def wait(self, events: int = 1) -> None:
        """Sleep until the next `events` are due."""
        self._sent += events
        due = self._begun + self._sent / self._per_second
        time.sleep(max(due - time.monotonic(), 0))


def publish_mqtt(
    entries: Sequence[Entry],
    per_second: float,
    port: int,
    device_id: str,
    secret: str,
    on_acknowledged: OnAcknowledged,
) -> None:
    """Publish as a device with QoS 1 until every entry is acknowledged. Raises TimedOut."""
    client = MarketClient(device_id, secret)
    pace = Pace(per_second)
    patience = Patience(STUCK_SECONDS)
    counted = 0

    def wait_for_acknowledgements(most_open: int) -> None:
        nonlocal counted
        while True:
            acknowledged = client.acknowledged
            on_acknowledged(acknowledged - counted)
            counted = acknowledged
            if client.sent - acknowledged <= most_open:
                return
            if patience.spent(acknowledged):
                raise TimedOut(f"MQTT: {client.sent - acknowledged} events not acknowledged")
            time.sleep(0.01)

    while not _is_connected(client, port):
        if patience.spent(None):
            raise TimedOut("MQTT: no gateway answers")
        time.sleep(0.5)
    try:
        for entry in entries:
            pace.wait()
            wait_for_acknowledgements(WINDOW - 1)
            market = entry.fields.get("market_id", "PASAR-001")
            client.publish(f"lumbung/v1/{market}/{device_id}/{entry.kind}", entry.payload.encode())
        wait_for_acknowledgements(0)
    finally:
        client.close()


def _is_connected(client: MarketClient, port: int) -> bool:
    with suppress(OSError):  # the gateway is killed or restarting
        client.connect("127.0.0.1", port)
        return True
    return False


def publish_http(
    entries: Sequence[Entry], per_second: float, url: str, token: str, on_acknowledged: OnAcknowledged
) -> None:
    """Post batches as JSON arrays of the exact payloads, again after 503 and broken connections."""
    pace = Pace(per_second)
    for start in range(0, len(entries), BATCH):
        batch = entries[start : start + BATCH]
        pace.wait(len(batch))
        body = f"[{','.join(entry.payload for entry in batch)}]".encode()
        _post(f"{url}/ingest", body, token, len(batch))
        on_acknowledged(len(batch))


def _post(url: str, body: bytes, token: str, events: int) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    patience = Patience(STUCK_SECONDS)
    while not patience.spent(None):
        with suppress(httpx2.TransportError):  # the API is killed or restarting
            response = httpx2.post(url, content=body, headers=headers, timeout=30)
            if response.is_success:
                receipt = response.json()
                if receipt["accepted"] != events:
                    raise DoorRefused(
                        f"HTTP accepted {receipt['accepted']} of {events}: {str(receipt)[:500]}"
                    )
                return
            if response.status_code != 503:
                raise DoorRefused(f"HTTP {response.status_code}: {response.content[:500]!r}")
        time.sleep(0.3)
    raise TimedOut(f"HTTP: a batch of {events} not acknowledged")


def publish_csv(
    entries: Sequence[Entry], per_second: float, landing: Path, on_acknowledged: OnAcknowledged
) -> None:
    """Move complete files in the long format into the folder; acknowledged when they are in done/."""
    landing.mkdir(parents=True, exist_ok=True)
    pace = Pace(per_second)
    names: list[tuple[str, int]] = []
    for start in range(0, len(entries), ROWS_A_FILE):
        batch = entries[start : start + ROWS_A_FILE]
        pace.wait(len(batch))
        names.append((f"chaos-{start:07}.csv", len(batch)))
        draft = landing.parent / names[-1][0]
        with draft.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, CSV_COLUMNS, restval="")
            writer.writeheader()
            writer.writerows(entry.fields for entry in batch)
        draft.rename(landing / draft.name)
    patience = Patience(STUCK_SECONDS)
    while names:
        if patience.spent(len(names)):
            raise TimedOut(f"CSV: {names[0][0]} is not in done/")
        done = [(name, count) for name, count in names if (landing / "done" / name).exists()]
        for name, count in done:
            names.remove((name, count))
            on_acknowledged(count)
        time.sleep(0.2)


class Reviewer:
    """An operator who decides open events of the quarantine as planned, and repeats what got no answer."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=30)

    def decide(self, entries: Sequence[Entry], seconds: float, on_acknowledged: OnAcknowledged) -> None:
        """Decide until every planned decision is acknowledged. Raises TimedOut and DoorRefused."""
        waiting = {entry.event_id: entry for entry in entries if entry.decision}
        unanswered: set[str] = set()  # sent without a response: it may count, and the event be open no more
        patience = Patience(seconds + STUCK_SECONDS)
        while waiting:
            if patience.spent(len(waiting)):
                raise TimedOut(
                    f"decisions: {next(iter(waiting))} and {len(waiting) - 1} more not acknowledged"
                )
            for event_id in (self._open() | unanswered) & waiting.keys():
                if self._post(waiting[event_id]):
                    del waiting[event_id]
                    on_acknowledged(1)
                else:
                    unanswered.add(event_id)
            time.sleep(DECISION_SECONDS)

    def _open(self) -> set[str]:
        """Ids of open events in quarantine."""
        open_ids: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            _, page = self._request(f"/api/v1/quarantine?state=open&limit=1000{cursor}")
            open_ids |= {item["event_id"] for item in page.get("items", ())}
            cursor = f"&cursor={page['next_cursor']}" if page.get("next_cursor") else None
        return open_ids

    def _post(self, entry: Entry) -> bool:
        """Whether the decision is acknowledged: now, or earlier with a lost response (409)."""
        body: dict[str, Any] = {"decision": entry.decision, "reason": f"planned: {entry.reason}"}
        body |= {"correction": entry.correction} if entry.correction else {}
        status, response = self._request(f"/api/v1/quarantine/{entry.event_id}/decision", body)
        if status not in (202, 409, 0, 500, 503):
            raise DoorRefused(f"decision on {entry.event_id}: HTTP {status} {str(response)[:300]}")
        return status in (202, 409)

    def _request(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """(status, response); status 0 while the API does not answer."""
        try:
            response = self._http.request("POST" if body else "GET", path, json=body)
        except httpx2.TransportError:
            return 0, {}
        return response.status_code, response.json() if response.content else {}
