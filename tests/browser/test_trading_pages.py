"""The pages of trading in a real browser: simulated, limits before the order, chance before the profit."""

import pytest
from playwright.sync_api import Page, expect

from lakehouse.io import personal_jobs
from tests.browser.accessibility import faults_of
from tests.support.api import ApiProcess, Environment

pytestmark = pytest.mark.xdist_group("browser")


def test_order_page_shows_four_limits_before_the_order_and_that_it_is_simulated(page: Page, axe: str) -> None:
    page.goto("/trades?simbol=COIN&lang=en")
    expect(page.get_by_role("note")).to_contain_text("SIMULATED")
    gauges = page.locator("dl.bars div")
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
    refused = page.locator("section", has_text="History of orders").locator("tr", has_text="Rejected")
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
    expect(row).to_contain_text("ma_cross")
    with Environment(running.stack).entered():
        job = personal_jobs.take()
        assert job is not None
        personal_jobs.fail(job.job_id, "60 bars are needed")
    row.get_by_role("button").click()
    expect(operator.get_by_text("60 bars are needed")).to_be_visible()
    assert faults_of(operator, axe) == []
