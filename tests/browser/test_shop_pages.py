"""The pages of a shop in a real browser: figures of the API, the filter by category, the model's verdict."""

import re

import pytest
import skops.io
from playwright.sync_api import Page, expect

from lakehouse.sales import TARGETS, model_name
from ml.sales.stack import fit_demand
from scripts.bench.api_lake import write
from tests.browser.answers import english_words
from tests.browser.test_pages import api_body
from tests.serving_api.models.test_sales import model
from tests.support.api import ApiProcess, Environment
from tests.support.retail.listings import simulated_rows
from tests.support.retail.shop_lake import shop_listings, write_figures
from tests.support.served_lake import NOW

TRAINED = "toko-b"
REASON = "no signal: skill of forest over the overall median on products not seen is 0.1 %, at least -0.4 %; "


@pytest.fixture(scope="module")
def trained(running: ApiProcess) -> str:
    """The shop with a model whose demand is known, and the report of its training."""
    folder = running.stack.home / "state" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    demand = fit_demand(simulated_rows(1, products=24, days=50), draws=20, seed=1)
    known = model() | {"demand": demand, "demand_skill_low": 0.4, "target": TARGETS[1]}
    skops.io.dump(known, folder / f"{model_name(TRAINED)}.skops")
    measured = {"shop": TRAINED, "mae": 9.5, "rmse": 12.25, "r2": 0.9, "measured_at": NOW}
    scores = [
        {**measured, "model": name, "split": "grouped", "champion": name == "overall_median"}
        | {"reason": f"{REASON}the overall median serves"}
        for name in ("overall_median", "stack")
    ]
    leak = {"column_name": "sales_rank", "role": "control", "r2_alone": 0.98, "r2_with_inputs": 0.988}
    with Environment(running.stack).entered():
        root = running.stack.lake_root
        write(root, "gold.sales_model", scores)
        write(
            root,
            "gold.sales_leaks",
            [{**leak, "shop": TRAINED, "verdict": "gives the target away", "measured_at": NOW}],
        )
    return TRAINED


def test_trained_model_predicts_and_its_verdict_is_in_the_language_of_the_page(
    page: Page, trained: str
) -> None:
    page.goto(f"/sales?toko={trained}")
    form = page.locator("section", has=page.locator("form.product"))
    expect(form.locator(".grave")).to_contain_text("Tidak ada sinyal")
    expect(form.locator(".note").first).to_contain_text(
        "atas median keseluruhan pada produk yang belum dilihat"
    )
    expect(form.locator(".note").first).to_contain_text("0,1 %, sedikitnya -0,4 %")
    form.locator("form.product button").click()
    expect(form.locator("output")).to_contain_text(re.compile(r"\d"))
    expect(page.locator("main")).to_contain_text("0,99")
    for shown in ("12,25", "9,5"):
        expect(page.locator("main")).to_contain_text(shown)
    expect(page.locator(".bars meter")).to_have_count(3)
    assert english_words(page) == []
    page.goto(f"/sales?toko={trained}&lang=en")
    expect(page.locator("form.product").locator("xpath=..")).to_contain_text("no signal: skill of forest")


def test_price_curve_is_drawn_with_its_best_price(page: Page, trained: str) -> None:
    page.goto(f"/pricing?toko={trained}")
    panel = page.locator("section", has=page.locator("form.product"))
    panel.locator("form.product select").select_option("ELECTRONICS")
    panel.locator("form.product button").click()
    expect(panel.locator("svg.curve .line")).to_be_visible()
    expect(panel.locator("svg.curve .mark")).to_have_count(1)
    expect(panel.locator("output")).to_contain_text(re.compile(r"\d"))
    assert english_words(page) == []


