"""The pages of a shop in a real browser: figures of the API, the filter by category, the model's verdict."""

import re

import pytest
import skops.io
from playwright.sync_api import Locator, Page, expect

from lakehouse.sales import TARGETS, model_name
from ml.sales.stack import fit_demand
from scripts.bench.api_lake import write
from tests.browser.answers import altered, english_words
from tests.browser.test_pages import api_body
from tests.serving_api.models.test_sales import model
from tests.support.api import ApiProcess, Environment
from tests.support.retail.listings import simulated_rows
from tests.support.retail.shop_lake import shop_listings, write_figures
from tests.support.served_lake import NOW
from tests.support.waiting import eventually

TRAINED = "toko-b"
REASON = "no signal: skill of forest over the overall median on products not seen is 0.1 %, at least -0.4 %; "


PANEL = "panel"  # the shop with a state of each product a day
MEASURED = {"elasticity": -2.5, "elasticity_low": -2.75, "elasticity_high": -2.25, "reason": None}
REFUSED = dict.fromkeys(("elasticity", "elasticity_low", "elasticity_high"))


def card(page: Page, title: str) -> Locator:
    """The panel with that heading."""
    return page.locator("section", has=page.get_by_role("heading", name=title, exact=True, level=2))


@pytest.fixture(scope="module")
def measured(running: ApiProcess) -> str:
    """The shop with elasticities: one category measured, one refused; one lift of a discount."""
    shared = {"shop": PANEL, "naive_elasticity": -0.5, "price_spread": 0.12, "days": 120, "units_a_day": 5.5}
    shared |= {"price": 40.0, "price_low": 30.0, "price_high": 50.0, "test_days": 21, "measured_at": NOW}
    shared |= {"discount_effect": 0.0, "data_version": 1, "run_id": "r"}
    refused = REFUSED | {"verdict": "refused", "reason": "the price hardly varied"}
    rows = [
        shared | {"category": category, "product_id": product, "product_name": name, **result}
        for category, product, name, result in (
            ("BOOKS", 0, "", MEASURED | {"verdict": "measured"}),
            ("BOOKS", 3, "product 3", MEASURED | {"verdict": "measured"}),
            ("KITES", 0, "", refused),
        )
    ]
    lift = {
        "shop": PANEL,
        "category": "ELECTRONICS",
        "discount_band": "5-15",
        "lift_units": 0.3,
        "lift_low": 0.2,
    }
    with Environment(running.stack).entered():
        root = running.stack.lake_root
        write(root, "gold.price_elasticity", rows)
        write(root, "gold.discount_lift", [lift | {"lift_high": 0.4, "days": 60, "measured_at": NOW}])
    return PANEL


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
    expect(card(page, "Pendapatan sampai sekarang").locator(".bars meter")).to_have_count(3)
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
    expect(panel.locator("output")).to_contain_text("Elastisitas belum terukur")
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
    total = card(page, "Pendapatan sampai sekarang")
    expect(total.locator("tbody tr", has_text="BOOKS")).to_contain_text(shown)
    for path, downloads in (("sales", 3), ("pricing", 1), ("customers", 1)):
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
    total = card(page, "Pendapatan sampai sekarang")
    expect(total.locator("tbody tr", has_text="BOOKS")).to_contain_text(shown)
    page.locator("nav a[href*=customers]").click()
    expect(page).to_have_url(f"{site}/customers?toko=toko-b")


def test_open_page_shows_a_shop_whose_listings_arrive(page: Page, site: str, running: ApiProcess) -> None:
    page.clock.install()
    page.goto("/sales")
    choice = page.locator(".choice").get_by_role("combobox", name="Toko", exact=True)
    expect(choice.locator("option")).to_have_text(["main", "panel", "toko-b"])
    write_figures(running.stack.lake_root, shop_listings(9, "toko-c"))
    eventually(lambda: len(api_body(site, "/api/v1/retail/shops")["items"]) == 4)
    page.clock.run_for(40_000)
    expect(choice.locator("option")).to_have_text(["main", "panel", "toko-b", "toko-c"])
    choice.select_option("toko-c")
    for path in ("sales", "pricing", "customers"):
        page.locator(f"nav a[href*={path}]").click()
        expect(page.locator(".full tbody tr", has_text="KITES").first).to_be_visible()


