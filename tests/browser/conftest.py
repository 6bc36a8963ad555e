"""A Chromium of the machine, and the API with real figures on a port of its own."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from conf.settings import REPO
from scripts.bench.api_lake import write
from scripts.stack import web_page
from tests.serving_api.indicator_lake import fill_prices, stored_rows
from tests.support import forecast_lake
from tests.support.api import ApiProcess, Environment, new_stack

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


@pytest.fixture(scope="package")
def site(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the API on a lake of thousands of prices and a forecast."""
    stack = new_stack(tmp_path_factory.mktemp("site"))
    with Environment(stack).entered():
        fill_prices(stack.lake_root, stored_rows(7))
        write(stack.lake_root, "gold.forecasts", forecast_lake.FORECASTS)
    running = ApiProcess(stack)
    yield stack.api_url
    running.stop()


@pytest.fixture(scope="package")
def axe() -> str:
    """The source of axe-core, which set-up installed with the page."""
    assert AXE.is_file(), f"{AXE.relative_to(REPO)} is missing: run ./run.sh setup"
    return AXE.read_text(encoding="utf-8")
