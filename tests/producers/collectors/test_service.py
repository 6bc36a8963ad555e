"""The service and the verb: a source that fails holds up no other, and what is off says so."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, generate_latest

from conf.settings import REPO
from lakehouse.io.process_status import collectors_status
from scripts.commands.status_text import collected
from scripts.stack.services import service_names
from serving_api.reads.operation.prometheus import collector_metrics
from tests.conftest import Broker
from tests.producers.collectors.conftest import SetKnobs
from tests.producers.collectors.sample_sources import NOW, rss, x
from tests.producers.collectors.source_server import Reply, Request, SourceServer
from tests.support.waiting import eventually

SERVICE = [sys.executable, "-m", "producers.collectors.service"]
VERB = [sys.executable, "-m", "scripts.cli", "collect"]


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=REPO, env={**os.environ, **variables}, capture_output=True, text=True, timeout=120
    )


def sources_when(service: subprocess.Popen[bytes], **events: int) -> dict[str, Any]:
    """The status of the sources, once they have sent so many events and a poll of each has ended."""

    def sources() -> dict[str, Any]:
        status = collectors_status()
        sources = status["sources"] if status and status["pid"] == service.pid else {}
        assert {name: source["events"] for name, source in sources.items()} == events, status
        assert all(s["failure"] or s["last_success_at"] or s["mode"] == "recording" for s in sources.values())
        return sources

    return eventually(sources)


class OneFamily(CollectorRegistry):
    """Registers what `collector_metrics` yields."""

    def collect(self):
        return collector_metrics()


def test_sources_run_side_by_side_and_a_recording_is_sent_once(broker: Broker, home: Path, knobs: SetKnobs):
    request = Request("GET", "/", {}, {"authorization": "Bearer x-secret"}, b"")
    line = {"name": "page 1", "received_at": f"{NOW:%Y-%m-%dT%H:%M:%SZ}", "body": x(request).content.decode()}
    recording = home / "x.jsonl"
    recording.write_bytes(orjson.dumps(line) + b"\n")

    def answer(request: Request) -> Reply:
        return rss(request) if request.path == "/feed.xml" else Reply(b"down", 500)

    with SourceServer(answer).running() as server:
        knobs(
            bmkg_url=f"{server.url}/report",
            news_feeds=json.dumps([f"{server.url}/feed.xml"]),
            recordings=json.dumps({"x": str(recording)}),
            every_minutes='{"rss": 0.01}',
        )
        assert "collectors" in service_names()
        for sent in (2, 0):
            service = subprocess.Popen(SERVICE, cwd=REPO, stderr=subprocess.PIPE)
            try:
                sources = sources_when(service, bmkg=0, rss=sent, x=sent)
            finally:
                service.terminate()
                _, log = service.communicate(timeout=120)
            assert service.returncode == 0, log
        assert (
            sources["bmkg"]["failure"] == "TransientFailure: status 500" and sources["rss"]["failure"] is None
        )
    assert b"newsapi: off, because NEWSAPI_KEY is empty" in log and log.count(b"newsapi") == 1
    assert "bmkg 0 events, failed: TransientFailure: status 500" in collected(sources)
    text = generate_latest(OneFamily()).decode()
    assert 'lumbung_collector_polls_total{collector="bmkg",outcome="failed"} 1.0' in text
    assert 'lumbung_collector_last_success_seconds{collector="rss"}' in text


def test_everything_off_starts_nothing_and_names_what_is_missing(home: Path, broker: Broker):
    assert "collectors" not in service_names()
    assert run(*SERVICE).returncode == 2
    done = run(*VERB, "newsapi", "--once")
    assert done.returncode == 3 and "NEWSAPI_KEY is empty" in done.stderr
    done = run(*VERB, "tides", "--once")
    assert done.returncode == 2 and "panel_harga" in done.stderr
    listed = orjson.loads(run(*VERB, "--json").stdout)
    assert {row["mode"] for row in listed} == {"off"} and all(
        row["licence"] and row["terms"] for row in listed
    )
    shown = run(*VERB).stdout
    assert all(f"off ({row['missing']})" in shown for row in listed), "cut on a terminal of 80 columns"


def test_verb_reports_a_broken_recording_and_a_source_that_another_process_collects(
    home: Path, broker: Broker, knobs: SetKnobs
):
    recording = home / "x.jsonl"
    recording.write_text('{"name": "page 1"}\n')
    done = run(*VERB, "x", "--replay", str(recording))
    assert done.returncode == 1 and "line 1: not a recorded answer" in done.stderr
    released = threading.Event()

    def held(request: Request) -> Reply:
        assert released.wait(240)
        return Reply(b"{}")

    with SourceServer(held).running() as server:
        knobs(bmkg_url=server.url, request_seconds="240")
        first = subprocess.Popen([*VERB, "bmkg", "--once"], cwd=REPO, stderr=subprocess.PIPE)
        eventually(lambda: server.requests)
        done = run(*VERB, "bmkg", "--once")
        released.set()
        _, log = first.communicate(timeout=120)
    assert done.returncode == 5 and f"pid {first.pid}" in done.stderr
    assert first.returncode == 1 and b"'data' is not a list of objects" in log
