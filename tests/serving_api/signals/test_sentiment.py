"""Daily sentiment is listed by commodity, group or symbol, newest first."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.bench.api_lake import write
from tests.support.api import Api, new_stack, pages
from tests.support.served_lake import NOW

SENTIMENT = "/api/v1/sentiment"
TODAY = date(2026, 11, 20)


def day(subject: str, days_ago: int, kind: str = "commodity", **more: Any) -> dict[str, Any]:
    """A row of gold.sentiment."""
    at = TODAY - timedelta(days=days_ago)
    counts = {"posts": 3, "positive": 1, "neutral": 0, "negative": 2, "naik": 1, "turun": 0, "stabil": 0}
    return {
        "subject_kind": kind,
        "subject": subject,
        "market_date": at,
        "market_month": f"{at:%Y-%m}",
        **counts,
        "langka": 0,
        "score": -0.125,
        "pressure": 1 / 6,
        "classifier": "lexicon",
        "classifier_version": "1",
        "event_time": NOW - timedelta(days=days_ago),
        **more,
    }


ROWS = [
    day("cabai-rawit-merah", 0),
    day("cabai-rawit-merah", 1, pressure=None),
    day("cabai-merah-besar", 1),
    day("cabai-rawit-merah", 40),
    day("garam", 0),
    day("BBRI", 2, kind="symbol", pressure=None),
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    stack = new_stack(Path(tmp_path_factory.mktemp("sentiment")))
    write(stack.lake_root, "gold.sentiment", ROWS)
    running = Api(stack)
    yield running
    running.stop()


@pytest.mark.parametrize("limit", [1, 100])
def test_days_of_a_group_and_its_members_are_listed(api: Api, limit: int) -> None:
    listed = pages(api, f"{SENTIMENT}?commodity=Cabai&limit={limit}")
    assert [(item["date"], item["subject"]) for item in listed] == [
        ("2026-11-20", "cabai-rawit-merah"),
        ("2026-11-19", "cabai-merah-besar"),
        ("2026-11-19", "cabai-rawit-merah"),
    ]
    assert listed[2]["pressure"] is None


def test_a_range_reaches_older_days(api: Api) -> None:
    listed = pages(api, f"{SENTIMENT}?commodity=cabai-rawit-merah&from=2026-10-01&to=2026-11-01")
    assert [item["date"] for item in listed] == ["2026-10-11"]


def test_a_symbol_is_listed_in_any_case_with_the_classifier(api: Api) -> None:
    response = api.get(f"{SENTIMENT}?symbol=bbri").json()
    assert [item["subject"] for item in response["items"]] == ["BBRI"]
    assert response["meta"]["model"]["name"] == "lexicon"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 422),
        ("commodity=garam&symbol=BBRI", 422),
        ("commodity=unobtainium", 404),
        ("symbol=NOPE", 404),
        ("commodity=garam&cursor=forged", 422),
        ("commodity=garam&from=2026-11-02&to=2026-11-01", 422),
    ],
)
def test_wrong_queries_are_refused(api: Api, query: str, status: int) -> None:
    assert api.get(f"{SENTIMENT}?{query}").status_code == status


def test_an_empty_table_has_no_days(tmp_path: Path) -> None:
    api = Api(new_stack(tmp_path))
    response = api.get(f"{SENTIMENT}?commodity=garam").json()
    assert (response["items"], response["meta"]["model"]) == ([], None)
    api.stop()
