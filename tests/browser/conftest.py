"""A Chromium of the machine, and the API with real figures on a port of its own."""

import shutil
from collections.abc import Iterator
from datetime import timedelta

import pyarrow as pa
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from conf.settings import REPO
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.identity.roles import Role
from lakehouse.io.delta import open_table
from lakehouse.io.query import reference_tables, run_contract_sql
from scripts.bench.api_lake import write
from scripts.stack import web_page
from tests.lakehouse.trading.made_bars import COIN, random_bars
from tests.serving_api.indicator_lake import fill_prices, stored_rows
from tests.support import forecast_lake
from tests.support.api import ApiProcess, Environment, new_stack
from tests.support.gold.weekly import bps_row
from tests.support.identity.people import PASSWORD, add_person
from tests.support.retail.shop_lake import fill_shop
from tests.support.served_lake import ALERTS, NOW, QUARANTINE, market_rows
from tests.support.trading.lake_of_bars import write_bars, write_house, write_signals

WAIT_MS = 60_000
# What a person does must show at once: nothing that only the next poll brings is seen by a test.
WITHOUT_POLLS = """(() => {
  const set = window.setTimeout;
  window.setTimeout = (call, wait, ...values) => (wait > 20_000 ? 0 : set(call, wait, ...values));
})()"""
# Two micro-batches, three hours apart.
BATCHES = [
    {
        "stream_id": "s",
        "batch_id": hours,
        "kind": "price",
        "rows_in": 10,
        "silver": 7,
        "quarantine": 2,
        "duplicates": 1,
        "ingested_at": NOW - timedelta(hours=hours),
    }
    for hours in (0, 3)
]
AXE = web_page.VENV / "web-build" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Skips aloud without a browser."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip(
            "no Chromium on the PATH (Debian: apt install chromium): the pages are not tested in a browser"
        )
    if web_page.built_digest() != web_page.digest():
        pytest.skip("the web page is not built from these sources: run ./run.sh setup")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def write_weekly_index(root: str) -> None:
    """The weekly index over the indicators of the lake, with a figure of BPS about its newest Sunday."""
    indicators = open_table("gold.indicators", root=root).to_pyarrow_table()
    bps = pa.Table.from_pylist(
        [bps_row("iph-aceh", "2024-08-04", 0.41)], schema=arrow_schema(contracts()["silver.macro"])
    )
    contract = contracts()["gold.weekly_index"]
    views = {"gold_indicators": indicators, "silver_macro": bps} | reference_tables(contract.sql)
    write(root, contract.table, run_contract_sql(contract, views))


@pytest.fixture(scope="package")
def running(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """The API on a lake of thousands of prices and a forecast."""
    stack = new_stack(tmp_path_factory.mktemp("site"))
    with Environment(stack).entered():
        fill_prices(stack.lake_root, stored_rows(7))
        write_weekly_index(stack.lake_root)
        write(stack.lake_root, "gold.markets", market_rows())
        write(stack.lake_root, "gold.alerts", ALERTS)
        write(stack.lake_root, "silver.quarantine", QUARANTINE)
        write(stack.lake_root, "gold.forecasts", forecast_lake.FORECASTS)
        write(stack.lake_root, "gold.feature_importance", forecast_lake.IMPORTANCE)
        write(stack.lake_root, "gold.balance", BATCHES)
        fill_shop(stack.lake_root)
        bars = random_bars(1, 300)
        write_bars(stack.lake_root, COIN, bars)
        write_signals(stack.lake_root, COIN, bars)
        write_house(stack.lake_root, COIN, bars)
    process = ApiProcess(stack)
    yield process
    process.stop()


@pytest.fixture(scope="package")
def site(running: ApiProcess) -> str:
    """The address of the API."""
    return running.stack.api_url


@pytest.fixture
def page(chromium: Browser, site: str) -> Iterator[Page]:
    """A page without polls; an error in a script, a breach of its policy or a foreign request fails the test.

    `clock.install` of Playwright brings the polls back.
    """
    faults: list[str] = []
    context = chromium.new_context(base_url=site, viewport={"width": 1440, "height": 900})
    context.add_init_script(WITHOUT_POLLS)
    opened = context.new_page()
    opened.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    opened.on("pageerror", lambda error: faults.append(error.stack or str(error)))
    opened.on(
        "request",
        lambda request: request.url.startswith((site, "data:", "blob:")) or faults.append(request.url),
    )
    opened.on("console", lambda entry: "Content Security Policy" in entry.text and faults.append(entry.text))
    yield opened
    opened.unroute_all(behavior="ignoreErrors")  # answers that are still under way are of no interest
    context.close()
    assert not faults


@pytest.fixture(scope="package")
def operator_email(running: ApiProcess) -> str:
    """An account with the role operator, for all regions."""
    add_person(running.stack, "operator@example.id", Role.OPERATOR)
    return "operator@example.id"


def signed_in(page: Page, running: ApiProcess, email: str) -> Page:
    """The page of an account: the cookie of a sign-in is in the browser."""
    body = {"email": email, "password": PASSWORD, "cookie": True}
    headers = {"Origin": running.stack.api_url}
    assert page.context.request.post("/api/v1/auth/login", data=body, headers=headers).ok
    page.context.add_init_script("localStorage.setItem('signed-in', '1')")
    return page


@pytest.fixture
def operator(page: Page, running: ApiProcess, operator_email: str) -> Page:
    """The page of an operator."""
    return signed_in(page, running, operator_email)


@pytest.fixture(scope="package")
def axe() -> str:
    """The source of axe-core, which set-up installed with the page."""
    assert AXE.is_file(), f"{AXE.relative_to(REPO)} is missing: run ./run.sh setup"
    return AXE.read_text(encoding="utf-8")
