"""`alerts`, `devices` and `prices` with a running API."""

import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from scripts.bench.api_lake import write
from scripts.stack.throwaway import Stack
from tests.conftest import Broker
from tests.support.api import ApiProcess, new_stack
from tests.support.forecast_lake import COMMODITY, issue
from tests.support.query_lake import run_verb
from tests.support.served_lake import ALERTS, NOW

DAYS = 20
PRICES = [
    {
        "commodity": COMMODITY,
        "level": "province",
        "channel": "retail",
        "region_code": "32",
        "region": "Jawa Barat",
        "provider": "panel-harga",
        "market_date": (NOW - timedelta(days=back)).date(),
        "median_price_idr": 40_000.0 + 100 * back,
        "national_price_idr": 50_000.0,
    }
    for back in range(1, DAYS + 1)
]


@pytest.fixture(scope="module")
def desk(broker: Broker, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    stack = new_stack(tmp_path_factory.mktemp("desk"), broker)
    write(stack.lake_root, "gold.alerts", ALERTS)
    write(stack.lake_root, "gold.indicators", PRICES)
    write(stack.lake_root, "gold.forecasts", issue("ets", champion=True))
    running = ApiProcess(stack)
    yield stack
    assert running.stop() in (0, -signal.SIGTERM)


def run(stack: Stack, *words: str) -> tuple[int, Any, str]:
    """(exit code, JSON on stdout or its text, stderr)."""
    done = run_verb(stack.env, *words)
    is_json = "--json" in words and done.returncode == 0
    return done.returncode, orjson.loads(done.stdout) if is_json else done.stdout, done.stderr


def test_open_alerts_are_listed_and_an_active_one_is_acknowledged_once(desk: Stack) -> None:
    code, alerts, _ = run(desk, "alerts", "list", "--json")
    assert code == 0 and [alert["alert_id"] for alert in alerts] == [
        "al-silent",
        "al-pending",
        "al-rise",
        "al-shallot",
    ]
    code, text, messages = run(desk, "alerts", "list", "--level", "siaga", "--limit", "1")
    assert code == 0 and "al-rise" in text and "2 days ago" in text and "check the stock" in text
    assert "al-shallot" not in text and "--limit shows more" in messages
    code, receipt, _ = run(desk, "alerts", "acknowledge", "al-rise", "--note", "called", "--json")
    assert code == 0 and receipt["alert_id"] == "al-rise"
    code, _, messages = run(desk, "alerts", "acknowledge", "al-pending")
    assert code == 1 and "al-pending" in messages


def test_device_is_registered_revoked_and_approved_again(desk: Stack) -> None:
    code, claim, messages = run(desk, "devices", "register", "PASAR-001", "DEV-9")
    assert code == 0 and len(claim.split()) == 1 and "'DEV-9' claims its secret" in messages
    code, device, _ = run(desk, "devices", "revoke", "DEV-9", "--reason", "lost", "--json")
    assert code == 0 and device["status"] == "revoked"
    code, text, _ = run(desk, "devices", "list", "--status", "revoked")
    assert code == 0 and "DEV-9" in text and "PASAR-001" in text
    assert run(desk, "devices", "approve", "DEV-9", "--json")[1]["status"] == "approved"
    code, other, _ = run(desk, "devices", "rotate", "DEV-9")
    assert code == 0 and other != claim
    assert run(desk, "devices", "list", "--status", "revoked", "--json")[1] == []
    code, _, messages = run(desk, "devices", "revoke", "DEV-404")
    assert code == 1 and "DEV-404" in messages


def test_prices_are_drawn_with_the_forecast_and_its_interval(desk: Stack) -> None:
    code, series, _ = run(desk, "prices", "cabai", "jawa barat", "--days", "10", "--json")
    assert code == 0 and (series["commodity"], series["region"]) == (COMMODITY, "Jawa Barat")
    known = {row["market_date"].isoformat(): row["median_price_idr"] for row in PRICES}
    assert {row["date"]: row["price_idr"] for row in series["prices"]} == dict(list(known.items())[:10])
    assert [row["upper_idr"] for row in series["forecast"]] == pytest.approx([44_000.0] * 7)
    code, chart, _ = run(desk, "prices", "cabai", "jawa barat")
    assert code == 0 and "Rp 40,100/kg" in chart and "44,000, 80%), ets" in chart
    assert "\x1b" not in chart, "colours are for a terminal"
    assert max(map(len, chart.splitlines())) <= 100 and len(chart.splitlines()) < 24


def test_prices_without_a_forecast_or_of_unknown_names(desk: Stack) -> None:
    code, chart, messages = run(desk, "prices", "cabai")
    assert code == 0 and "Indonesia: Rp 50,000" in chart and "no forecast: " in messages
    assert run(desk, "prices", "cabai", "Atlantis")[0] == 2
    assert run(desk, "prices", "unobtainium")[0] == 1
    code, _, messages = run(desk, "prices", "cabai", "Bali")
    assert code == 1 and "no price of" in messages


def test_verbs_name_the_remedy_while_the_api_is_down(broker: Broker, tmp_path: Path) -> None:
    stack = new_stack(tmp_path, broker)
    for words in (("alerts", "list"), ("devices", "list"), ("prices", "cabai")):
        code, _, messages = run(stack, *words)
        assert code == 4 and "./run.sh up" in messages
