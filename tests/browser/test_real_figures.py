"""Figures on the pages against SQL over silver, in a lake that the stream filled with published prices."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Browser, Page, expect

from lakehouse.io.delta import open_table
from lakehouse.io.source_files.file_events import FileEvents
from lakehouse.io.source_files.formats import format_of
from lakehouse.io.source_files.source_format import SourceFormat
from lakehouse.reference import commodities
from producers.publish import KafkaSink
from streaming_jobs.gold.indicators import Indicators
from tests.conftest import Broker
from tests.streaming_jobs.conftest import Stream
from tests.support.api import ApiProcess, Environment, new_stack
from tests.support.real_sets import ABSENT, DATA

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.exists(), reason=ABSENT),
]
FILES = ("Cabai_Rawit_Merah", "Bawang_Merah", "Beras_Medium", "Daging_Sapi_Murni")
STORED_DAYS = 60
FIGURES = 50
SEED = 50
WEEK = timedelta(days=7)
# Written without the product's SQL: the median of a province and day, the mean over the provinces.
EXPECTED = """
    with days as (
        select commodity, region, market_date, median(price_idr) as price from silver
        where channel = 'retail' group by all
    )
    select *, avg(price) over (partition by commodity, market_date) as national from days
"""
TABLE = "Harga menurut provinsi"
ALL = "Semua komoditas"


@dataclass(frozen=True)
class Prices:
    """Figures of silver: (commodity, region, day) -> rupiah, (commodity, day) -> rupiah."""

    of_province: dict[tuple[str, str, date], float]
    national: dict[tuple[str, date], float]

    def days(self) -> list[date]:
        """Days on which every commodity has a price, with a week before them."""
        listed: dict[date, int] = {}
        for _, day in self.national:
            listed[day] = listed.get(day, 0) + 1
        return sorted(day for day, count in listed.items() if count == len(FILES) == listed.get(day - WEEK))

    def newest(self, commodity: str, region: str, day: date) -> date | None:
        """The day of the newest price in the week up to `day`."""
        week = (day - timedelta(days=back) for back in range(7))
        return next((near for near in week if (commodity, region, near) in self.of_province), None)


def send_published_prices() -> None:
    """The last days of each file, through Kafka."""
    files = []
    for name in FILES:
        (path,) = DATA.glob(f"panelharga_prov_daily/Harga*/train/{name}.csv")
        source_format = format_of(path)
        assert isinstance(source_format, SourceFormat)
        files.append(FileEvents(path, source_format))
    sink = KafkaSink()
    for file in files:
        rows = list(file.rows())
        since = max(row.time for row in rows) - STORED_DAYS * 86_400
        for row in rows:
            if row.time > since and row.payload is not None:
                sink.send(file.event(row))
    sink.flush()


@pytest.fixture(scope="module")
def lake(
    real_broker: Broker, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ApiProcess, Prices]]:
    """The API on a lake of published prices. `chromium`: nothing is prepared where there is none."""
    stack = new_stack(tmp_path_factory.mktemp("published"), real_broker)
    with Environment(stack).entered(), duckdb.connect() as connection:
        stream = Stream(None, real_broker)
        send_published_prices()
        stream.run()
        Indicators().refresh()
        connection.register("silver", open_table("silver.prices").to_pyarrow_table())
        rows = connection.execute(EXPECTED).fetchall()
    provincial = {(commodity, region, day): price for commodity, region, day, price, _ in rows}
    national = {(commodity, day): mean for commodity, _, day, _, mean in rows}
    process = ApiProcess(stack)
    yield process, Prices(provincial, national)
    process.stop()


@pytest.fixture(scope="module")
def running(lake: tuple[ApiProcess, Prices]) -> ApiProcess:
    """The API on this lake."""
    return lake[0]


@pytest.fixture(scope="module")
def site(running: ApiProcess) -> str:
    """The address of the API."""
    return running.stack.api_url


def number(text: str) -> float | None:
    """The number in a cell of an Indonesian page; None for a dash."""
    digits = re.search(r"([\u2212+]?)([\d.]+)(?:,(\d+))?", text)
    if digits is None:
        return None
    sign, whole, part = digits.groups()
    return (-1 if sign == "\u2212" else 1) * float(f"{whole.replace('.', '')}.{part or 0}")


def shown_rows(page: Page, path: str, label: str) -> list[list[str]]:
    """The cells of a table of a page."""
    page.goto(path)
    table = page.get_by_role("group", name=label).locator("table")
    expect(table.locator("tbody tr").first).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    rows: list[list[str]] = table.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.cells].map((cell) => cell.innerText))"
    )
    return rows


def change(now: float | None, before: float | None) -> float | None:
    """Percent; None without both prices."""
    return None if now is None or before is None else 100 * (now / before - 1)


Figure = tuple[str, str, float | None]  # (place on the page, text there, the same by SQL)


def home_figures(page: Page, prices: Prices, day: date) -> list[Figure]:
    """National prices and changes in the table of the home page."""
    ids = {commodities()[name].name: name for name, _ in prices.national}
    figures: list[Figure] = []
    for name, _, price, *changes in shown_rows(page, f"/?per={day}", ALL):
        now = prices.national[ids[name], day]
        figures.append((f"/ {day} {name}", price, now))
        for days, text in zip((1, 7, 30), changes, strict=False):
            before = prices.national.get((ids[name], day - timedelta(days=days)))
            figures.append((f"/ {day} {name} {days} days", text, change(now, before)))
    return figures


def province_figures(page: Page, prices: Prices, commodity: str, day: date) -> list[Figure]:
    """Prices, changes and gaps of the provinces on the page of a commodity."""
    path = f"/komoditas?komoditas={commodity}&per={day}"
    figures: list[Figure] = []
    for region, price, _, week, gap in shown_rows(page, path, TABLE):
        near = prices.newest(commodity, region, day)
        now = near and prices.of_province[commodity, region, near]
        before = near and prices.of_province.get((commodity, region, near - WEEK))
        figures.append((f"{path} {region}", price, now))
        figures.append((f"{path} {region} 7 days", week, change(now, before)))
        figures.append((f"{path} {region} gap", gap, change(now, near and prices.national[commodity, near])))
    return figures


def map_figures(page: Page, prices: Prices, commodity: str, day: date) -> list[Figure]:
    """Prices in the table of the map."""
    path = f"/dashboard/map/?komoditas={commodity}&per={day}&metrik=price"
    figures: list[Figure] = []
    for region, _, price, *_ in shown_rows(page, path, TABLE):
        near = prices.newest(commodity, region, day)
        figures.append((f"{path} {region}", price, near and prices.of_province[commodity, region, near]))
    return figures


def test_fifty_figures_drawn_by_seed_equal_sql_over_silver(
    page: Page, lake: tuple[ApiProcess, Prices]
) -> None:
    prices = lake[1]
    draw = random.Random(SEED)
    products = sorted({commodity for commodity, _ in prices.national})
    assert len(products) == len(FILES)

    def view() -> tuple[Any, ...]:
        return draw.choice(products), draw.choice(prices.days())

    figures = [
        *chain.from_iterable(home_figures(page, prices, day) for day in draw.sample(prices.days(), 3)),
        *chain.from_iterable(province_figures(page, prices, *view()) for _ in range(3)),
        *chain.from_iterable(map_figures(page, prices, *view()) for _ in range(3)),
    ]
    drawn = draw.sample(figures, FIGURES)
    assert sum(expected is not None for _, _, expected in drawn) > FIGURES / 2
    for place, text, expected in drawn:
        tolerance = 0.06 if "%" in text else 0.6
        assert number(text) == (None if expected is None else pytest.approx(expected, abs=tolerance)), place
