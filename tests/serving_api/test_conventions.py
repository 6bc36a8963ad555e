"""What holds for every row: ids, headers, strict questions, problems, cursors, who may ask, what is documented."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from conf.settings import REPO
from serving_api.problems import CATALOGUE
from tests.conftest import Broker
from tests.serving_api.conftest import Api, fill, stack_on

LIVE = "/api/public/commodity/price/live"
HISTORY = "/api/public/commodity/price/history"
ROWS = (
    "/livez",
    "/readyz",
    "/health",
    "/openapi.json",
    f"{LIVE}?commodity=garam",
    f"{HISTORY}?commodity=garam",
    "/api/public/market/list",
    "/api/v1/sensors/live",
    "/no-such-thing",
)
REFUSED = yaml.safe_load((Path(__file__).parent / "refused.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", ROWS)
def test_every_answer_is_guarded_and_bears_its_id(api: Api, path: str) -> None:
    answer = api.get(path, headers={"X-Request-Id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src" in answer.headers["content-security-policy"] and answer.headers["referrer-policy"]
    assert api.get(path, headers={"X-Request-Id": "no\tgood id"}).headers["x-request-id"] not in ("", "no\tgood id")


def test_a_trace_goes_on(api: Api) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = api.get(f"{LIVE}?commodity=garam", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    assert answer.headers["x-request-id"] == answer.json()["meta"]["request_id"] == trace


@pytest.mark.parametrize("case", REFUSED, ids=[case["name"] for case in REFUSED])
def test_refused(api: Api, case: dict[str, Any]) -> None:
    headers = {"X-Request-Id": "trace-7", **case.get("headers", {})}
    answer = api.ask(case.get("method", "GET"), case["path"], case.get("role"), headers=headers)
    assert answer.status_code == case["status"], answer.text
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["type"] == f"/problems/{case['problem']}" and told["status"] == case["status"]
    assert told["trace_id"] == "trace-7" and told["title"] and told["detail"]
    assert told["instance"] == case["path"].split("?")[0]
    if "pointer" in case:
        assert case["pointer"] in [error["pointer"] for error in told["errors"]]
    if case["status"] == 405:
        assert answer.headers["allow"]


def test_problems_speak_indonesian(api: Api) -> None:
    path = f"{LIVE}?commodity=unobtainium"
    assert "unobtainium" in api.get(path).json()["detail"]
    assert api.get(path, headers={"Accept-Language": "id-ID,en;q=0.5"}).json()["title"] == "Komoditas tidak dikenal"
    assert all({"en", "id"} < entry.keys() for entry in CATALOGUE.values())


def test_a_cursor_belongs_to_its_filters_and_expires(api: Api, broker: Broker, tmp_path: Path) -> None:
    cursor = api.get(f"{HISTORY}?commodity=garam&limit=3").json()["next_cursor"]
    assert api.get(f"{HISTORY}?commodity=garam&limit=9&cursor={cursor}").status_code == 200, "the page size may change"
    assert api.get(f"{HISTORY}?commodity=cabai&cursor={cursor}").json()["type"] == "/problems/cursor-expired"
    assert api.get(f"{HISTORY}?commodity=garam&cursor={cursor[:-2]}AA").status_code == 422
    stack = stack_on(broker, tmp_path, LUMBUNG_API__CURSOR_TTL_SECONDS="-1")
    fill(stack.lake_root)
    old = Api(stack)
    try:
        expired = old.get(f"{HISTORY}?commodity=garam&limit=3").json()["next_cursor"]
        answer = old.get(f"{HISTORY}?commodity=garam&limit=3&cursor={expired}")
        assert (answer.status_code, answer.json()["type"]) == (410, "/problems/cursor-expired")
    finally:
        old.stop()


def test_public_reads_may_be_cached_personal_ones_not(api: Api) -> None:
    assert api.get(f"{LIVE}?commodity=garam").headers["cache-control"] == "public, max-age=5, stale-while-revalidate=30"
    private = api.get("/api/v1/quarantine", "operator")
    assert private.headers["cache-control"] == "private, no-store" and "etag" not in private.headers


def test_short_forms_keep_the_question(api: Api) -> None:
    for short in ("/commodity/price/live", "/commodity/price/history", "/market/list", "/forecast"):
        answer = api.get(f"{short}?region=32&limit=2")
        assert (answer.status_code, answer.headers["location"]) == (308, f"/api/public{short}?region=32&limit=2")


def test_the_documentation_names_every_row_and_loads_nothing_from_elsewhere(api: Api) -> None:
    schema = api.get("/openapi.json").json()
    rows = schema["paths"].keys()
    assert schema["openapi"].startswith("3.1")
    assert {"/ingest", "/api/v1/ingest/{kind}", LIVE, HISTORY, "/api/public/market/list", "/api/v1/sensors/live"} < rows
    assert {"/api/v1/quarantine", "/api/v1/quarantine/{event_id}", "/health", "/livez", "/readyz", "/metrics"} < rows
    assert {"200", "304", "404", "406", "410", "422"} <= schema["paths"][LIVE]["get"]["responses"].keys()
    assert {"202", "400", "401", "403", "413", "415", "422", "503"} <= schema["paths"]["/ingest"]["post"]["responses"].keys()
    for page in ("/docs", "/redoc"):
        assert "https://" not in api.get(page, headers={"Accept": "text/html"}).text.replace("https://www.w3.org", "")


def test_metrics_tell_of_requests_and_the_stream(api: Api) -> None:
    api.get("/livez")
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    for family in (
        "events_total",
        "end_to_end_seconds",
        "kafka_lag",
        "quarantine_open",
        "http_request_seconds",
        "reconcile_difference",
    ):
        assert f"# TYPE lumbung_{family}" in answer.text, family
    assert "lumbung_quarantine_open 10.0" in answer.text
    assert 'lumbung_http_request_seconds_count{method="GET",route="/livez",status="200"}' in answer.text


def test_origins_are_named_or_shut_out(api: Api, broker: Broker, tmp_path: Path) -> None:
    asked = {"Origin": "https://dashboard.example"}
    assert "access-control-allow-origin" not in api.get("/livez", headers=asked).headers
    open_to = Api(stack_on(broker, tmp_path, CORS_ORIGINS="https://dashboard.example"))
    try:
        assert open_to.get("/livez", headers=asked).headers["access-control-allow-origin"] == "https://dashboard.example"
        assert "access-control-allow-origin" not in open_to.get("/livez", headers={"Origin": "https://evil.example"}).headers
    finally:
        open_to.stop()


@pytest.mark.parametrize("knobs", [{"LUMBUNG_API__HOST": "0.0.0.0"}, {"LUMBUNG_TOKEN_ADMIN": ""}, {"LUMBUNG_CURSOR_KEY": "x"}])
def test_it_refuses_to_start_in_the_open_or_without_secrets(broker: Broker, tmp_path: Path, knobs: dict[str, str]) -> None:
    stack = stack_on(broker, tmp_path)
    command = [sys.executable, "-m", "serving_api"]
    done = subprocess.run(command, cwd=REPO, env=stack.env | knobs, capture_output=True, text=True, timeout=60)
    assert done.returncode == 5, done.stderr
    assert "LUMBUNG_API__ALLOW_REMOTE" in done.stderr or "setup" in done.stderr
    assert not any(token in done.stdout + done.stderr for token in stack.tokens.values())


def test_served_on_another_address_it_answers_nobody(broker: Broker, tmp_path: Path) -> None:
    """The application alone, under a server that was told to listen everywhere: whoever comes from outside meets 403."""
    stack = stack_on(broker, tmp_path)
    probe = (
        "import asyncio; from serving_api.app import app\n"
        "async def ask():\n"
        "    sent = []\n"
        "    async def send(m): sent.append(m)\n"
        "    scope = {'type': 'http', 'method': 'GET', 'path': '/livez', 'query_string': b'', 'headers': [],\n"
        "             'server': ('192.0.2.1', 8000), 'client': ('192.0.2.9', 5), 'root_path': '', 'scheme': 'http'}\n"
        "    await app(scope, None, send)\n"
        "    print(sent[0]['status'])\n"
        "asyncio.run(ask())"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=REPO, env=stack.env, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "403", done.stderr


def test_what_fails_inside_is_a_problem_without_its_cause(broker: Broker, tmp_path: Path) -> None:
    """A data file that has vanished under a version that still stands."""
    stack = stack_on(broker, tmp_path)
    fill(stack.lake_root)
    own = Api(stack)
    try:
        for file in (tmp_path / "lake" / "gold" / "price_history").rglob("*.parquet"):
            file.unlink()
        answer = own.get(f"{HISTORY}?commodity=garam", headers={"X-Request-Id": "deep"})
        assert answer.status_code == 500 and answer.headers["x-request-id"] == "deep"
        assert answer.json()["type"] == "/problems/internal" and answer.headers["x-content-type-options"] == "nosniff"
        assert "parquet" not in answer.text and str(tmp_path) not in answer.text
        assert own.get("/livez").status_code == 200
    finally:
        own.stop()
