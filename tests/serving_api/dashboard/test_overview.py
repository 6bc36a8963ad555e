"""The level of a commodity follows from rise, ceiling and alerts; violations are counted by commodity."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from lakehouse.contracts.contract import kinds
from lakehouse.reference import commodity_aliases, matching_key
from scripts.bench.api_lake import write
from serving_api.reads.dashboard.daily_figures import close_of
from serving_api.reads.dashboard.overview import gravity, with_level
from tests.serving_api.indicator_lake import LAST, fill_prices, stored_rows
from tests.support.api import Api, Environment, new_stack
from tests.support.served_lake import ALERTS, QUARANTINE

CHILLI = "cabai-rawit-merah"
# Alerts with the times of their lives: two ring now, one rang in July, one is not certain yet.
RANG = [
    {**alert, "active_at": None if alert["state"] == "pending" else alert["opened_at"]} for alert in ALERTS
] + [
    {
        **ALERTS[0],
        "alert_id": "al-july",
        "state": "cleared",
        "level": "kritis",
        "active_at": datetime(2024, 6, 28, tzinfo=UTC),
        "closed_at": datetime(2024, 7, 20, tzinfo=UTC),
    }
]
SUMMARY = "/api/v1/data-quality/summary"


@pytest.fixture(scope="module")
def rings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, list[dict[str, Any]]]]:
    stack = new_stack(tmp_path_factory.mktemp("rings"))
    with Environment(stack).entered():
        prices = stored_rows(7)
        prices[0]["_warnings"] = ["near_outlier"]
        fill_prices(stack.lake_root, prices)
        write(stack.lake_root, "silver.quarantine", QUARANTINE)
        write(stack.lake_root, "gold.alerts", RANG)
    running = Api(stack)
    yield running, prices
    running.stop()


@pytest.mark.parametrize("query", ["", f"?market_date={LAST}", "?market_date=2024-07-01"])
def test_level_is_never_below_an_alert_that_rings(
    rings: tuple[Api, list[dict[str, Any]]], query: str
) -> None:
    day = date.fromisoformat(query.partition("=")[2]) if query else None
    ringing: Counter[str] = Counter()
    for alert in RANG:
        if alert["commodity"] is None or alert["active_at"] is None:
            continue
        closed = alert.get("closed_at")
        if day is None:
            rang = alert["state"] in ("active", "acknowledged")
        else:
            rang = alert["active_at"] < close_of(day) and (closed is None or closed >= close_of(day))
        ringing[alert["commodity"]] += rang
    items = {item["commodity"]: item for item in rings[0].get(f"/api/v1/overview{query}").json()["items"]}
    assert items and (ringing[CHILLI] > 0) == (day != LAST)
    for commodity, item in items.items():
        assert item["open_alerts"] == ringing[commodity], commodity
        assert gravity(item["level"]) >= gravity(item["rise_level"])
        if item["level_reason"] == "alerts":
            assert item["open_alerts"] and item["level"] in [alert["level"] for alert in RANG]


@pytest.mark.parametrize(
    ("rise", "gap", "alerts", "level", "reason"),
    [
        ("normal", None, [], "normal", None),
        (None, None, [], None, None),
        (None, 25.0, [], "kritis", "ceiling"),
        ("siaga", 6.0, ["waspada"], "siaga", "rise"),
        ("siaga", -40.0, ["naik", "kritis"], "kritis", "alerts"),
        ("naik", 9.0, ["waspada"], "waspada", "alerts"),
        ("normal", 0.0, ["info"], "info", None),
    ],
)
def test_level_is_the_worst_of_rise_ceiling_and_alerts(
    rise: str | None, gap: float | None, alerts: list[str], level: str | None, reason: str | None
) -> None:
    item = with_level({"commodity": CHILLI, "gap_pct": gap, "rise_level": rise}, alerts)
    assert (item["level"], item["level_reason"], item["open_alerts"]) == (level, reason, len(alerts))


def test_violations_of_a_commodity_equal_those_of_its_rows(
    rings: tuple[Api, list[dict[str, Any]]],
) -> None:
    api, prices = rings
    commodity = prices[0]["commodity"]
    held = [
        row
        for row in QUARANTINE
        if row["kind"] == "price"
        and commodity_aliases().get(matching_key(row["commodity"] or "")) == commodity
    ]
    expected = Counter(reason["rule"] for row in held for reason in row["reasons"])
    expected["near_outlier"] += 1
    since = max(row["ingested_at"] for row in prices).timestamp() - 30 * 86_400
    accepted = sum(
        row["commodity"] == commodity and row["ingested_at"].timestamp() >= since for row in prices
    )
    if prices[0]["ingested_at"].timestamp() < since:
        expected["near_outlier"] -= 1
    body = api.get(f"{SUMMARY}?commodity={commodity}").json()
    assert (body["events"], body["quarantined"]) == (accepted + len(held), len(held))
    counted = {row["rule"]: row["violated"] for row in body["items"]}
    assert +Counter(counted) == +expected
    assert counted.keys() == {rule.name for rule in kinds()["price"].rules}


def test_each_rule_has_its_sentence_in_both_languages_without_values(
    rings: tuple[Api, list[dict[str, Any]]],
) -> None:
    texts = {}
    for language in ("id", "en"):
        response = rings[0].get(SUMMARY, headers={"Accept-Language": language})
        texts[language] = {row["rule"]: row["sentence"] for row in response.json()["items"]}
        assert all(sentence and "{" not in sentence for sentence in texts[language].values())
    assert all(texts["id"][rule] != sentence for rule, sentence in texts["en"].items())
    refused = rings[0].get(f"{SUMMARY}?kind=sensor&commodity=cabai")
    assert refused.status_code == 422 and "prices" in refused.json()["detail"]