def test_verdict_comes_before_the_form_and_a_failure_is_shown(page: Page) -> None:
    page.goto("/pricing?lang=en")
    panel = card(page, "Best price")
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


def test_what_changed_most_comes_first_with_the_period_before(page: Page, site: str) -> None:
    page.goto(f"/sales?toko={PANEL}")
    changes = card(page, "Yang paling berubah")
    items = api_body(site, f"/api/v1/retail/revenue-periods?shop={PANEL}&days=28")["items"]
    most = max(items, key=lambda item: abs(item["revenue"] - item["revenue_before"]))
    expect(changes.locator(".lead")).to_contain_text(f"{most['category']} berubah paling besar dalam 28 hari")
    expect(changes.locator(".lead")).to_contain_text("pendapatan turun")
    expect(changes.locator(".lead")).to_contain_text(re.compile("karena|sama-sama"))
    expect(changes.locator(".tile").first).to_contain_text(
        f"{round(sum(i['revenue'] for i in items)):,}".replace(",", ".")
    )
    expect(changes.locator(".tile .more").first).to_contain_text("sebelumnya")
    expect(changes.locator(".bars meter")).to_have_count(2 * len(items))
    daily = card(page, "Pendapatan per hari")
    expect(daily.locator("svg.curve .before")).to_have_count(1)
    expect(daily.locator(".legend")).to_contain_text("periode sebelumnya")
    page.get_by_role("button", name="7 hari", exact=True).click()
    expect(page).to_have_url(f"{site}/sales?toko={PANEL}&hari=7")
    expect(changes.locator(".lead")).to_contain_text("dalam 7 hari")
    assert english_words(page) == []


def test_products_to_be_ordered_come_first_and_a_rough_basis_is_stated(page: Page, site: str) -> None:
    page.goto(f"/sales?toko={PANEL}&kategori=BOOKS")
    order = card(page, "Pesan ini dahulu")
    path = f"/api/v1/retail/product-supply?shop={PANEL}&category=books"
    urgent = api_body(site, f"{path}&order_first=true")["items"]
    expect(order.locator(".lead")).to_contain_text(f"{len(urgent)} produk habis dalam 14 hari")
    expect(order.locator(".lead")).to_contain_text(urgent[0]["product_name"])
    expect(order.locator("tbody tr").first).to_contain_text("Pesan dahulu")
    with page.expect_download() as download:
        order.get_by_role("link", name="Unduh XLSX").click()
    assert download.value.suggested_filename.endswith(".xlsx")
    expect(order).not_to_contain_text("hanya perkiraan kasar")
    page.goto("/sales")
    expect(order).to_contain_text("hanya perkiraan kasar")
    expect(card(page, "Yang paling berubah").locator(".lead")).to_contain_text("Belum ada periode pembanding")


def test_one_state_of_each_product_gives_no_change(page: Page) -> None:
    page.route("**/revenue-periods**", altered(lambda body: body | {"items": []}))
    page.goto("/sales")
    expect(card(page, "Yang paling berubah").locator(".empty")).to_contain_text("untuk kedua kalinya")


def test_causal_lift_is_listed_with_the_band_and_recommended(page: Page, measured: str) -> None:
    page.goto(f"/pricing?toko={measured}")
    discounts = card(page, "Diskon dan penjualan")
    expect(discounts).to_contain_text("Percayai kolom “karena diskon”")
    expect(discounts.locator(".intervals")).to_contain_text("+30,0\xa0% (+20,0\xa0% sampai +40,0\xa0%)")
    cells = discounts.locator("tbody tr", has_text="ELECTRONICS").filter(has_text="5-15 %").locator("th, td")
    expect(cells.nth(3)).to_have_text("+30,0\xa0%")
    expect(cells.nth(7)).to_have_text("Ya")  # more than the break-even of a discount of 15 %
    assert english_words(page) == []
    page.goto("/pricing")
    expect(discounts).to_contain_text("Ini hanya hubungan")


