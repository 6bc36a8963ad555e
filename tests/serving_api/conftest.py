"""A small lake written with delta-rs and the real API process in front of it; one for all tests of this room."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest

from conf.settings import REPO
from lakehouse.reference import commodities, markets, provinces
from scripts.bench.api_lake import write
from tests.conftest import Broker
from tests.integration.stack import Stack

NOW = datetime.now(UTC).replace(microsecond=0)
RULE_SET = "f" * 16


def price(
    event_id: str, market_id: str, commodity: str, ago: timedelta, price_idr: float = 50_000.0, **more: Any
) -> dict[str, Any]:
    """A row of gold.live_prices and of gold.price_history alike; columns of the other are dropped when it is written."""
    market, at = markets()[market_id], NOW - ago
    place = provinces()[market.region_code]
    day = at.astimezone(ZoneInfo(place.timezone)).date()
    return {
        "event_id": event_id, "market_id": market_id, "market_name": market.name, "level": market.level,
        "region_code": place.code, "region": place.name, "commodity": commodity, "channel": "retail", "price_idr": price_idr,
        "unit": commodities()[commodity].unit, "event_time": at, "market_date": day, "market_month": f"{day:%Y-%m}",
        "warnings": [], "change_pct": None, **more,
    }  # fmt: skip


LIVE = [
    price("l1", "PASAR-001", "cabai-rawit-merah", timedelta(minutes=1), 55_000.0, change_pct=10.0),
    price("l2", "PASAR-002", "cabai-rawit-merah", timedelta(minutes=2), 56_000.0),
    price("l3", "PROV-32", "cabai-rawit-merah", timedelta(minutes=3), 57_000.0),
    price("l4", "PASAR-001", "cabai-merah-keriting", timedelta(minutes=4)),
    price("l5", "PASAR-001", "cabai", timedelta(minutes=5)),
    price("l6", "PASAR-001", "cabai-rawit-merah", timedelta(seconds=1), 40_000.0, channel="wholesale"),
    price("l7", "PASAR-001", "garam", timedelta(minutes=6), 11_500.0),
]
# 25 prices an hour apart, then one of each of the five months before, and one older than the default range only.
HISTORY = [
    *(price(f"h{n:02d}", "PASAR-001", "garam", timedelta(hours=n), 11_000.0 + n, warnings=["a_warning"]) for n in range(25)),
    *(price(f"m{n}", "PASAR-002", "garam", timedelta(days=31 * n)) for n in range(1, 6)),
    price("g1", "PASAR-009", "cabai-merah-besar", timedelta(hours=1)),
]  # fmt: skip


def doubtful(number: int, **more: Any) -> dict[str, Any]:
    """A row of silver.quarantine."""
    at = NOW - timedelta(hours=7 * number)
    reasons = [{"rule": "price_positive", "severity": "error", "message": "the price -5 is not above zero"}]
    return {
        "event_id": f"q{number}", "kind": "price", "source": "mqtt:DEV-1", "market_id": "PASAR-001", "commodity": "Garam",
        "reasons": reasons, "stage": "stream", "state": "open", "generation": 0, "rule_set": RULE_SET,
        "payload": b'{"price": -5}', "content_type": "application/json", "received_at": at, "quarantined_at": at,
        "topic": "lumbung.price", "partition": 0, "offset": 100 - number, "ingest_date": at.date(), **more,
    }  # fmt: skip


OTHER_RULE = [{"rule": "temperature_range", "severity": "error", "message": "140 lies outside"}]
QUARANTINE = [
    *(doubtful(number) for number in range(8)),
    doubtful(8, kind="sensor", commodity=None, market_id=None, reasons=OTHER_RULE, payload=b"\xff\xfe{"),
    doubtful(9, commodity="unobtainium", state="rejected"),
]


def fill(root: str) -> None:
    """Every table that is served."""
    for table, rows in (("gold.live_prices", LIVE), ("gold.price_history", HISTORY), ("silver.quarantine", QUARANTINE)):
        write(root, table, rows)
    readings = [
        ("PASAR-001", "aa", "temperature_c", 28.5, 1),
        ("PASAR-001", "aa", "crowd_count", 12.0, 2),
        ("PASAR-900", "bb", "humidity_pct", 70.0, 3),
    ]
    names = ("market_id", "device_id_hash", "metric", "value")
    write(
        root,
        "gold.sensors_live",
        [
            dict(zip(names, row, strict=False)) | {"event_time": NOW - timedelta(minutes=row[4]), "event_id": "s"}
            for row in readings
        ],
    )
    listed = [
        {
            "market_id": m.market_id,
            "name": m.name,
            "level": m.level,
            "region_code": m.region_code,
            "region": provinces()[m.region_code].name,
            "latitude": m.latitude,
            "longitude": m.longitude,
            "timezone": provinces()[m.region_code].timezone,
            "commodities": 1,
            "last_event_time": NOW if m.market_id == "PASAR-001" else None,
        }
        for m in markets().values()
    ]
    write(root, "gold.markets", listed)


def decision(number: int, row: dict[str, Any], state: str, outcome: str, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A row of silver.decisions on a quarantined row, and the row of gold.reviews that the stream writes for it."""
    at = row["quarantined_at"] + timedelta(minutes=number)
    told = {
        "target_record": f"{row['topic']}:{row['partition']}:{row['offset']}", "generation": row["generation"],
        "decision": {"released": "release", "corrected": "correct", "rejected": "reject"}[state],
        "reason": "because of a test", "decided_by": "operator", "ingested_at": at, **more,
    }  # fmt: skip
    taken = {**told, "event_id": f"d-{number}", "target_event_id": row["event_id"], "target_kind": row["kind"], "event_time": at}
    shown = {**told, "event_id": row["event_id"], "kind": row["kind"], "decision_id": f"d-{number}", "decided_at": at}
    return taken, {**shown, "state": state, "outcome": outcome}


