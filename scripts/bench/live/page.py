"""The web page in a Chromium: its size, first picture, live figures, a lost connection, and what it costs."""

import os
import shutil
import threading
import time
from contextlib import suppress
from datetime import date, timedelta

import numpy as np
import orjson
import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from lakehouse.reference import provinces
from scripts.bench.api_lake import Columns, PriceCommits, write, write_live
from scripts.bench.api_load import api_only
from scripts.bench.harness import Usage, percentiles, temporary_stack
from scripts.stack.patience import process_tree
from scripts.stack.web_page import BUILT

MEANS = (
    "milliseconds unless named otherwise; first_paint and chart: the faster of the rounds, nothing cached; "
    "figure: from the begin of the commit that changes gold.live_prices to the figure on the page; banner, "
    "live_again: after the network is cut and restored; cpu: of all processes of the browser"
)
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
COMMODITY = "cabai-rawit-merah"
PATH = f"/komoditas?komoditas={COMMODITY}&lang=en"
DAYS = 365
ROUNDS = 3
FIGURES = 20
UPDATES_PER_SECOND = 200
COMMITS_PER_SECOND = 10
WAIT_MS = 60_000
# Runs in the page: the time, ms since 1970, at which its text has or lacks a part.
WHEN = """([text, present]) => new Promise((done) => {
  const look = () => {
    if (document.body.textContent.includes(text) === present) done(Date.now());
    else setTimeout(look, 10);
  };
  look();
})"""
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def write_year(root: str) -> None:
    """A year of gold.indicators of one commodity in every province."""
    draw = np.random.default_rng(1)
    rows: list[Columns] = []
    for region in provinces().values():
        prices = 40_000 * np.exp(np.cumsum(draw.normal(0, 0.01, DAYS)))
        for back, price in enumerate(prices):
            day = date.today() - timedelta(days=back)
            rows.append(
                {
                    "commodity": COMMODITY,
                    "region_code": region.code,
                    "region": region.name,
                    "channel": "retail",
                    "level": "province",
                    "market_date": day,
                    "market_month": f"{day:%Y-%m}",
                    "median_price_idr": float(price),
                    "national_price_idr": 40_000.0,
                    "unit": "kg",
                    "markets": 1,
                }
            )
    write(root, "gold.indicators", rows)


def measure(seconds: float = 60) -> dict[str, object]:
    """Sizes and times; without a Chromium, the reason alone."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        return {"not_measured": f"no Chromium on the PATH ({', '.join(PROGRAMS)})"}
    with temporary_stack() as stack:
        write_live(stack.lake_root)
        write_year(stack.lake_root)
        manifest = orjson.loads((BUILT / "manifest.json").read_bytes())
        sizes = {name: manifest[name] for name in ("first_load_gzip_bytes", "font_bytes")}
        with api_only(stack) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            prices = PriceCommits(stack.lake_root, COMMODITY)
            return {
                **sizes,
                **first_picture(browser, url),
                **live_figures(browser, url, prices),
                **costs(browser, url, prices, seconds),
            }


def opened(browser: Browser, url: str) -> Page:
    """The page of a commodity in a new profile, once its chart is drawn."""
    page = browser.new_page(base_url=url)
    page.set_default_timeout(WAIT_MS)
    page.goto(PATH, wait_until="commit")
    page.locator(".canvas canvas").wait_for()
    return page


def first_picture(browser: Browser, url: str) -> dict[str, object]:
    """First paint and chart, since the begin of the navigation."""
    paints, charts = [], []
    for _ in range(ROUNDS):
        page = opened(browser, url)
        charts.append(page.evaluate("performance.now()"))
        paints.append(page.evaluate(PAINT))
        page.close()
    return {"first_paint_ms": round(min(paints)), "chart_ms": round(min(charts))}


def live_figures(browser: Browser, url: str, prices: PriceCommits) -> dict[str, object]:
    """From commit to figure, and from a cut network to the banner and back."""
    page = opened(browser, url)
    page.locator('main [data-link="live"]').wait_for()
    delays = []
    for _ in range(FIGURES):
        began = time.time()
        shown = prices.commit(1)
        delays.append(page.evaluate(WHEN, [shown, True]) - 1000 * began)
    cut = time.time()
    page.context.set_offline(True)
    banner = page.evaluate(WHEN, ["connection to the server is lost", True]) - 1000 * cut
    restored = time.time()
    page.context.set_offline(False)
    again = page.evaluate(WHEN, ["connection to the server is lost", False]) - 1000 * restored
    page.close()
    return {
        "figure_ms": percentiles(delays),
        "banner_ms": round(banner),
        "live_again_ms": round(again),
    }


def costs(browser: Browser, url: str, prices: PriceCommits, seconds: float) -> dict[str, object]:
    """CPU and growth of the heap while prices change."""
    page = opened(browser, url)
    page.locator('main [data-link="live"]').wait_for()
    before = heap_mb(page)
    updates = 0
    stopping = threading.Event()
    began = time.monotonic()

    def publish() -> None:
        nonlocal updates
        while not stopping.wait(1 / COMMITS_PER_SECOND):
            due = round(UPDATES_PER_SECOND * (time.monotonic() - began)) - updates
            prices.commit(due)
            updates += due

    publisher = threading.Thread(target=publish)
    publisher.start()
    with Usage(browser_pid()) as usage:
        page.wait_for_timeout(1000 * seconds)
    stopping.set()
    publisher.join()
    after = heap_mb(page)
    frames = page.locator(".live-chart").get_attribute("data-frames")
    page.close()
    return {
        "updates_per_second": round(updates / seconds, 1),
        "frames_of_20_series": frames,
        "cpu_percent_of_a_core": round(100 * usage.cpu_seconds / seconds, 1),
        "heap_mb": before,
        "heap_growth_mb": round(after - before, 2),
        "seconds": seconds,
    }


def heap_mb(page: Page) -> float:
    """Memory of the page's scripts after a collection of garbage."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used: float = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return round(used / 1e6, 2)


def browser_pid() -> int:
    """The browser that this process started."""
    for process in process_tree(os.getpid()):
        with suppress(psutil.Error):
            if process.name().startswith("chrom"):
                return process.pid
    raise RuntimeError("the browser has ended")
