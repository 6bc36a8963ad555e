"""The pages in a real browser: figures, languages, keyboard, accessibility, nothing from elsewhere."""

import json
import re
from collections.abc import Iterator
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from serving_api.pages import PAGES

pytestmark = pytest.mark.xdist_group("browser")
WAIT_MS = 30_000
CHILLI = "/komoditas?komoditas=cabai-rawit-merah"
WIDTHS = (1440, 768, 360)


@pytest.fixture
def page(chromium: Browser, site: str) -> Iterator[Page]:
    """A page that fails the test for an error in a script, a breach of its policy, a foreign request."""
    faults: list[str] = []
    context = chromium.new_context(base_url=site, viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on(
        "request",
        lambda request: request.url.startswith((site, "data:", "blob:")) or faults.append(request.url),
    )
    opened.on("console", lambda entry: "Content Security Policy" in entry.text and faults.append(entry.text))
    yield opened
    context.close()
    assert not faults


def api_body(site: str, path: str) -> dict[str, object]:
    with urlopen(site + path) as response:
        body: dict[str, object] = json.load(response)
    return body


def test_home_names_each_commodity_in_a_sentence_with_its_price(page: Page, site: str) -> None:
    page.goto("/")
    sentences = page.locator(".sentences li")
    items = api_body(site, "/api/v1/overview")["items"]
    assert isinstance(items, list)
    expect(sentences).to_have_count(len(items))
    for item in items:
        price = f"{round(item['national_price_idr']):,}".replace(",", ".")
        expect(sentences.filter(has_text=item["name"]).first).to_contain_text(f"Rp\u00a0{price}")
    page.goto("/?lang=en")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator(".sentences")).to_contain_text("in 7 days")


def test_origin_of_figures_names_table_version_and_call(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Asal angka").first.click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text(re.compile(r"gold\.indicators v\d+"))
    expect(dialog).to_contain_text("/api/v1/overview")


def test_chart_is_read_by_keyboard_and_its_table_equals_the_api(page: Page, site: str) -> None:
    page.goto(f"{CHILLI}&prov=Jawa+Barat")
    chart = page.locator(".canvas")
    chart.focus()
    chart.press("Home")
    expect(page.locator(".plot [aria-live]")).to_contain_text(re.compile(r"Rp"))
    page.get_by_role("button", name="Tabel", exact=True).click()
    expect(page).to_have_url(re.compile("tabel=1"))
    body = api_body(site, "/api/v1/series/daily?commodity=cabai-rawit-merah")
    names = [region["name"] for region in body["regions"]]  # type: ignore[attr-defined]
    prices = body["price_idr"][names.index("Jawa Barat")]  # type: ignore[index]
    newest = next(price for price in reversed(prices) if price is not None)
    row = page.locator(".full tbody tr", has_text="Jawa Barat").first
    expect(row).to_contain_text(f"{round(newest):,}".replace(",", "."))


def test_map_is_walked_by_arrows_and_enter_chooses_a_province(page: Page) -> None:
    page.goto(CHILLI)
    shape = page.locator('.map svg [data-code="31"]')
    shape.focus()
    shape.press("ArrowRight")
    reached = page.evaluate("document.activeElement.dataset.code")
    assert reached and reached != "31"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("prov="))
    expect(page.locator("tr.on").first).to_be_visible()


def test_links_between_pages_keep_the_view_and_a_copied_address_shows_it(page: Page) -> None:
    page.goto(f"{CHILLI}&prov=Aceh&lang=en")
    page.get_by_role("link", name="Forecasts").click()
    expect(page).to_have_url(re.compile(r"/prakiraan\?.*prov=Aceh"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Forecasts")
    page.reload()
    expect(page.locator("select").nth(1)).to_have_value("Aceh")


def test_day_before_the_first_stored_price_is_explained(page: Page) -> None:
    page.goto("/?per=2010-01-01&saat-itu=1")
    expect(page.locator(".empty").first).to_contain_text("belum ada harga yang tersimpan")


def test_failure_of_the_api_keeps_a_way_to_try_again(page: Page) -> None:
    page.route("**/api/v1/overview*", lambda route: route.abort())
    page.goto("/")
    expect(page.get_by_role("alert").first).to_contain_text("Server tidak dapat dihubungi")
    page.unroute("**/api/v1/overview*")
    page.get_by_role("button", name="Coba lagi").first.click()
    expect(page.locator(".sentences li").first).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_no_accessibility_fault_and_no_sideways_scrolling(
    page: Page, axe: str, path: str, theme: str
) -> None:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.goto(f"{path}?lang={'en' if theme == 'dark' else 'id'}")
    expect(page.locator(".card").first).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    page.evaluate(axe)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        violations = page.evaluate(
            "async () => (await axe.run()).violations.map((v) => [v.id, v.nodes[0].html])"
        )
        assert violations == [], width
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
