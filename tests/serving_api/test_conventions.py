"""Conventions of every endpoint: request ids, headers, strict queries, problems, cursors, roles."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from conf.settings import REPO
from serving_api.app import create
from serving_api.http.problems import CATALOGUE
from serving_api.listings import prices
from tests.conftest import Broker
from tests.support.api import Api, new_stack
from tests.support.served_lake import fill

LIVE = "/api/public/commodity/price/live"
HISTORY = "/api/public/commodity/price/history"
PATHS = (
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


@pytest.mark.parametrize("path", PATHS)
def test_every_response_has_security_headers_and_a_request_id(api: Api, path: str) -> None:
    response = api.get(path, headers={"X-Request-Id": "mine-1"})
    assert response.headers["x-request-id"] == "mine-1"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert (
        "default-src" in response.headers["content-security-policy"] and response.headers["referrer-policy"]
    )
    assert api.get(path, headers={"X-Request-Id": "no\tgood id"}).headers["x-request-id"] not in (
        "",
        "no\tgood id",
    )


def test_trace_id_is_used_as_request_id(api: Api) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    response = api.get(f"{LIVE}?commodity=garam", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    assert response.headers["x-request-id"] == response.json()["meta"]["request_id"] == trace


@pytest.mark.parametrize("case", REFUSED, ids=[case["name"] for case in REFUSED])
def test_invalid_request_is_refused(api: Api, case: dict[str, Any]) -> None:
    headers = {"X-Request-Id": "trace-7", **case.get("headers", {})}
    response = api.request(case.get("method", "GET"), case["path"], case.get("role"), headers=headers)
    assert response.status_code == case["status"], response.text
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"/problems/{case['problem']}" and problem["status"] == case["status"]
    assert problem["trace_id"] == "trace-7" and problem["title"] and problem["detail"]
    assert problem["instance"] == case["path"].split("?")[0]
    if "pointer" in case:
        assert case["pointer"] in [error["pointer"] for error in problem["errors"]]
    if case["status"] == 405:
        assert response.headers["allow"]


def test_problems_are_in_the_accepted_language(api: Api) -> None:
    path = f"{LIVE}?commodity=unobtainium"
    assert "unobtainium" in api.get(path).json()["detail"]
    assert (
        api.get(path, headers={"Accept-Language": "id-ID,en;q=0.5"}).json()["title"]
        == "Komoditas tidak dikenal"
    )
    assert all(entry.en.title != entry.id.title for entry in CATALOGUE.values())


def test_cursor_is_valid_for_its_filters_until_it_expires(api: Api, broker: Broker, tmp_path: Path) -> None:
    cursor = api.get(f"{HISTORY}?commodity=garam&limit=3").json()["next_cursor"]
    assert api.get(f"{HISTORY}?commodity=garam&limit=9&cursor={cursor}").status_code == 200, (
        "the page size may change"
    )
    assert api.get(f"{HISTORY}?commodity=cabai&cursor={cursor}").json()["type"] == "/problems/cursor-expired"
    assert api.get(f"{HISTORY}?commodity=garam&cursor={cursor[:-2]}AA").status_code == 422
    stack = new_stack(tmp_path, broker, LUMBUNG_API__CURSOR_TTL_SECONDS="-1")
    fill(stack.lake_root)
    old = Api(stack)
    try:
        expired = old.get(f"{HISTORY}?commodity=garam&limit=3").json()["next_cursor"]
        response = old.get(f"{HISTORY}?commodity=garam&limit=3&cursor={expired}")
        assert (response.status_code, response.json()["type"]) == (410, "/problems/cursor-expired")
    finally:
        old.stop()


def test_link_to_the_next_page_names_no_host_of_the_caller(api: Api) -> None:
    path = f"{HISTORY}?commodity=garam&limit=3"
    for listing in (path, f"{path}&format=csv"):
        link = api.get(listing, headers={"Host": "evil.example"}).headers["link"]
        assert link.startswith(f"<{path}") and "evil" not in link
        assert api.get(link[1 : link.index(">")]).status_code == 200


def test_public_responses_may_be_cached_personal_ones_not(api: Api) -> None:
    assert (
        api.get(f"{LIVE}?commodity=garam").headers["cache-control"]
        == "public, max-age=5, stale-while-revalidate=30"
    )
    private = api.get("/api/v1/quarantine", "operator")
    assert private.headers["cache-control"] == "private, no-store" and "etag" not in private.headers


def test_short_address_redirects_with_its_query(api: Api) -> None:
    for short in ("/commodity/price/live", "/commodity/price/history", "/market/list", "/forecast"):
        response = api.get(f"{short}?region=32&limit=2")
        assert (response.status_code, response.headers["location"]) == (
            308,
            f"/api/public{short}?region=32&limit=2",
        )


def test_documentation_names_every_endpoint_and_loads_nothing_from_other_hosts(api: Api) -> None:
    schema = api.get("/openapi.json").json()
    rows = schema["paths"].keys()
    assert schema["openapi"].startswith("3.1")
    assert {
        "/ingest",
        "/api/v1/ingest/{kind}",
        LIVE,
        HISTORY,
        "/api/public/market/list",
        "/api/v1/sensors/live",
    } < rows
    assert {
        "/api/v1/quarantine",
        "/api/v1/quarantine/{event_id}",
        "/health",
        "/livez",
        "/readyz",
        "/metrics",
    } < rows
    assert {"200", "304", "404", "406", "410", "422"} <= schema["paths"][LIVE]["get"]["responses"].keys()
    assert {"202", "400", "401", "403", "413", "415", "422", "503"} <= schema["paths"]["/ingest"]["post"][
        "responses"
    ].keys()
    for page in ("/docs", "/redoc"):
        assert "https://" not in api.get(page, headers={"Accept": "text/html"}).text.replace(
            "https://www.w3.org", ""
        )


def test_metrics_cover_requests_and_the_stream(api: Api) -> None:
    api.get("/livez")
    response = api.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    for family in (
        "events_total",
        "end_to_end_seconds",
        "kafka_lag",
        "quarantine_open",
        "http_request_seconds",
        "reconcile_difference",
    ):
        assert f"# TYPE lumbung_{family}" in response.text, family
    assert "lumbung_quarantine_open 10.0" in response.text
    assert 'lumbung_http_request_seconds_count{method="GET",route="/livez",status="200"}' in response.text


def test_cors_allows_configured_origins_only(api: Api, broker: Broker, tmp_path: Path) -> None:
    origin = {"Origin": "https://dashboard.example"}
    assert "access-control-allow-origin" not in api.get("/livez", headers=origin).headers
    open_to = Api(new_stack(tmp_path, broker, CORS_ORIGINS="https://dashboard.example"))
    try:
        assert (
            open_to.get("/livez", headers=origin).headers["access-control-allow-origin"]
            == "https://dashboard.example"
        )
        assert (
            "access-control-allow-origin"
            not in open_to.get("/livez", headers={"Origin": "https://evil.example"}).headers
        )
    finally:
        open_to.stop()


@pytest.mark.parametrize(
    "knobs", [{"LUMBUNG_API__HOST": "0.0.0.0"}, {"JWT_SECRET": "changeme" * 8}, {"LUMBUNG_CURSOR_KEY": "x"}]
)
def test_start_on_another_address_or_without_secrets_is_refused(
    broker: Broker, tmp_path: Path, knobs: dict[str, str]
) -> None:
    stack = new_stack(tmp_path, broker)
    command = [sys.executable, "-m", "serving_api"]
    done = subprocess.run(
        command, cwd=REPO, env=stack.env | knobs, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 5, done.stderr
    assert "LUMBUNG_API__ALLOW_REMOTE" in done.stderr or "setup" in done.stderr
    assert not any(token in done.stdout + done.stderr for token in stack.tokens.values())


def test_request_to_another_address_than_loopback_is_forbidden() -> None:
    """The application under a server that listens everywhere: callers from outside get 403."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/livez",
        "query_string": b"",
        "headers": [],
        "server": ("192.0.2.1", 8000),
        "client": ("192.0.2.9", 5),
        "root_path": "",
        "scheme": "http",
    }
    asyncio.run(create()(scope, None, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 403


def test_internal_error_is_a_problem_without_its_cause(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data file of the current version is missing; then a fault that nobody expects."""
    stack = new_stack(tmp_path, broker)
    fill(stack.lake_root)
    own = Api(stack)

    def fail(*arguments: object) -> None:
        raise RuntimeError(f"{tmp_path}/a.parquet")

    def problem_of(status: int, slug: str) -> None:
        response = own.get(f"{HISTORY}?commodity=garam", headers={"X-Request-Id": "deep"})
        assert response.status_code == status and response.headers["x-request-id"] == "deep"
        assert (
            response.json()["type"] == f"/problems/{slug}"
            and response.headers["x-content-type-options"] == "nosniff"
        )
        assert "parquet" not in response.text and str(tmp_path) not in response.text

    try:
        for file in (tmp_path / "lake" / "gold" / "price_history").rglob("*.parquet"):
            file.unlink()
        problem_of(503, "table-unreadable")
        monkeypatch.setattr(prices, "months_within", fail)
        problem_of(500, "internal")
        assert own.get("/livez").status_code == 200
    finally:
        own.stop()
