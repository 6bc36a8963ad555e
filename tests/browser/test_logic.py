"""Logic of the pages that needs no page, tested by Deno."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from conf.settings import REPO
from lakehouse.trading.limits import AccountState, Limits, OpenOrder, ProposedOrder, violations
from lakehouse.trading.market_terms import CRYPTO
from scripts.stack import web_page

# What the formats of figures need of the installed packages: signals, whose core runs without a page.
CORE = "web-build/node_modules/.deno/node_modules/@preact/signals-core/dist/signals-core.mjs"
SIGNALS = web_page.VENV / CORE
LOGIC = REPO / "tests" / "browser" / "logic"
ORDERS: list[dict[str, Any]] = json.loads((LOGIC / "gauge_cases.json").read_text(encoding="utf-8"))
FOUR_LIMITS = vars(Limits()).keys()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_logic_of_the_pages_holds(tmp_path: Path) -> None:
    if not SIGNALS.is_file():
        pytest.skip("the web page is not built: run ./run.sh setup")
    imports = tmp_path / "imports.json"
    imports.write_text(json.dumps({"imports": {"@preact/signals": SIGNALS.as_uri()}}), encoding="utf-8")
    options = (
        "--no-lock",
        "--no-check",
        "--quiet",
        "--location=http://localhost/",
        "--import-map",
        str(imports),
    )
    web_page.deno("test", *options, ".", folder=LOGIC)


@pytest.mark.parametrize("given", ORDERS, ids=lambda given: given["name"])
def test_contract_breaks_where_the_gauges_of_an_order_do(given: dict[str, Any]) -> None:
    amounts = {name: Decimal(str(value)) for name, value in given.items() if isinstance(value, int | float)}
    waiting = [OpenOrder("COIN", side.upper(), amounts[f"waiting_{side}"]) for side in ("buy", "sell")]
    state = AccountState(
        at=NOW,
        day_ends=NOW,
        cash=amounts["cash"],
        day_open_equity=amounts["day_open"],
        accepted_today=given["accepted_today"],
        positions={"COIN": amounts["held"]},
        prices={"COIN": Decimal(1)},
        waiting=waiting,
    )
    quantity = state.equity * amounts["pct"] / 100
    order = ProposedOrder("COIN", given["side"], quantity, Decimal(1), amounts[given["side"].lower()])
    broken = [each.rule for each in violations(order, state, Limits(), CRYPTO)]
    assert [rule for rule in broken if rule in FOUR_LIMITS] == given["broken"]
