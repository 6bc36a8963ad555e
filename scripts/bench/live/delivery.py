"""Seconds from the commit of the batch that shows a price to its alert at a web hook and on a WebSocket."""

import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
from deltalake import DeltaTable
from websockets.sync.client import connect

from lakehouse.io.delta import tag_of_commit
from lakehouse.paths import table_path
from lakehouse.reference import DEFAULT_TIMEZONE, commodities, provinces
from scripts.bench.harness import percentiles, temporary_stack
from scripts.stack.patience import comes_true
from scripts.stack.throwaway import Stack

MEANS = (
    "prices of series with a week of history rise by a quarter, one after the other, on the whole stack; "
    "from the commit of silver.prices that holds the price to the first request to the web hook, and to the "
    "message on /api/alerts/ws"
)
COMMODITIES = ("bawang-putih", "daging-ayam-ras", "telur-ayam-ras", "gula-konsumsi", "daging-sapi")
HISTORY_DAYS = 9
RISE = 1.25
GOAL_SECONDS = 5.0
WAIT_SECONDS = 30.0
Payload = dict[str, Any]
Series = tuple[str, str]  # commodity, province code
Arrivals = dict[str, float]  # alert id -> when it was received first, in seconds since 1970


@contextmanager
def web_hook() -> Iterator[tuple[str, Arrivals]]:
    """(address, what was received) of a server that accepts every delivery."""
    received: Arrivals = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            alert = json.loads(self.rfile.read(int(self.headers["content-length"])))
            received.setdefault(alert["alert_id"], time.time())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/alerts", received
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def watched_socket(stack: Stack) -> Iterator[Arrivals]:
    """What arrives on the WebSocket of alerts while the block runs."""
    received: Arrivals = {}
    with connect(f"ws://127.0.0.1:{stack.api_port}/api/alerts/ws") as socket:

        def read() -> None:
            for text in socket:
                message = json.loads(text)
                if message["type"] == "alert":
                    received.setdefault(message["data"]["alert_id"], time.time())

        reading = threading.Thread(target=read, daemon=True)
        reading.start()
        yield received
    reading.join(5)


def chosen_series(count: int) -> list[Series]:
    """So many series of provinces whose day is that of Jakarta."""
    codes = [code for code, province in provinces().items() if province.timezone == DEFAULT_TIMEZONE]
    return [(commodity, code) for code in codes for commodity in COMMODITIES][:count]


def price(series: Series, at: datetime, factor: float = 1.0) -> Payload:
    """The payload of a price of the series; its event id names series and day."""
    commodity, code = series
    return {
        "event_id": f"delivery-{commodity}-{code}-{at:%Y%m%d}",
        "event_time": at.isoformat(),
        "market_id": f"BENCH-{code}",
        "region": provinces()[code].name,
        "commodity": commodity,
        "price": round(commodities()[commodity].typical_idr * factor),
    }


def send(stack: Stack, payloads: list[Payload]) -> None:
    """Send prices to the API. Raises HTTPStatusError when it refuses them."""
    headers = {"Authorization": f"Bearer {stack.tokens['central']}"}
    address = f"{stack.api_url}/api/v1/ingest/price"
    httpx2.post(address, json=payloads, headers=headers, timeout=30).raise_for_status()


def commit_times(lake_root: str) -> dict[str, float]:
    """Event id -> when its row of silver.prices was committed, in seconds since 1970."""
    silver, balance = (DeltaTable(table_path(lake_root, name)) for name in ("silver.prices", "gold.balance"))
    tags = ((tag_of_commit(commit), commit["timestamp"] / 1000) for commit in silver.history())
    by_batch = {tag["batch"]: committed for tag, committed in tags if tag and "batch" in tag}
    batches = {row["ingested_at"]: row["batch_id"] for row in balance.to_pyarrow_table().to_pylist()}
    rows = silver.to_pyarrow_table(columns=["event_id", "ingested_at"]).to_pylist()
    return {row["event_id"]: by_batch[batches[row["ingested_at"]]] for row in rows}


def alert_ids(lake_root: str) -> dict[Series, str]:
    """Series -> id of its alert about the rise."""
    rows = DeltaTable(table_path(lake_root, "gold.alerts")).to_pyarrow_table().to_pylist()
    return {
        (row["commodity"], row["region_code"]): row["alert_id"]
        for row in rows
        if row["rule"] == "price_level"
    }


def measure(alerts: int = 40, pause_seconds: float = 2.9) -> dict[str, object]:
    """Percentiles of both ways; the pause between two rises is no divisor of any pause of the stack."""
    with web_hook() as (address, hooked):
        hook = json.dumps([{"url": address, "secret": "of-the-bench-alone"}])
        knobs = {
            "LUMBUNG_ALERTS__WEBHOOKS": hook,
            "LUMBUNG_ALERTS__MESSAGES_PER_MINUTE": "1000",
        }
        with temporary_stack(**knobs) as stack, stack, watched_socket(stack) as pushed:
            sent = raise_prices(stack, chosen_series(alerts), pause_seconds)
            received = {"web_hook": hooked, "web_socket": pushed}
            comes_true(lambda: are_received(stack.lake_root, sent, received), WAIT_SECONDS, 0.5)
            return figures(stack.lake_root, sent, received)


def raise_prices(stack: Stack, series: list[Series], pause_seconds: float) -> dict[Series, str]:
    """Send a history of each series, and then a rise of one after the other; returns its event id."""
    now = datetime.now(ZoneInfo(DEFAULT_TIMEZONE)).replace(microsecond=0)
    noon = now.replace(hour=12, minute=0, second=0)
    days = [noon - timedelta(days=back) for back in range(HISTORY_DAYS, 0, -1)]
    for day in days:
        send(stack, [price(each, day) for each in series])
    stack.wait_drained(60)
    time.sleep(10)  # gold has followed by then
    sent = {}
    for each in series:
        rise = price(each, now, RISE)
        send(stack, [rise])
        sent[each] = str(rise["event_id"])
        time.sleep(pause_seconds)
    return sent


def are_received(lake_root: str, series: Iterable[Series], received: dict[str, Arrivals]) -> bool:
    """Whether the alert of each series has arrived on every way."""
    ids = alert_ids(lake_root)
    return all(ids.get(each) in arrivals for each in series for arrivals in received.values())


def figures(lake_root: str, sent: dict[Series, str], received: dict[str, Arrivals]) -> dict[str, object]:
    """Percentiles of the seconds of each way, and how many alerts did not arrive."""
    ids = alert_ids(lake_root)
    committed = commit_times(lake_root)
    result: dict[str, object] = {"alerts": len(sent)}
    for way, arrivals in received.items():
        seconds = [
            arrivals[ids[series]] - committed[event_id]
            for series, event_id in sent.items()
            if ids.get(series) in arrivals and event_id in committed
        ]
        result[way] = {"seconds": percentiles(seconds), "not_received": len(sent) - len(seconds)}
    return result | {"goal_seconds": GOAL_SECONDS}
