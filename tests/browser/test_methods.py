"""From a figure to the way it is computed, in both languages, without a violation."""

import re

from playwright.sync_api import Page, expect

from tests.browser.accessibility import faults_of


def test_origin_of_a_figure_leads_to_its_method(page: Page, axe: str) -> None:
    page.goto("/komoditas?komoditas=cabai-rawit-merah")
    panel = page.get_by_role("region", name="Cabai Rawit Merah", exact=True)
    panel.get_by_role("button", name="Asal angka").click()
    page.get_by_role("dialog").get_by_role("link", name="Cara menghitung angka ini").click()
    expect(page).to_have_url(re.compile(r"/metode\?komoditas=cabai-rawit-merah#harga-nasional$"))
    section = page.get_by_role("region", name="Harga nasional", exact=True)
    expect(section).to_be_focused()
    expect(section).to_be_in_viewport()
    page.get_by_role("link", name="ALPS, peringatan WFP").click()
    expect(page.get_by_role("region", name="ALPS, peringatan WFP")).to_be_in_viewport()
    assert not faults_of(page, axe, (1440, 360))
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("region", name="National price")).to_contain_text("Price of a province = median")
    assert not faults_of(page, axe)
