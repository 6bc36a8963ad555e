"""The pages of trading in a real browser: simulated, limits before the order, chance before the profit."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from lakehouse.io import personal_jobs
from ml.trading.own_job import result_of
from scripts.stack import web_page
from tests.browser.accessibility import faults_of
from tests.browser.answers import altered, api_body
from tests.support.api import ApiProcess, Environment

pytestmark = pytest.mark.xdist_group("browser")
RULE = "ma_cross(fast=5, slow=20)"
REPORT = {
    "bars": [
        {
            "time": f"2026-03-0{day}T00:00:00Z",
            "equity": 10_000 + day,
            "held": 10_000 - day,
            "drawdown_pct": 0.5,
        }
        for day in range(1, 7)
    ],
    "months": [
        {"month": "2026-02", "return_pct": -4.0, "held_pct": 1.0},
        {"month": "2026-03", "return_pct": 2.5, "held_pct": None},
    ],
    "pnl_histogram": [{"low": -50.0, "high": 0.0, "trades": 1}, {"low": 0.0, "high": 50.0, "trades": 2}],
    "holding_bars": [{"low": 1, "high": 5, "trades": 3}],
    "reasons": [{"entry": RULE, "exit": "stop", "trades": 3, "wins": 2, "net_pnl": 41.5}],
    "trades_total": 1,
    "trades": [
        {
            "opened_at": "2026-03-01T00:00:00Z",
            "closed_at": "2026-03-05T00:00:00Z",
            "bars": 4,
            "quantity": 2.0,
            "entry_price": 100.0,
            "exit_price": 121.0,
            "fees": 0.5,
            "net_pnl": 41.5,
            "return_pct": 20.75,
            "entry": RULE,
            "exit": "stop",
        }
    ],
    "unknown": [{"name": "calmar", "reason": "fewer than 90 days"}],
}
RESULT: dict[str, Any] = {
    "symbol": "COIN",
    "strategy": "ma_cross",
    "trials": 9,
    "deflated_sharpe": 0.41,
    "pbo": 0.25,
    "profit_claim": False,
    "verdict": "no profit is claimed </script><b>",
    "metrics": {
        "return_pct": 4.2,
        "benchmark": "cash",
        "benchmark_return_pct": 0,
        "max_drawdown_pct": 0.5,
        "trades": 3,
        "win_rate": None,
        "calmar": None,
    },
    "against_buy_and_hold": {"return_pct": -0.1, "max_drawdown_pct": 0.6, "equity": []},
    "report": REPORT,
}


def test_order_page_shows_four_limits_before_the_order_and_that_it_is_simulated(page: Page, axe: str) -> None:
    page.goto("/trades?simbol=COIN&lang=en")
    expect(page.get_by_role("note")).to_contain_text("SIMULATED")
    gauges = page.get_by_label("The four limits after this order").locator("div")
    expect(gauges).to_have_count(4)
    position = gauges.filter(has_text="Position after the order")
    expect(position).to_contain_text("kept")
    page.get_by_label("Size, percent of the account").fill("50")
    expect(position).to_contain_text("broken")
    page.get_by_label("Size, percent of the account").fill("16")
    expect(position).to_contain_text("21.08")  # a purchase of 5.08 % waits for its fill
    expect(position).to_contain_text("broken")
    expect(page.locator("svg.candles")).to_be_visible()
    expect(page.locator("svg.candles rect.volume")).to_have_count(90)
    expect(
        page.locator("section", has_text="Order for COIN").get_by_role("link", name="Sign in")
    ).to_be_visible()
    assert faults_of(page, axe) == []


def test_history_shows_why_an_order_was_refused_and_the_account_how_sure_its_share_won_is(page: Page) -> None:
    page.goto("/trades?simbol=COIN&lang=en")
    orders = page.locator("section", has_text="History of orders")
    expect(orders.locator("tbody tr", has_text="Executed")).not_to_have_count(0)
    refused = orders.locator("tbody tr", has_text="Rejected")
    expect(refused).to_have_count(0)  # of the house those that were filled come first
    orders.get_by_role("button", name="Rejected").click()
    expect(page).to_have_url("/trades?simbol=COIN&lang=en&keadaan=REJECTED")
    expect(refused).to_contain_text("no signal of the newest bar that the oracle verified; confidence: 0.41")
    account = page.locator("section", has_text="Had it only been held")
    for name, text in (
        ("Share won", "2 trades"),
        ("Mean profit ÷ mean loss", "1.38"),
        ("Mean result", "1.29"),
    ):
        expect(account.locator("dl.strip div", has_text=name)).to_contain_text(text)
    held = account.locator("dl.strip div", has_text="Profit or loss had it been held")
    expect(held).to_contain_text("USD")
    expect(account.locator("li", has_text="COIN since")).to_contain_text("%")
    expect(account.get_by_role("img", name="Value of the account")).to_be_visible()
    expect(account.locator("dl.strip div", has_text="Share won")).to_contain_text("9.5\u00a0% to 90.5\u00a0%")


def add_fates(page: Page, site: str) -> None:
    """The signals of the four newest bars are traded, refused by two rules, by one, and held; no others."""
    newest = api_body(site, "/api/v1/signal-outcomes?symbol=COIN")["items"][0]
    times = [bar["bar_time"] for bar in api_body(site, "/api/v1/bars?symbol=COIN&limit=4")["items"]]
    broken = [
        {"rule": "min_confidence", "limit": 0.65, "actual": 0.41},
        {"rule": "position_open", "limit": 0, "actual": 2},
    ]
    fates = (
        ("BUY", "traded", []),
        ("BUY", "refused", broken),
        ("SELL", "refused", broken[1:]),
        ("HOLD", "held", [{"rule": "margin", "limit": 0.52, "actual": 0.5}]),
    )
    rows = [
        newest
        | {"signal_id": time, "bar_time": time, "signal": signal, "fate": fate, "violations": rules}
        | {"rule": rules[0]["rule"] if rules else None}
        for time, (signal, fate, rules) in zip(times, fates, strict=True)
    ]

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        return body | {"items": rows}

    page.route("**/api/v1/signal-outcomes*", altered(answer))


def test_every_signal_has_its_fate_in_sentence_chart_and_table(page: Page, site: str, axe: str) -> None:
    add_fates(page, site)
    page.goto("/trades?simbol=COIN&lang=en")
    fates = page.locator("section", has=page.get_by_role("heading", name="What became of the signals"))
    expect(fates.locator(".lead")).to_contain_text("4 signals (COIN): 1 were traded, 2 refused, 1 held.")
    expect(fates.locator(".lead")).to_contain_text("Most were refused for: confidence (1).")
    expect(fates.locator("tbody tr").nth(1)).to_contain_text(
        "confidence: 0.41 (Limit 0.65); the symbol is held"
    )
    chart = page.locator("section", has=page.get_by_role("heading", name="Prices of COIN and its signals"))
    expect(chart.locator("path.traded")).to_have_count(1)
    expect(chart.locator("path.refused")).to_have_count(2)
    hollow = chart.locator("path.buy.refused")
    filled = "(mark) => getComputedStyle(mark).fill !== getComputedStyle(mark).stroke"
    assert hollow.evaluate(filled) and not chart.locator("path.buy.traded").evaluate(filled)
    assert "refused: confidence: 0.41" in (hollow.locator("title").text_content() or "")
    expect(chart).to_contain_text("Hold has no mark: 1")
    chart.get_by_role("application").focus()
    page.keyboard.press("ArrowUp")  # the signal before the newest bar
    expect(chart.locator("[aria-live=polite]")).to_contain_text("Buy, refused: confidence: 0.41 (Limit 0.65)")
    page.keyboard.press("ArrowUp")
    expect(chart.locator("[aria-live=polite]")).to_contain_text("Sell, refused: the symbol is held already")
    chart.get_by_role("button", name="Table").click()
    expect(chart.locator("tbody tr")).to_have_count(90)
    expect(chart.locator("tbody tr").nth(2)).to_contain_text("refused: the symbol is held already")
    assert faults_of(page, axe) == []


def test_fates_are_chosen_by_symbol_and_fate_in_the_address(page: Page, site: str) -> None:
    held = api_body(site, "/api/v1/signal-outcomes?fate=held")["items"]
    page.goto("/trades?simbol=COIN&lang=en")
    fates = page.locator("section", has=page.get_by_role("heading", name="What became of the signals"))
    fates.get_by_role("button", name="held", exact=True).click()
    fates.get_by_role("button", name="all symbols").click()
    expect(page).to_have_url("/trades?simbol=COIN&lang=en&nasib=held&lingkup=semua")
    expect(fates.locator("tbody tr")).to_have_count(len(held))
    fates.get_by_role("button", name="traded", exact=True).click()
    expect(fates.locator("tbody tr")).to_have_count(0)
    expect(fates.locator(".lead")).to_contain_text(f"{len(held)} held")


def test_accepted_order_names_its_fill_and_is_executed_without_a_reload(operator: Page, site: str) -> None:
    bar = api_body(site, "/api/v1/bars?symbol=COIN&limit=1")["items"][0]["bar_time"]
    order = {"trade_id": "t-1", "symbol": "COIN", "side": "BUY", "oracle": "VERIFIED", "confidence": 0.7}
    accepted = order | {
        "status": "ACCEPTED",
        "quantity": 10,
        "price": None,
        "pnl": None,
        "validation": {"result": "VALID", "violations": []},
        "event_id": "t-1",
        "decided_at": bar.replace("T00:00:00", "T23:59:59"),  # its bar closes a second later
        "executed_at": None,
    }
    operator.clock.install()
    operator.route("**/api/trades/execute", lambda route: route.fulfill(status=201, json=accepted))
    operator.goto("/trades?simbol=COIN&lang=en")
    operator.get_by_role("button", name="Send a simulated order").click()
    answer = operator.locator("form [role=status]")
    expect(answer).to_contain_text("Accepted; fills at the next bar's open")
    expect(answer).to_contain_text("It fills at the open of the bar of 26 Oct 2024.")
    filled = order | accepted | {"status": "EXECUTED", "price": 50.5, "exit_price": None, "exited_at": None}
    filled |= {"violations": [], "block_hash": None, "executed_at": bar}

    def fill(body: dict[str, Any]) -> dict[str, Any]:
        return body | {"items": [filled]}

    operator.route("**/api/trades/history*", altered(fill))
    operator.clock.run_for(10_000)
    expect(answer).to_contain_text("Executed: 10 at 50.5")


def test_refused_order_lists_every_rule_with_its_remedy(operator: Page) -> None:
    violations = [
        {"rule": "min_confidence", "limit": 0.65, "actual": 0.41},
        {"rule": "cash", "limit": 100, "actual": 120},
    ]
    refused = {
        "trade_id": "t-2",
        "symbol": "COIN",
        "side": "BUY",
        "status": "REJECTED",
        "oracle": "FAILED",
        "validation": {"result": "INVALID", "violations": violations},
        "decided_at": "2026-11-27T00:00:00Z",
    }
    operator.route("**/api/trades/execute", lambda route: route.fulfill(status=201, json=refused))
    operator.goto("/trades?simbol=COIN&lang=en")
    operator.get_by_role("button", name="Send a simulated order").click()
    rules = operator.locator("form [role=status] li")
    expect(rules).to_have_count(3)
    for rule, remedy in enumerate(("signal of the next bar", "more confident signal", "order smaller")):
        expect(rules.nth(rule)).to_contain_text(remedy)


def test_locks_after_losses_count_down_and_end_by_themselves(page: Page) -> None:
    page.clock.install(time=datetime(2026, 11, 27, 7, tzinfo=UTC))
    lock = {"rule": "symbol_locked", "limit": 5, "actual": 1, "until": "2026-11-27T07:05:00Z"}
    losses = {"key": "2026-11-27", "trades": 4, "wins": 1, "net_pnl": -9, "average_pnl": -3, "fees": 1}

    def locked(body: dict[str, Any]) -> dict[str, Any]:
        return body | {"locks": [lock | {"symbol": "COIN"}, lock | {"symbol": "OTHER"}]}

    def lost(body: dict[str, Any]) -> dict[str, Any]:
        return body | {"items": [losses]}

    page.route("**/api/dashboard", altered(locked))
    page.route("**/api/v1/performance?by=day", altered(lost))
    page.goto("/trades?simbol=COIN&lang=en")
    order = page.locator("section", has=page.get_by_role("heading", name="Order for COIN"))
    expect(order.get_by_label("Protections after losses")).to_contain_text("3, at most 5: kept")
    expect(order.locator(".lock")).to_have_count(1)
    expect(order.locator(".lock")).to_contain_text("cannot be bought until 27 Nov 2026, 14:05 WIB, 4:5")
    page.clock.run_for(60_000)
    expect(order.locator(".lock")).to_contain_text("WIB, 3:5")
    page.clock.run_for(240_000)
    expect(order.locator(".lock")).to_have_count(0)


def test_results_are_listed_by_what_the_address_names(page: Page, site: str) -> None:
    page.goto("/trades?simbol=COIN&lang=en")
    results = page.locator("section", has=page.get_by_role("heading", name="Results by"))
    expect(results.locator("tbody tr")).to_contain_text("COIN")
    results.get_by_role("button", name="Reason of exit").click()
    expect(page).to_have_url("/trades?simbol=COIN&lang=en&menurut=exit")
    items = api_body(site, "/api/v1/performance?by=exit")["items"]
    expect(results.locator("tbody tr")).to_have_count(len(items))
    expect(results.locator("tbody tr").first).to_contain_text(str(items[0]["trades"]))


def test_simulation_is_named_while_scrolling_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    page.goto("/trades?simbol=COIN")
    expect(page.locator("svg.candles")).to_be_visible()
    page.locator("footer").scroll_into_view_if_needed()
    note = page.get_by_role("note")
    expect(note).to_be_in_viewport()
    assert (note.bounding_box() or {"y": 9e9})["y"] == 0


def test_home_has_a_strip_that_leads_to_trading(page: Page) -> None:
    page.goto("/?lang=en")
    strip = page.locator("section", has=page.locator("#trading"))
    expect(strip).to_contain_text("SIMULATED")
    strip.get_by_role("link", name="COIN").click()
    expect(page).to_have_url("/trades?lang=en&simbol=COIN")


def test_analytics_shows_signals_and_a_backtest_is_ordered_at_once(
    operator: Page, running: ApiProcess, axe: str
) -> None:
    operator.goto("/analytics?simbol=COIN&lang=en")
    expect(operator.locator("section", has_text="Oracle").first).to_contain_text("pass all four checks")
    expect(operator.get_by_role("note")).to_contain_text("SIMULATED")
    operator.get_by_role("button", name="Test on COIN").click()
    row = operator.locator("section", has_text="Test one's own strategy").locator("tbody tr")
    expect(row).to_contain_text("Moving averages cross")
    expect(operator.get_by_text("Waiting for its turn")).to_be_visible()
    with Environment(running.stack).entered():
        job = personal_jobs.take()
        assert job is not None
        personal_jobs.fail(job.job_id, "60 bars are needed")
    operator.reload()  # the test is in the address
    assert operator.url.endswith(f"uji={job.job_id}")
    expect(operator.get_by_text("60 bars are needed")).to_be_visible()
    assert faults_of(operator, axe) == []


def test_backtest_of_several_strategies_is_reported_at_its_address(
    operator: Page, running: ApiProcess, axe: str
) -> None:
    operator.goto("/analytics?simbol=COIN&lang=en")
    form = operator.locator("form", has=operator.get_by_role("button", name="Test on COIN"))
    expect(form.get_by_label("Fast average, bars")).to_have_value("5; 10; 20")
    form.get_by_label("Momentum").check()
    expect(form).to_contain_text("Several strategies are tried with their defaults.")
    form.get_by_label("Length of a bar").select_option("1 day")
    form.get_by_role("button", name="Test on COIN").click()
    expect(operator.get_by_text("Waiting for its turn")).to_be_visible()
    with Environment(running.stack).entered():
        job = personal_jobs.take()
        assert job is not None and job.request["strategy"] == "ma_cross,momentum"
        result = result_of(job)
        personal_jobs.succeed(job.job_id, result, None)
    report = operator.locator("section", has=operator.locator(".report"))  # without a reload
    expect(report.get_by_role("heading").first).to_contain_text("Moving averages cross, Momentum")
    names = report.locator("dt").all_inner_texts()
    assert names.index("Chance of overfitting (PBO)") < names.index("Return")
    trades = report.get_by_role("group", name="Trades of this test").locator("tbody tr")
    expect(trades).to_have_count(len(result["report"]["trades"]))
    expect(report.locator("li", has_text="Dividends")).to_contain_text("no dividend is paid out")
    assert faults_of(operator, axe) == []
    with operator.expect_download() as download:
        report.get_by_role("button", name="Save the report as a file").click()
    saved = download.value.path().read_text(encoding="utf-8")
    operator.route("**/saved.html", lambda route: route.fulfill(body=saved, content_type="text/html"))
    operator.goto("/saved.html")
    expect(operator.locator(".file .report")).to_contain_text("no dividend is paid out")
    operator.goto(f"/analytics?uji={job.job_id}")
    operator.emulate_media(media="print")
    expect(operator.locator(".report")).to_be_visible()
    expect(operator.locator(".grid > .card:visible")).to_have_count(1)


def test_report_is_a_file_by_itself_with_chance_before_profit(page: Page, axe: str) -> None:
    script, style = (
        (web_page.BUILT / name).read_text(encoding="utf-8") for name in ("report.js", "report.css")
    )
    given = json.dumps([RESULT]).replace("<", "\\u003c")
    data = f'<script type="application/json" id="report">{given}</script>'
    html = f'<!doctype html><html lang="en"><style>{style}</style><body>{data}<script>{script}</script>'
    page.route("**/report.html*", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto("/report.html")
    expect(page.get_by_role("note")).to_contain_text("SIMULATED")
    report = page.locator(".report")
    expect(report).to_contain_text("no profit is claimed </script><b>")
    names = report.locator("dt").all_inner_texts()
    assert names.index("Chance that it is skill (DSR)") < names.index("Return")
    expect(report.locator("dl div", has_text="Return of the benchmark: cash")).to_contain_text("0.0\u00a0%")
    expect(report.locator("svg.curve .before")).to_have_count(1)
    year = report.locator("tr", has_text="2026").first
    expect(year).to_contain_text("−4.0\u00a0%")
    expect(year).to_contain_text("−1.6\u00a0%")
    expect(report.locator("tr", has_text="stop").first).to_contain_text("41.5")
    expect(report).to_contain_text("fewer than 90 days")
    assert faults_of(page, axe) == []
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert "2026-03-05T00:00:00Z,4,2,100,121,0.5,41.5,20.75" in download.value.path().read_text(
        encoding="utf-8"
    )
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.get_by_role("button", name="Download CSV")).to_be_hidden()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(245, 243, 238)"  # light on paper
