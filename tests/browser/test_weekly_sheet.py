"""The Monday sheet in a real browser: its sentence, its weeks, its provinces, paper and file."""

import re
from datetime import date, timedelta
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.answers import api_body

API = "/api/v1/weekly-index"
PDF_PAGE = re.compile(rb"/Type\s*/Page\b(?!s)")


def newest(site: str, region: str = "Indonesia") -> dict[str, Any]:
    """The newest week of a region, as the API has it."""
    item: dict[str, Any] = api_body(site, f"{API}?region={region}&limit=1")["items"][0]
    return item


def points(value: float) -> str:
    """+0,41 as the page writes it."""
    return f"{value:+.2f}".replace(".", ",").replace("-", "\u2212")


def test_sheet_reads_the_index_of_the_newest_week_and_of_a_province(page: Page, site: str) -> None:
    page.goto("/iph")
    nation = newest(site)
    lead = page.locator(".lead")
    expect(lead).to_contain_text(
        f"{nation['up']} komoditas naik, {nation['down']} turun, {nation['stable']} stabil"
    )
    expect(lead).to_contain_text(f"Provinsi tertinggi: {nation['highest'][0]}")
    expect(page.locator(".strip dd").first).to_contain_text(points(nation["index_pct"]))
    expect(page.get_by_text("Pekan ini belum selesai")).to_be_visible()
    expect(page.get_by_text("bukan IPH BPS")).to_be_visible()
    provinces = page.get_by_role("region", name="Peringkat provinsi")
    expect(provinces.locator("tbody tr")).to_have_count(nation["regions"])
    provinces.get_by_role("button", name="Aceh").click()
    own = newest(site, "Aceh")
    expect(lead).to_contain_text(f"Peringkat {own['rank']} dari {own['regions']} provinsi")
    expect(page.locator(".strip")).to_contain_text("+0,41")
    basket = page.get_by_role("region", name="Andil tiap komoditas")
    first = own["items"][0]
    expect(basket.locator("tbody tr").first).to_contain_text(points(first["contribution_pct"]))
    expect(basket.get_by_role("columnheader", name="Koefisien variasi")).to_be_visible()


def test_week_is_in_the_address_and_the_buttons_move_by_one(page: Page, site: str) -> None:
    monday = date.fromisoformat(newest(site)["week"])
    before = monday - timedelta(days=7)
    page.goto(f"/iph?per={before + timedelta(days=2)}")
    title = page.locator("h2").first
    shown = title.inner_text()
    expect(page.get_by_text("Pekan ini belum selesai")).to_have_count(0)
    page.get_by_role("button", name="Pekan berikutnya").click()
    expect(title).not_to_have_text(shown)
    expect(page.get_by_role("button", name="Pekan berikutnya")).to_be_disabled()
    page.get_by_role("button", name="Pekan sebelumnya").click()
    expect(title).to_have_text(shown)
    page.goto("/iph?per=2015-01-07")
    expect(page.get_by_text("Tidak ada indeks untuk pekan").first).to_be_visible()


def test_sheet_fits_one_page_of_paper_and_is_saved_with_all_provinces(page: Page, site: str) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto("/iph?prov=Aceh")
    expect(page.locator(".lead")).to_be_visible()
    assert len(PDF_PAGE.findall(page.pdf(prefer_css_page_size=True))) == 1
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(22, 33, 28)", "light on paper"
    page.emulate_media(media="screen")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Unduh XLSX").click()
    assert re.fullmatch(r"weekly-index-[\d-]+\.xlsx", saved.value.suggested_filename)
    assert saved.value.path().read_bytes()[:2] == b"PK"
