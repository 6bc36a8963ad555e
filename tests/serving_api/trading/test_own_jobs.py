"""Backtests and experiments over HTTP: ordered within a limit, refused with a reason, seen by their owner."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from lakehouse.io import backtest_page, personal_jobs
from lakehouse.trading.evaluation import figures, run_test
from lakehouse.trading.strategies import variants
from serving_api.reads.trading.own_jobs import MOST_OPEN
from tests.lakehouse.trading.made_bars import COIN, random_bars
from tests.support.api import Api, new_stack
from tests.support.identity.people import PASSWORD, add_person, send, sign_in
from tests.support.trading.lake_of_bars import write_bars

BACKTESTS = "/api/v1/backtests"
LAB = "/api/v1/lab/experiments"
BACKTEST = {"symbol": "COIN", "strategy": "ma_cross", "parameters": {"fast": [5, 10], "slow": 20}}
EXPERIMENT = {
    "name": "first look",
    "symbol": "COIN",
    "model": "ridge",
    "features": ["ma5", "rsi"],
    "train_from": "2024-01-01",
    "train_to": "2024-06-30",
}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    stack = new_stack(tmp_path_factory.mktemp("own-jobs"))
    write_bars(stack.lake_root, COIN, random_bars(1, 3))
    running = Api(stack)
    yield running
    running.stop()


@pytest.fixture
def token(own: Api, request: pytest.FixtureRequest) -> str:
    email = f"{crc32(request.node.name.encode())}@example.id"
    add_person(own.stack, email)
    return str(sign_in(own, email)["access_token"])


@pytest.mark.parametrize(("path", "order"), [(BACKTESTS, BACKTEST), (LAB, EXPERIMENT)])
def test_order_is_queued_listed_and_read_by_its_owner_alone(
    own: Api, token: str, path: str, order: dict[str, Any]
):
    ordered = send(own, "POST", path, order, token)
    assert ordered.status_code == 202, ordered.text
    item = ordered.json()
    assert item["status"] == "queued" and item["symbol"] == "COIN" and item["metrics"] is None
    assert ordered.headers["location"] == f"{path}/{item['id']}"
    assert send(own, "GET", f"{path}/{item['id']}", token=token).json() == item
    assert [each["id"] for each in send(own, "GET", path, token=token).json()["items"]] == [item["id"]]
    other = own.stack.tokens["user"]
    assert send(own, "GET", f"{path}/{item['id']}", token=other).status_code == 404
    assert send(own, "GET", path, token=other).json()["items"] == []
    assert send(own, "GET", path).status_code == 401


def test_person_has_three_open_jobs_of_a_kind_at_most(own: Api, token: str):
    answers = [send(own, "POST", BACKTESTS, BACKTEST, token) for _ in range(MOST_OPEN + 1)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert send(own, "POST", LAB, EXPERIMENT, token).status_code == 202


@pytest.mark.parametrize(
    ("path", "change", "pointer", "code"),
    [
        (BACKTESTS, {"symbol": "NOSUCH"}, "/symbol", "unknown_symbol"),
        (BACKTESTS, {"strategy": "astrology"}, "/strategy", "unknown_strategy"),
        (BACKTESTS, {"parameters": {"fast": 0, "slow": 20}}, "/parameters/fast", "parameter_range"),
        (BACKTESTS, {"strategy": "all"}, "/parameters", "unknown_parameter"),
        (BACKTESTS, {"strategy": "momentum,ma_cross"}, "/parameters", "unknown_parameter"),
        (BACKTESTS, {"parameters": {"stop_pct": 51}}, "/parameters/stop_pct", "parameter_range"),
        (BACKTESTS, {"from": "2024-02-01", "to": "2024-01-01"}, "/from", "range_order"),
        (LAB, {"features": ["ma5", "horoscope"]}, "/features/1", "unknown_feature"),
        (LAB, {"train_from": "2024-12-31"}, "/train_from", "range_order"),
    ],
)
def test_unusable_order_is_refused_at_its_place(
    own: Api, token: str, path: str, change: dict[str, Any], pointer: str, code: str
):
    order = {BACKTESTS: BACKTEST, LAB: EXPERIMENT}[path] | change
    response = send(own, "POST", path, order, token)
    assert response.status_code == 422, response.text
    assert [(fault["pointer"], fault["code"]) for fault in response.json()["errors"]] == [(pointer, code)]


@pytest.fixture
def tested(own: Api, token: str) -> str:
    """Address of a backtest that has ended."""
    item = send(own, "POST", BACKTESTS, BACKTEST, token).json()
    test = run_test(COIN, random_bars(5, 600), variants("momentum", {"window": [2, 5], "stop_pct": 3}))
    with own._environment.entered():
        personal_jobs.succeed(item["id"], figures(COIN, test, "cash", {}), None)
    return f"{BACKTESTS}/{item['id']}"


def test_report_and_trades_are_read_by_their_owner_alone(own: Api, token: str, tested: str):
    item = send(own, "GET", tested, token=token).json()
    report = item["report"]
    assert report["bars"] and report["reasons"] and report["unknown"][0]["name"] == "order_book"
    listed = send(own, "GET", BACKTESTS, token=token).json()["items"][0]
    assert listed["report"] is None and listed["metrics"] == item["metrics"]
    read: list[dict[str, Any]] = []
    address = f"{tested}/trades?limit=20"
    while address:
        page = send(own, "GET", address, token=token).json()
        read += page["items"]
        cursor = page["next_cursor"]
        address = cursor and f"{tested}/trades?limit=20&cursor={cursor}"
    assert read == report["trades"] and len(read) == report["trades_total"] > 20
    csv = send(own, "GET", f"{tested}/trades?format=csv&limit=1000", token=token)
    lines = csv.text.splitlines()
    assert lines[0].endswith("net_pnl,return_pct,entry,exit") and len(lines) == len(read) + 1
    other = own.stack.tokens["user"]
    for path in (tested, f"{tested}/trades", f"{tested}/report.html"):
        assert send(own, "GET", path, token=other).status_code == 404
        assert send(own, "GET", path).status_code == 401


def test_report_is_downloaded_as_one_file_once_the_test_has_ended(
    own: Api, token: str, tested: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backtest_page, "BUILT", tmp_path)
    missing = send(own, "GET", f"{tested}/report.html", token=token)
    assert missing.status_code == 503 and "./run.sh setup" in missing.json()["detail"]
    for name in ("report.js", "report.css"):
        (tmp_path / name).touch()
    answer = send(own, "GET", f"{tested}/report.html", token=token)
    assert answer.headers["content-disposition"].startswith("attachment")
    (result,) = json.loads(answer.text.partition('id="report">')[2].partition("</script>")[0])
    assert result["symbol"] == "COIN" and result["report"]["trades"] and "owner" not in result
    queued = send(own, "POST", BACKTESTS, BACKTEST, token).json()["id"]
    assert send(own, "GET", f"{BACKTESTS}/{queued}/report.html", token=token).status_code == 404
    assert send(own, "GET", f"{BACKTESTS}/{queued}/trades", token=token).json()["items"] == []


def test_jobs_are_exported_and_deleted_with_their_account(own: Api, token: str):
    item = send(own, "POST", BACKTESTS, BACKTEST, token).json()
    exported = send(own, "GET", "/api/v1/users/me/export", token=token).json()
    assert [job["request"]["strategy"] for job in exported["jobs"]] == ["ma_cross"]
    assert send(own, "DELETE", "/api/v1/users/me", {"password": PASSWORD}, token).status_code == 204
    with own._environment.entered():
        assert personal_jobs.job(item["id"]) is None
