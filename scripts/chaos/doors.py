"""Publish ledger entries through one door each, at a steady pace, again and again until acknowledged."""

import csv
import json
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import paho.mqtt.client as mqtt

from scripts.chaos.ledger import Entry

GIVE_UP_SECONDS = 240
STALLED_SECONDS = 8
BATCH = 50
CSV_COLUMNS = ("market_id", "commodity", "price", "unit", "event_time", "region", "event_id")
Tell = Callable[[int], None]


class NeverAcknowledged(RuntimeError):
    """A door has not acknowledged an event although its service had time to come back."""


class Pace:
    """Lets `per_second` events through, counted from its making."""

    def __init__(self, per_second: float) -> None:
        self._begun, self._per_second, self._sent = time.monotonic(), per_second, 0

    def wait(self, events: int = 1) -> None:
        """Sleep until the next `events` are due."""
        self._sent += events
        due = self._begun + self._sent / self._per_second
        time.sleep(max(due - time.monotonic(), 0))


class MqttDoor:
    """One client of one device: QoS 1, a new connection whenever acknowledgements stop; what was not acknowledged goes again."""

    WINDOW = 50

    def __init__(self, port: int, tell: Tell) -> None:
        self._port, self._tell = port, tell
        self._lock = threading.Lock()
        self._flying: dict[int, Entry] = {}
        self._early: set[int] = set()  # acknowledged before `publish` had returned

    def publish(self, entries: Sequence[Entry], per_second: float) -> None:
        """Returns when every entry is acknowledged. Raises NeverAcknowledged."""
        waiting, pace = deque(entries), Pace(per_second)
        deadline = time.monotonic() + len(entries) / per_second + GIVE_UP_SECONDS
        while waiting:
            if time.monotonic() > deadline:
                raise NeverAcknowledged(f"MQTT: {waiting[0].event_id} and {len(waiting) - 1} more")
            client = self._connect()
            if client is None:
                time.sleep(0.5)
                continue
            try:
                self._pump(client, waiting, pace)
            finally:
                client.disconnect()
                client.loop_stop()
            with self._lock:  # not acknowledged: again, in order
                waiting.extendleft(reversed(self._flying.values()))
                self._flying.clear()
                self._early.clear()

    def _connect(self) -> mqtt.Client | None:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"chaos-{id(self):x}-{time.monotonic_ns():x}")
        client.on_publish = lambda c, data, mid, code, properties: self._acknowledged(mid)
        client.max_inflight_messages_set(self.WINDOW)
        try:
            client.connect("127.0.0.1", self._port, keepalive=10)
        except OSError:
            return None
        client.loop_start()
        end = time.monotonic() + 5
        while not client.is_connected() and time.monotonic() < end:
            time.sleep(0.02)
        return client

    def _acknowledged(self, mid: int) -> None:
        with self._lock:
            known = self._flying.pop(mid, None)
            if known is None:
                self._early.add(mid)
        if known:
            self._tell(1)

    def _pump(self, client: mqtt.Client, waiting: deque[Entry], pace: Pace) -> None:
        """Send until all is acknowledged, or the connection is lost or silent."""
        progress, before = time.monotonic(), -1
        while client.is_connected() and (waiting or self._flying):
            if len(self._flying) != before:
                progress, before = time.monotonic(), len(self._flying)
            if time.monotonic() - progress > STALLED_SECONDS:
                return
            if not waiting or len(self._flying) >= self.WINDOW:
                time.sleep(0.01)
                continue
            pace.wait()
            entry = waiting.popleft()
            fields = entry.fields
            topic = f"lumbung/v1/{fields.get('market_id', 'PASAR-001')}/{fields.get('device_id', 'DEV-000')}/{entry.kind}"
            # Not under the lock: paho holds a lock of its own while it tells of an acknowledgement.
            mid = client.publish(topic, entry.payload.encode(), qos=1).mid
            with self._lock:
                if mid in self._early:
                    self._early.discard(mid)
                    self._tell(1)
                else:
                    self._flying[mid] = entry


def publish_http(entries: Sequence[Entry], per_second: float, url: str, token: str, tell: Tell) -> None:
    """Batches as JSON arrays of the exact payloads; 503 and broken connections are tried again."""
    pace = Pace(per_second)
    for start in range(0, len(entries), BATCH):
        batch = entries[start : start + BATCH]
        pace.wait(len(batch))
        _post(f"{url}/ingest", ("[" + ",".join(entry.payload for entry in batch) + "]").encode(), token, len(batch))
        tell(len(batch))


def _post(url: str, body: bytes, token: str, events: int) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:  # noqa: S310
                said = json.loads(answer.read())
            if said["accepted"] != events:
                raise NeverAcknowledged(f"HTTP accepted {said['accepted']} of {events}: {str(said)[:500]}")
            return
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise NeverAcknowledged(f"HTTP {error.code}: {error.read()[:500]!r}") from None
        except OSError:
            pass  # the API or the connection is away: that is what the test does to it
        time.sleep(0.3)
    raise NeverAcknowledged(f"HTTP: a batch of {events}")


def publish_csv(entries: Sequence[Entry], per_second: float, landing: Path, tell: Tell, rows: int = 200) -> None:
    """Files in the long format, moved into the folder whole; acknowledged when the watcher has moved them to done/."""
    landing.mkdir(parents=True, exist_ok=True)
    pace, names = Pace(per_second), []
    for start in range(0, len(entries), rows):
        batch = entries[start : start + rows]
        pace.wait(len(batch))
        names.append((f"chaos-{start:07}.csv", len(batch)))
        draft = landing.parent / names[-1][0]
        with draft.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, CSV_COLUMNS, restval="")
            writer.writeheader()
            writer.writerows(entry.fields for entry in batch)
        draft.rename(landing / draft.name)
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while names:
        if time.monotonic() > deadline:
            raise NeverAcknowledged(f"CSV: {names[0][0]} is not in done/")
        done = [(name, count) for name, count in names if (landing / "done" / name).exists()]
        for name, count in done:
            names.remove((name, count))
            tell(count)
        time.sleep(0.2)
