"""Seconds from an MQTT publish to the API at a steady rate on the whole stack, and the stack's memory."""

import http.client
import json
import threading
import time
from datetime import UTC, datetime
from itertools import islice
from math import ceil

from lakehouse.event import lenient_payload
from lakehouse.reference import commodities
from producers.simulate.markets import SampleMarkets, device_of
from producers.simulate.simulator import MarketClient
from scripts.bench.harness import ENGINES, Usage, percentiles, temporary_stack
from scripts.stack.patience import comes_true
from scripts.stack.throwaway import Stack

MEANS = (
    "seconds from an event's MQTT publish to its price in GET /api/public/commodity/price/live, "
    "polled every 20 ms"
)
WATCHED = "bawang-merah"
POLL_SECONDS = 0.02


class Watch:
    """Published events of one commodity, each waiting until the API shows its price."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self._lock = stack, threading.Lock()
        self._waiting: dict[str, list[tuple[str, float]]] = {}  # market -> (event time, published at)
        self.durations: list[float] = []
        self.batch_seconds: dict[int, float] = {}
        self.stopping = threading.Event()

    def published(self, market_id: str, event_time: str) -> None:
        """Record an event; call this right before the publish."""
        with self._lock:
            self._waiting.setdefault(market_id, []).append((event_time, time.monotonic()))

    @property
    def waiting(self) -> int:
        """Number of events that the API has not shown yet."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def run(self) -> None:
        """Poll the API until `stopping` is set. An unchanged answer is a 304, which costs almost nothing."""
        connection = http.client.HTTPConnection("127.0.0.1", self._stack.api_port, timeout=10)
        path = f"/api/public/commodity/price/live?commodity={WATCHED}&limit=1000"
        tag = ""
        while not self.stopping.wait(POLL_SECONDS):
            connection.request("GET", path, headers={"If-None-Match": tag} if tag else {})
            response = connection.getresponse()
            body = response.read()
            if response.status == 200:
                tag = response.headers["ETag"]
                self._record_shown(
                    {item["market_id"]: item["event_time"] for item in json.loads(body)["items"]}
                )
            progress = self._stack.progress()
            if progress and progress["batch_id"] is not None and progress["batch_seconds"] is not None:
                self.batch_seconds[progress["batch_id"]] = progress["batch_seconds"]

    def _record_shown(self, shown: dict[str, str]) -> None:
        now = time.monotonic()
        with self._lock:
            for market_id, event_time in shown.items():
                awaited = self._waiting.get(market_id, [])
                self.durations += [
                    now - published_at for time_text, published_at in awaited if time_text <= event_time
                ]
                self._waiting[market_id] = [event for event in awaited if event[0] > event_time]


def publish(stack: Stack, watch: Watch | None, per_second: float, seconds: float, run: str) -> int:
    """Publish the simulator's messages with one client for each market; returns the number sent.

    Raises RuntimeError when some are not acknowledged within 30 seconds.
    """
    sample = SampleMarkets(1, run, 12, 0.01)
    clients = {}
    for market_id in (place.market_id for place in sample.places):
        device = device_of(market_id)
        clients[market_id] = MarketClient(device, stack.devices(device, market_id=market_id)[device])
        clients[market_id].connect("127.0.0.1", stack.mqtt_port)
    started = time.monotonic()
    sent = 0
    for message in islice(sample.messages(), ceil(per_second * seconds)):
        if watch and (event_time := expected_event_time(message.payload)):
            watch.published(message.market_id, event_time)
        clients[message.market_id].publish(message.topic, message.payload)
        sent += 1
        time.sleep(max(0.0, started + sent / per_second - time.monotonic()))
    if not comes_true(lambda: sum(client.acknowledged for client in clients.values()) >= sent, 30, 0.05):
        raise RuntimeError("the gateway has not acknowledged every event")
    for client in clients.values():
        client.close()
    return sent


def expected_event_time(payload: bytes) -> str | None:
    """Event time, as the API writes it, of a message that must become a live price of the watched commodity.

    None for every other message.
    """
    event = lenient_payload(payload)
    commodity = commodities()[WATCHED]
    if not isinstance(event, dict) or event.get("commodity") != commodity.name:
        return None
    price = event["price"]
    event_time = str(event.get("event_time"))
    valid = isinstance(price, int) and commodity.band_idr[0] <= price <= commodity.band_idr[1]
    if not valid or event_time > datetime.now(UTC).isoformat():
        return None
    return event_time.replace("+00:00", "Z")


def measure(per_second: float = 200, seconds: float = 120, warm_up_seconds: float = 120) -> dict[str, object]:
    """Percentiles per engine, after a warm-up, because a JVM is slow in its first two minutes."""
    return {engine: _measure(engine, per_second, seconds, warm_up_seconds) for engine in ENGINES}


def _measure(engine: str, per_second: float, seconds: float, warm_up_seconds: float) -> dict[str, object]:
    knobs = {"LUMBUNG_MQTT__MESSAGES_PER_SECOND": "100", "LUMBUNG_STREAM__ENGINE": engine}
    with temporary_stack(**knobs) as stack, stack:
        publish(stack, None, per_second, warm_up_seconds, "warm")
        watch = Watch(stack)
        watching = threading.Thread(target=watch.run, daemon=True)
        watching.start()
        began = time.monotonic()
        with Usage(stack.pid("supervisord")) as usage:
            sent = publish(stack, watch, per_second, seconds, "timed")
        taken = time.monotonic() - began
        comes_true(lambda: not watch.waiting, 30)
        watch.stopping.set()
        watching.join(10)
        return {
            "events": sent,
            "events_per_second": per_second,
            "samples": len(watch.durations),
            "never_seen": watch.waiting,
            "seconds": percentiles(watch.durations),
            "batch_seconds": percentiles(list(watch.batch_seconds.values())),
            "stack_pss_mb_max": round(usage.pss_mb_max),
            "stack_cpu_us_per_event": round(usage.cpu_seconds / sent * 1e6),
            "stack_cpu_cores": round(usage.cpu_seconds / taken, 2),
        }