class Api:
    """The running process: `get` and `post` with a role's bearer."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.process = subprocess.Popen([sys.executable, "-m", "serving_api"], cwd=REPO, env=stack.env)
        self.http = httpx2.Client(base_url=stack.api_url, timeout=30)
        end = time.monotonic() + 60
        while True:
            try:
                self.http.get("/livez")
                return
            except httpx2.TransportError:
                assert self.process.poll() is None and time.monotonic() < end, "the API does not answer"
                time.sleep(0.1)

    def ask(self, method: str, path: str, role: str | None = None, **more: Any) -> httpx2.Response:
        headers = dict(more.pop("headers", {}))
        if role:
            headers["Authorization"] = f"Bearer {self.stack.tokens[role]}"
        return self.http.request(method, path, headers=headers, **more)

    def get(self, path: str, role: str | None = None, **more: Any) -> httpx2.Response:
        return self.ask("GET", path, role, **more)

    def post(
        self, path: str, body: bytes, role: str | None = "operator", content_type: str = "application/json"
    ) -> httpx2.Response:
        return self.ask("POST", path, role, content=body, headers={"Content-Type": content_type})

    def stop(self) -> int:
        self.http.close()
        self.process.terminate()
        return self.process.wait(20)


def stack_on(broker: Broker, home: Path, **knobs: str) -> Stack:
    """A home of its own on the tests' broker, with secrets."""
    stack = Stack(home, **knobs)
    stack.bootstrap = stack.env["LUMBUNG_KAFKA__BOOTSTRAP"] = broker.stack.bootstrap
    subprocess.run([sys.executable, "-m", "scripts.secrets_file"], cwd=REPO, env=stack.env, check=True, capture_output=True)
    return stack


@pytest.fixture(scope="session")
def api(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """On a filled lake; tests that change the lake or the process start their own."""
    stack = stack_on(broker, tmp_path_factory.mktemp("api"))
    fill(stack.lake_root)
    running = Api(stack)
    yield running
    assert running.stop() in (0, -signal.SIGTERM)  # uvicorn shuts down cleanly, then dies of the signal it got
