"""What people come for first: what rings and why, and a table for a spreadsheet; each in a few clicks.

Twenty decisions by keyboard, a device by its QR code and an embedded chart have their tests with their pages.
"""

from playwright.sync_api import Page, expect

from tests.browser.answers import api_body
from tests.serving_api.test_listings import sheet_of


def rounded(cell: str) -> str:
    """A number to six decimals; "" for a text."""
    try:
        return f"{float(cell):.6f}"
    except ValueError:
        return ""


def test_warned_officer_reaches_what_rang_its_rule_and_its_prices_in_two_clicks(page: Page) -> None:
    page.goto("/")
    gravest = page.locator(".ringing li").first
    gravest.get_by_role("link").click()
    detail = page.locator(".detail")
    expect(detail).to_contain_text("Cabai Rawit Merah · Jawa Barat")
    expect(detail.locator(".lead")).not_to_be_empty()
    expect(detail.locator(".action").first).to_be_visible()
    expect(detail.locator(".canvas")).to_be_visible()
    detail.get_by_role("link", name="Buka grafik komoditas").click()
    expect(page.get_by_role("heading", name="Penyebab")).to_be_visible()


def test_analyst_saves_months_with_their_changes_by_province_as_xlsx(page: Page, site: str) -> None:
    page.goto("/komoditas?komoditas=cabai-rawit-merah")
    with page.expect_download() as download:
        page.get_by_role("link", name="Bulanan (XLSX)").click()
    head, *months = sheet_of(download.value.path().read_bytes())
    items = api_body(site, "/api/v1/indicators/monthly?commodity=cabai-rawit-merah&limit=1000")["items"]
    assert {"region", "month", "mom_pct"} <= set(head) and len(months) == len(items)
    for row, item in zip(months, items, strict=True):  # empty cells of a row are not stored
        assert {item["region"], item["month"]} <= set(row)
        assert item["mom_pct"] is None or f"{item['mom_pct']:.6f}" in {rounded(cell) for cell in row}
