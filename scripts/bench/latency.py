"""Publish -> visible in the API, at a steady rate through the MQTT door of the real stack; and its memory meanwhile."""

import http.client
import json
import shutil
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil

from lakehouse.event import lenient_payload
from lakehouse.reference import commodities
from producers.sample_markets import SampleMarkets
from producers.simulate import MarketClient
from scripts.bench.figures import percentiles
from tests.integration.stack import Stack

MEANS = "seconds from an event's MQTT publish to its price in GET /api/public/commodity/price/live, polled every 20 ms"
WATCHED = "bawang-merah"
POLL_SECONDS = 0.02


class Watch:
    """Events of one commodity that were published and not yet seen; what the API shows settles them."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self._lock = stack, threading.Lock()
        self._waiting: dict[str, list[tuple[str, float]]] = {}  # market -> (event time, published at)
        self.took: list[float] = []
        self.batch_seconds: dict[int, float] = {}
        self.rss_mb = 0.0
        self.stopping = threading.Event()

    def published(self, market_id: str, event_time: str) -> None:
        """To be called right before the publish."""
        with self._lock:
            self._waiting.setdefault(market_id, []).append((event_time, time.monotonic()))

    @property
    def waiting(self) -> int:
        """Events not yet seen."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def run(self) -> None:
        """Poll until told to stop; an unchanged answer is a 304 and costs next to nothing."""
        wire = http.client.HTTPConnection("127.0.0.1", self._stack.api_port, timeout=10)
        path, tag = f"/api/public/commodity/price/live?commodity={WATCHED}&limit=1000", ""
        while not self.stopping.wait(POLL_SECONDS):
            wire.request("GET", path, headers={"If-None-Match": tag} if tag else {})
            answer = wire.getresponse()
            body = answer.read()
            if answer.status == 200:
                tag = answer.headers["ETag"]
                self._settle({item["market_id"]: item["event_time"] for item in json.loads(body)["items"]})
            said = self._stack.progress()
            if said and said["batch_id"] is not None:
                self.batch_seconds[said["batch_id"]] = said["batch_seconds"]

    def _settle(self, shown: dict[str, str]) -> None:
        now = time.monotonic()
        with self._lock:
            for market_id, event_time in shown.items():
                left = []
                for waiting in self._waiting.get(market_id, ()):
                    if waiting[0] <= event_time:
                        self.took.append(now - waiting[1])
                    else:
                        left.append(waiting)
                self._waiting[market_id] = left

    def weigh(self) -> None:
        """Memory of every process of the stack, sampled until told to stop."""
        daemon = psutil.Process(self._stack.pid("supervisord"))
        while not self.stopping.wait(2):
            rss = [process.memory_info().rss for process in (daemon, *daemon.children(recursive=True)) if process.is_running()]
            self.rss_mb = max(self.rss_mb, sum(rss) / 1e6)


def publish(stack: Stack, watch: Watch | None, per_second: float, seconds: float, run: str) -> int:
    """The simulator's messages, each market a client; returns how many were sent. Raises when some were not acknowledged."""
    sample = SampleMarkets(1, run, 12, 0.01)
    clients = {place.market_id: MarketClient(f"{run}-{place.market_id}") for place in sample.places}
    for client in clients.values():
        client.connect("127.0.0.1", stack.mqtt_port)
    began, sent = time.monotonic(), 0
    for message in sample.messages():
        if sent >= per_second * seconds:
            break
        if watch and (event_time := awaited(message.payload)):
            watch.published(message.market_id, event_time)
        clients[message.market_id].publish(message.topic, message.payload)
        sent += 1
        time.sleep(max(0.0, began + sent / per_second - time.monotonic()))
    end = time.monotonic() + 30
    while sum(client.acknowledged for client in clients.values()) < sent:
        if time.monotonic() > end:
            raise RuntimeError("the gateway has not acknowledged every event")
        time.sleep(0.05)
    for client in clients.values():
        client.close()
    return sent


def awaited(payload: bytes) -> str | None:
    """Event time, as the API writes it, of a message that shall become a live price of the watched commodity."""
    said = lenient_payload(payload)
    if not isinstance(said, dict) or said.get("commodity") != commodities()[WATCHED].name:
        return None
    good, now = commodities()[WATCHED], datetime.now(UTC).isoformat()
    believable = isinstance(said["price"], int) and good.band_idr[0] <= said["price"] <= good.band_idr[1]
    return said["event_time"].replace("+00:00", "Z") if believable and said["event_time"] <= now else None


def measure(per_second: float = 200, seconds: float = 120, warm_up_seconds: float = 120) -> dict[str, object]:
    """Percentiles after a warm-up: a JVM is slow in its first two minutes."""
    home = Path(tempfile.mkdtemp(prefix="lumbung-bench-"))
    try:
        with Stack(home / "home", LUMBUNG_MQTT__MESSAGES_PER_SECOND="100") as stack:
            publish(stack, None, per_second, warm_up_seconds, "warm")
            watch = Watch(stack)
            threads = [threading.Thread(target=work, daemon=True) for work in (watch.run, watch.weigh)]
            for thread in threads:
                thread.start()
            sent = publish(stack, watch, per_second, seconds, "timed")
            end = time.monotonic() + 30
            while watch.waiting and time.monotonic() < end:
                time.sleep(0.1)
            watch.stopping.set()
            for thread in threads:
                thread.join(10)
            return {
                "events": sent,
                "events_per_second": per_second,
                "samples": len(watch.took),
                "never_seen": watch.waiting,
                "seconds": percentiles(watch.took),
                "batch_seconds": percentiles(list(watch.batch_seconds.values())),
                "stack_rss_mb_max": round(watch.rss_mb),
            }
    finally:
        shutil.rmtree(home, ignore_errors=True)
