"""The maps: hatched without a report, Java larger, markets and days by keyboard."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.answers import altered, api_body

CHILLI = "komoditas=cabai-rawit-merah"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_province_without_report_is_hatched_as_in_the_legend(page: Page, theme: str) -> None:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for address, shape in (("/komoditas", ".map svg"), ("/dashboard/map/", ".leaflet-box")):
        page.goto(f"{address}?{CHILLI}")
        province = page.locator(f"{shape} .province.none").first
        expect(province).to_have_css("fill", re.compile(r'url\("#hatch"\)'))
    ground, line = (
        page.evaluate(
            "(name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()", name
        )
        for name in ("--hatch", "--hatch-line")
    )
    assert contrast(ground, line) >= 3


def contrast(first: str, second: str) -> float:
    """The ratio of two colours #rrggbb (WCAG 2.2)."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_java_is_drawn_larger_and_both_drawings_are_one_selection(page: Page) -> None:
    page.goto(f"/komoditas?{CHILLI}")
    main = page.locator('.map [data-code="34"]')
    larger = page.locator('.inset [data-inset="34"]')
    expect(larger).to_be_visible()
    small, large = main.bounding_box(), larger.bounding_box()
    assert small is not None and large is not None and large["width"] > 2 * small["width"]
    main.focus()
    expect(larger).to_have_class(re.compile("near"))
    main.blur()
    larger.hover()
    expect(main).to_have_class(re.compile("near"))
    larger.click()
    expect(page).to_have_url(re.compile("prov=DI\\+Yogyakarta"))
    expect(main).to_have_attribute("aria-pressed", "true")


def test_day_before_is_reached_by_one_key_on_the_slider(page: Page, site: str) -> None:
    days = api_body(site, f"/api/v1/series/daily?{CHILLI.replace('komoditas', 'commodity')}&from=2000-01-01")[
        "dates"
    ]
    page.goto(f"/dashboard/map/?{CHILLI}")
    slider = page.get_by_role("slider")
    expect(slider).to_have_attribute("max", str(len(days) - 1))
    slider.press("ArrowLeft")
    expect(page).to_have_url(re.compile(f"per={days[-2]}"))
    slider.press("Home")
    expect(page).to_have_url(re.compile(f"per={days[0]}"))


def test_focused_market_names_its_price_and_arrows_lead_to_the_next(page: Page) -> None:
    page.goto(f"/dashboard/map/?{CHILLI}")
    market = page.locator('.leaflet-box .market[tabindex="0"]')
    market.focus()
    expect(market).to_have_attribute("aria-label", re.compile(r": Rp"))
    tip = page.locator(".of-market.on")
    expect(tip).to_contain_text(re.compile("Rp"))
    name = tip.inner_text()
    for key in ("ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
        if page.locator(".of-market.on").inner_text() != name:
            break
    else:
        pytest.fail("no other market was reached")
    expect(market).to_have_count(1)


def test_metric_without_any_value_names_its_reason(page: Page) -> None:
    nothing = {"reason": "belum cukup: ada 2 tahun untuk bulan ini, diperlukan 5"}
    page.route(
        "**/map/prices*metric=ifpa*",
        altered(
            lambda body: body | nothing | {"regions": [row | {"value": None} for row in body["regions"]]}
        ),
    )
    page.goto(f"/dashboard/map/?{CHILLI}&metrik=ifpa")
    expect(page.get_by_role("status").filter(has_text="ada 2 tahun")).to_be_visible()
    expect(page.locator("tbody")).to_contain_text("angka ini tidak ada")
