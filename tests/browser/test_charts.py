"""The chart of a commodity and its prices by market: what is drawn follows legend, days and age."""

import csv
import re
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.browser.answers import altered, api_body

CHILLI = "/komoditas?komoditas=cabai-rawit-merah"
SERIES = "**/api/v1/series/daily*"


def drawn(page: Page) -> list[dict[str, str]]:
    """The rows of the chart's file: what is drawn."""
    expect(page.locator(".canvas")).to_be_visible()
    with page.expect_download() as download:
        page.locator(".card.full").first.get_by_role("button", name="Unduh CSV").click()
    return list(csv.DictReader(download.value.path().read_text(encoding="utf-8").splitlines()))


def test_legend_hides_what_the_address_names(page: Page) -> None:
    page.goto(f"{CHILLI}&rentang=90&prov=Jawa+Barat")
    assert {"national_price_idr", "Aceh", "Jawa Barat"} <= drawn(page)[0].keys()
    chip = page.get_by_role("group", name="Yang digambar").get_by_role("button", name="Provinsi lain")
    chip.click()
    expect(page).to_have_url(re.compile("sembunyi=provinces"))
    page.reload()
    expect(chip).to_have_attribute("aria-pressed", "false")
    columns = drawn(page)[0].keys()
    assert "Aceh" not in columns and {"national_price_idr", "Jawa Barat"} <= columns


def test_days_of_the_chart_are_chosen_by_date(page: Page, site: str) -> None:
    days = api_body(site, "/api/v1/series/daily?commodity=cabai-rawit-merah")["dates"]
    page.goto(f"{CHILLI}&rentang=90")
    fields = page.get_by_role("group", name="Rentang hari")
    fields.get_by_label("sampai").fill(days[-5])
    expect(page).to_have_url(re.compile(rf"zoom=\d{{4}}-\d\d-\d\d\.\.{days[-5]}"))
    fields.get_by_label("Dari").fill(days[0])
    expect(page).to_have_url(re.compile(rf"zoom={days[0]}\.\.{days[-5]}"))
    expect(page).to_have_url(re.compile("rentang=365"))
    fields.get_by_role("button", name="Semua hari").click()
    expect(page).not_to_have_url(re.compile("zoom="))


def test_keyboard_reads_all_that_is_drawn_on_a_day_and_the_tip_stays_inside(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 780})
    page.goto(f"{CHILLI}&rentang=90&prov=Jawa+Barat")
    chart = page.locator(".canvas")
    chart.focus()
    panel = page.locator(".card.full").first.bounding_box()
    assert panel is not None
    for key in ("Home", "End"):
        chart.press(key)
        tip = page.locator(".tip").bounding_box()
        assert tip is not None and tip["x"] >= panel["x"]
        assert tip["x"] + tip["width"] <= panel["x"] + panel["width"]
    chart.press("Home")
    expect(page.locator(".plot [aria-live]")).to_contain_text(
        re.compile(r"\(tertinggi\).*Rata-rata nasional Rp.*\(terendah\)")
    )


def one_day(body: dict[str, Any]) -> dict[str, Any]:
    columns = {name: body[name][-1:] for name in ("dates", "national", "reference_idr")}
    return body | columns | {"price_idr": [row[-1:] for row in body["price_idr"]]}


def test_single_day_of_prices_is_a_sentence_and_a_table(page: Page) -> None:
    page.route(SERIES, altered(one_day))
    page.goto(CHILLI)
    panel = page.locator(".card.full").first
    expect(panel).to_contain_text("Baru ada harga untuk satu hari")
    expect(panel.locator("tbody tr").first).to_be_visible()
    expect(panel.locator(".canvas")).to_have_count(0)


def test_old_prices_of_markets_are_marked_last_and_hidden_on_request(page: Page) -> None:
    def with_old_first(body: dict[str, Any]) -> dict[str, Any]:
        first, *others = body["items"]
        current = [row | {"is_current": True, "age_days": 0} for row in others]
        return body | {"items": [first | {"is_current": False, "age_days": 40}, *current]}

    page.route("**/commodity/price/live*", altered(with_old_first))
    page.goto(CHILLI)
    panel = page.locator("section", has=page.get_by_role("heading", name="Harga terbaru per pasar"))
    rows = panel.locator("tbody tr")
    expect(rows.last).to_contain_text("40 hari lalu, lama")
    expect(panel.get_by_text("lama", exact=False).first).to_be_visible()
    before = rows.count()
    assert before > 1 and "hari terbaru" in rows.first.inner_text()
    panel.get_by_role("checkbox").check()
    expect(rows).to_have_count(before - 1)
    expect(page).to_have_url(re.compile("tanpa-lama=1"))


def test_forecasts_issued_after_their_day_are_not_counted(page: Page) -> None:
    row = {
        "issued_on": "2024-07-27",
        "model": "naive",
        "price_idr": 50_000,
        "actual_idr": 51_000,
        "inside": True,
        "in_time": True,
        "horizon_days": 1,
    }
    rows = [
        row | {"target_date": "2024-07-28"},
        row | {"target_date": "2024-07-29", "inside": False},
        row | {"target_date": "2024-07-30", "in_time": False},
        row | {"target_date": "2024-07-31", "inside": None, "actual_idr": None},
    ]
    page.route("**/forecasts/issued*", altered(lambda body: body | {"items": rows}))
    page.goto("/prakiraan?komoditas=cabai-merah-keriting")
    panel = page.locator("section", has=page.get_by_role("heading", name="Prakiraan yang lalu"))
    expect(panel).to_contain_text("Dari 2 prakiraan yang harganya kini diketahui, 1 kali")
    expect(panel.locator("tbody tr").nth(2)).to_contain_text("tidak dihitung")


def test_weather_without_a_significant_relation_is_named_in_a_sentence(page: Page) -> None:
    figures = {"correlation": 0.04, "ci_low": -0.11, "ci_high": 0.19, "lag_days": 3, "n": 400}
    answers = iter([False, False, False, True, False, False])

    def answer(route: Route) -> None:
        significant = next(answers)
        route.fulfill(json=figures | {"significant": significant, "p_value_adjusted": 0.0004})

    page.route("**/analytics/correlation", answer)
    page.goto(f"{CHILLI}&prov=Jawa+Barat")
    panel = page.locator("section", has=page.get_by_role("heading", name="Penyebab"))
    nothing = panel.get_by_text("Tidak ada hubungan bermakna antara cuaca dan harga ini.")
    expect(nothing).to_be_visible()
    rain = panel.locator(".facts").last.locator("dd").first
    expect(rain).to_contain_text("r terkuat 0,04, di antara −0,11 dan 0,19")
    page.reload()
    expect(rain).to_contain_text("kurang dari 0,1\u00a0%, 400 hari")
    expect(nothing).to_have_count(0)
