"""Official prices from a local server to silver: nothing lost, nothing doubled, whatever the server does."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from conf.collected_sources import collected_sources
from conf.settings import REPO
from producers.collectors.collect import collected
from producers.collectors.source import ShapeChanged, TransientFailure
from producers.collectors.state import SourceState
from streaming_jobs.gold.schema_drift import SchemaDrift
from tests.producers.collectors.conftest import SetKnobs
from tests.producers.collectors.source_server import Reply, Request, SourceServer
from tests.streaming_jobs.conftest import Stream

TODAY = datetime.now(ZoneInfo("Asia/Jakarta")).date()
REQUESTS = len(collected_sources()["panel_harga"].requested)
PRICES = {"27": {"Jawa Barat": "15600", "Papua": 17250}, "33": {"Jawa Barat": "61000.5", "Papua": "-"}}
EXPECTED = {
    ("Jawa Barat", "beras-premium"): 15600.0,
    ("Papua", "beras-premium"): 17250.0,
    ("Jawa Barat", "cabai-rawit-merah"): 61000.5,
}


def body_of(commodity: str, price_field: str = "rata_rata_geometrik") -> dict[str, Any]:
    day = {"date": TODAY.isoformat(), "map_color": "green"}
    prices = PRICES.get(commodity, {}).items()
    rows = [day | {"province_name": province, price_field: price} for province, price in prices]
    return {"status": "success", "data": rows}


def usual(request: Request) -> Reply:
    commodity = request.query["komoditas_id"]
    etag = f'"{commodity}-1"'
    if request.headers.get("if-none-match") == etag:
        return Reply(b"", 304, {"ETag": etag})
    return Reply(body_of(commodity), headers={"ETag": etag})


@pytest.fixture
def server(knobs: SetKnobs) -> Iterator[SourceServer]:
    with SourceServer(usual).running() as running:
        knobs(panel_harga_url=running.url)
        yield running


def poll() -> dict[str, Any]:
    return asyncio.run(collected("panel_harga", None))


def prices(landed: Stream) -> dict[tuple[str, str], float]:
    """(province, commodity) -> price of the rows in silver, each of which must be there once."""
    rows = landed.rows("silver.prices")
    assert set(Counter(row["event_id"] for row in rows).values()) <= {1}
    return {(row["region"], row["commodity"]): row["price_idr"] for row in rows}


def test_prices_reach_silver_once_over_a_server_that_misbehaves(landed: Stream, server: SourceServer):
    whole = Reply(body_of("27"))
    server.faults = [
        Reply(b"slow down", 429, {"Retry-After": "1"}),
        Reply(whole.body, sent_bytes=len(whole.content) // 2),
        Reply(b"down", 503),
    ]
    counts = poll()
    assert (counts["events"], counts["known"], len(server.requests)) == (3, 0, REQUESTS + 3)
    landed.run()
    assert prices(landed) == EXPECTED
    row = landed.rows("silver.prices")[0]
    assert (row["source"], row["provider"], row["level"]) == (
        "collector:panel_harga",
        "panel-harga",
        "province",
    )
    assert row["market_date"] == TODAY
    assert poll()["events"] == 0, "nothing has changed: 304"
    PRICES["27"]["Papua"] = 17300
    try:
        server.answer = lambda request: Reply(body_of(request.query["komoditas_id"]))  # without ETag
        counts = poll()
    finally:
        PRICES["27"]["Papua"] = 17250
    assert (counts["events"], counts["known"]) == (1, 2), "the corrected price alone"
    landed.run()
    assert landed.balance() == {"rows_in": 4, "silver": 4, "quarantine": 0, "duplicates": 0}


def test_changed_field_is_quarantined_and_shows_in_schema_drift(landed: Stream, server: SourceServer):
    server.answer = lambda request: Reply(body_of(request.query["komoditas_id"], "harga_rata_rata"))
    counts = poll()
    assert (counts["events"], counts["unknown_fields"]) == (4, ["harga_rata_rata"])
    landed.run()
    assert set(landed.quarantine().values()) == {1} and prices(landed) == {}
    assert {rule for _, rule in landed.quarantine()} == {"price_required"}
    SchemaDrift().refresh()
    (drift,) = landed.rows("gold.schema_drift")
    assert (drift["kind"], drift["field"]) == ("price", "panel_harga_harga_rata_rata")
    assert (drift["events"], drift["quarantined"]) == (0, 4)
    assert drift["json_types"] == ["number", "string"]


def test_answer_of_another_shape_is_kept_and_the_others_are_stored(landed: Stream, server: SourceServer):
    def answer(request: Request) -> Reply:
        commodity = request.query["komoditas_id"]
        return Reply({"hasil": []}) if commodity == "27" else usual(request)

    server.answer = answer
    with pytest.raises(ShapeChanged, match="'data' is not a list"):
        poll()
    landed.run()
    assert prices(landed) == {("Jawa Barat", "cabai-rawit-merah"): 61000.5}
    (dead,) = landed.rows("silver.quarantine")
    assert dead["payload"] == b'{"hasil":[]}' and "answer_shape" in dead["reasons"][0]["message"]
    assert SourceState("panel_harga").cursor == {}
    server.answer = usual
    poll()
    landed.run()
    assert prices(landed) == EXPECTED


def test_process_killed_between_acknowledgement_and_cursor_loses_and_doubles_nothing(
    landed: Stream, server: SourceServer
):
    command = [sys.executable, "-m", "scripts.cli", "collect", "panel_harga", "--once"]
    killed = subprocess.run(
        command, cwd=REPO, env={**os.environ, "LUMBUNG_FAILPOINT": "collector.acknowledged"}, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    landed.run()
    assert prices(landed) == EXPECTED
    assert landed.balance() == {"rows_in": 5, "silver": 3, "quarantine": 0, "duplicates": 2}


def test_source_that_stays_down_fails_with_its_reason_and_no_address(
    landed: Stream, server: SourceServer, knobs: SetKnobs
):
    server.answer = lambda request: Reply(b"down", 500)
    with pytest.raises(TransientFailure, match="^status 500$"):
        poll()
    assert len(server.requests) == 4
    server.answer = lambda request: Reply(b"later", 429, {"Retry-After": "3600"})
    with pytest.raises(TransientFailure) as rest:
        poll()
    assert rest.value.retry_after == 3600 and len(server.requests) == 5, (
        "it is not rest_seconds again meanwhile"
    )
    knobs(request_seconds="0.2", attempts="1")
    given_up = threading.Event()
    server.answer = lambda request: Reply(b"{}", after=given_up)
    try:
        with pytest.raises(TransientFailure, match=r"no whole answer within 0\.2 s"):
            poll()
    finally:
        given_up.set()


def test_clock_that_is_ahead_is_reported_and_its_days_are_quarantined(landed: Stream, server: SourceServer):
    ahead = datetime.now(UTC) + timedelta(days=2)
    rows = [{"date": f"{ahead:%d/%m/%Y}", "province_name": "Jawa Barat", "rata_rata_geometrik": 15600}]
    server.answer = lambda request: Reply(
        {"data": rows if request.query["komoditas_id"] == "27" else []},
        headers={"Date": format_datetime(ahead, usegmt=True)},
    )
    counts = poll()
    assert 86400 < counts["clock_skew_seconds"] <= 2 * 86400
    landed.run()
    (refused,) = landed.rows("silver.quarantine")
    errors = {reason["rule"] for reason in refused["reasons"] if reason["severity"] == "error"}
    assert errors == {"event_time_future"}