def test_elasticity_has_its_interval_and_the_naive_figure_or_the_reason_and_the_test(
    page: Page, measured: str
) -> None:
    page.goto(f"/pricing?toko={measured}")
    panel = card(page, "Harga dan jumlah terjual")
    expect(panel.locator(".lead")).to_contain_text("Bila harga BOOKS naik 1\xa0%")
    expect(panel.locator(".lead")).to_contain_text("harga yang lebih rendah menaikkan pendapatan")
    books = panel.locator("tbody tr", has_text="BOOKS").locator("th, td")
    expect(books).to_have_text(["BOOKS", "−2,5", "−2,75", "−2,25", "−0,5", "terukur", "–", "0,12", "120"])
    refused = panel.locator("tbody tr", has_text="KITES")
    expect(refused).to_contain_text("ditolak: harganya hampir tidak berubah")
    expect(refused).to_contain_text("uji 21 hari")
    page.locator(".choice").get_by_role("combobox", name="Kategori", exact=True).select_option("BOOKS")
    expect(card(page, "Produk BOOKS").locator("tbody tr", has_text="product 3")).to_contain_text("−2,5")
    assert english_words(page) == []


def test_best_price_is_that_of_profit_with_a_cost_and_names_what_is_not_known(
    page: Page, measured: str
) -> None:
    page.goto(f"/pricing?toko={measured}&kategori=BOOKS")
    panel = card(page, "Harga terbaik")
    form = panel.locator("form.product")
    form.get_by_label("Produk").select_option("product 3")
    expect(form.get_by_label("Harga dari")).to_have_value("27")  # 10 % below the lowest that was observed
    form.get_by_role("button", name="Hitung kurva").click()
    expect(panel.locator("output")).to_contain_text(re.compile("Harga terbaik 27.*dengan pendapatan"))
    expect(panel.locator("output")).to_contain_text("berada di tepi harga yang pernah ada")
    expect(panel.locator("output")).to_contain_text("Perlu uji 21 hari")
    expect(panel.locator("output")).to_contain_text("elastisitas terukur −2,5")
    form.get_by_label("Biaya per unit").fill("24")
    form.get_by_role("button", name="Hitung kurva").click()
    # 24 * 2.5 / (2.5 - 1)
    expect(panel.locator("output")).to_contain_text(re.compile(r"Harga terbaik (39,[5-9]|40).*dengan laba"))
    expect(panel.locator("output")).not_to_contain_text("Perlu uji")
    assert english_words(page) == []


def test_promotions_are_listed_with_what_they_brought(page: Page, site: str) -> None:
    page.goto(f"/pricing?toko={PANEL}")
    panel = card(page, "Promosi")
    items = api_body(site, f"/api/v1/retail/promotions?shop={PANEL}")["items"]
    paid = [item["paid_off"] for item in items if item["paid_off"] is not None]
    expect(panel.locator(".lead")).to_contain_text(f"{sum(paid)} dari {len(paid)} promosi")
    expect(panel.locator("tbody tr")).to_have_count(len(items))
    expect(panel.locator("tbody tr", has_text="masih berjalan")).to_have_count(1)
    page.goto("/pricing")
    expect(panel.locator(".empty")).to_contain_text("Belum ada promosi")


def test_reviews_that_are_needed_follow_from_the_shown_figures(page: Page, site: str) -> None:
    page.goto("/customers")
    panel = card(page, "Kepuasan pelanggan")
    (books,) = api_body(site, "/analytics/customer-satisfaction?category=books")["items"]
    expect(panel).to_contain_text(f"m = {books['prior_rating']:.2f}".replace(".", ","))
    panel.get_by_label("Kategori").select_option("BOOKS")
    panel.get_by_label("Penilaian yang hendak dilampaui").fill("4.5")
    weight = books["prior_reviews"] + books["reviews"]
    needed = int((4.5 - books["bayesian_rating"]) * weight / 0.5) + 1
    expect(panel.locator("output")).to_contain_text(f"BOOKS perlu {needed:,} ulasan".replace(",", "."))
    panel.get_by_label("Penilaian yang hendak dilampaui").fill("5")
    expect(panel.locator("output")).to_contain_text("tidak dapat membawa penilaian melampaui 5")
    assert english_words(page) == []