def test_filter_by_category_reaches_every_page_and_figure(page: Page, site: str) -> None:
    page.goto("/sales")
    expect(page.locator("tbody tr", has_text="KITES").first).to_be_visible()
    page.locator(".choice").get_by_role("combobox", name="Kategori", exact=True).select_option("BOOKS")
    expect(page.locator("tbody tr", has_text="KITES")).to_have_count(0)
    items = api_body(site, "/analytics/revenue?category=books")["items"]
    assert isinstance(items, list)
    shown = f"{round(items[0]['revenue']):,}".replace(",", ".")
    expect(page.locator("tbody tr", has_text="BOOKS").first).to_contain_text(shown)
    for path, downloads in (("sales", 1), ("pricing", 2), ("customers", 1)):
        page.locator(f"nav a[href*={path}]").click()
        expect(page).to_have_url(f"{site}/{path}?kategori=BOOKS")
        expect(page.locator(".full tbody tr", has_text="BOOKS").first).to_be_visible()
        expect(page.locator("tbody tr", has_text="KITES")).to_have_count(0)
        for button in page.get_by_role("button", name="Unduh CSV").all()[:downloads]:
            with page.expect_download() as download:
                button.click()
            saved = download.value.path().read_text(encoding="utf-8")
            assert "BOOKS" in saved and "KITES" not in saved
    expect(page.locator(".full tbody tr")).to_have_count(1)


def test_shop_has_figures_of_its_own_on_every_page(page: Page, site: str) -> None:
    page.goto("/sales")
    page.locator(".choice").get_by_role("combobox", name="Toko", exact=True).select_option("toko-b")
    (books,) = api_body(site, "/analytics/revenue?category=books&shop=toko-b")["items"]
    shown = f"{round(books['revenue']):,}".replace(",", ".")
    expect(page.locator("tbody tr", has_text="BOOKS").first).to_contain_text(shown)
    page.locator("nav a[href*=customers]").click()
    expect(page).to_have_url(f"{site}/customers?toko=toko-b")


def test_open_page_shows_a_shop_whose_listings_arrive(page: Page, site: str, running: ApiProcess) -> None:
    page.clock.install()
    page.goto("/sales")
    choice = page.locator(".choice").get_by_role("combobox", name="Toko", exact=True)
    expect(choice.locator("option")).to_have_text(["main", "panel", "toko-b"])
    write_figures(running.stack.lake_root, shop_listings(9, "toko-c"))
    page.clock.run_for(40_000)
    expect(choice.locator("option")).to_have_text(["main", "panel", "toko-b", "toko-c"])
    choice.select_option("toko-c")
    for path in ("sales", "pricing", "customers"):
        page.locator(f"nav a[href*={path}]").click()
        expect(page.locator(".full tbody tr", has_text="KITES").first).to_be_visible()


def test_verdict_comes_before_the_form_and_a_failure_is_shown(page: Page) -> None:
    page.goto("/pricing?lang=en")
    panel = page.locator("section", has_text="Price of the most revenue").last
    expect(panel.locator(".lead")).to_contain_text("not trained yet")
    panel.get_by_role("button", name="Compute the curve").click()
    expect(panel.get_by_role("alert")).to_contain_text("./run.sh train sales")
    with page.expect_download() as download:
        page.locator("section", has_text="Discounts and sales").get_by_role(
            "button", name="Download CSV"
        ).click()
    assert download.value.suggested_filename == "lumbung-discounts.csv"


def test_sentiment_of_products_is_shown_and_its_absence_stated(page: Page) -> None:
    page.goto("/customers?lang=en")
    panel = page.locator("section", has=page.get_by_role("heading", name="What posts say about products"))
    first = panel.locator("tbody tr", has_text="Radio Saku").locator("td, th")
    expect(first).to_have_text(["Radio Saku", "ELECTRONICS", "3", "2", "0", "1", "0.13", "3 Mar 2026"])
    expect(panel).to_contain_text("a list of words states the polarity")
    page.locator(".choice").get_by_role("combobox", name="Shop", exact=True).select_option("toko-b")
    expect(panel).to_contain_text("No post names a product of this shop")
    page.goto("/customers?toko=toko-b&lang=id")
    expect(page.locator("main")).to_contain_text("Tidak ada unggahan yang menyebut produk toko ini")
