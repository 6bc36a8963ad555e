"""The devices page: refused without a role, then a device from its QR code to its revocation."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import faults_of
from tests.support.api import ApiProcess


def test_page_without_a_sign_in_names_the_role_and_leads_to_it_and_back(page: Page) -> None:
    page.goto("/perangkat")
    refusal = page.get_by_role("main").get_by_role("alert")
    expect(refusal).to_contain_text("operator")
    refusal.get_by_role("link", name="Masuk").click()
    expect(page).to_have_url(re.compile(r"/masuk\?.*kembali=%2Fperangkat"))


def test_device_is_added_claimed_and_revoked_by_keyboard(operator: Page, running: ApiProcess) -> None:
    page = operator
    page.goto("/perangkat")
    field = page.get_by_label("Id perangkat")
    field.fill("DEV-PAGE-1")
    expect(page.locator("select[name=market_id]")).not_to_have_value("")  # the markets have come
    field.press("Enter")
    dialog = page.locator("dialog[open]")
    code = dialog.locator(".code")
    expect(code).to_have_text(re.compile(r"^(\S{4} )+\S{1,4}$"))
    expect(dialog.locator("img")).to_have_attribute("src", re.compile("^data:image/svg"))
    expect(dialog).to_contain_text(re.compile(r"berlaku \d:\d\d lagi"))
    claim = {"device_id": "DEV-PAGE-1", "claim_code": code.inner_text().replace(" ", "")}
    answer = running.http.post("/api/auth/device/claim", json=claim)
    assert answer.status_code == 200, answer.text
    expect(dialog.get_by_role("status")).to_contain_text("Menunggu pesan pertama")
    page.keyboard.press("Escape")
    row = page.get_by_role("row", name="DEV-PAGE-1")
    expect(row).to_contain_text("aktif")
    revoke = row.get_by_role("button", name="Cabut")
    revoke.focus()
    revoke.press("Enter")
    page.get_by_label("Alasan").fill("hilang di pasar")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(row).to_contain_text("dicabut")
    expect(row).to_contain_text("diputus paling lambat 2 detik")
    secret = {"device_id": "DEV-PAGE-1", "secret": answer.json()["secret"]}
    assert running.http.post("/api/auth/token", json=secret).status_code == 401


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_devices_and_the_claim_of_one_have_no_accessibility_fault(
    operator: Page, axe: str, theme: str
) -> None:
    operator.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    operator.goto(f"/perangkat?lang={'en' if theme == 'dark' else 'id'}")
    field = operator.locator("input[name=device_id]")
    field.fill(f"DEV-{theme.upper()}")
    expect(operator.locator("select[name=market_id]")).not_to_have_value("")  # the markets have come
    assert faults_of(operator, axe, (1440, 360)) == []
    field.press("Enter")
    expect(operator.locator("dialog[open] .code")).to_be_visible()
    assert faults_of(operator, axe, (1440, 360)) == []
