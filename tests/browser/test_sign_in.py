"""Signing in at the page: by a one-time link, by a password, and out again."""

import re

from playwright.sync_api import Browser, Page, Response, expect

from lakehouse.io.identity import recipients
from lakehouse.io.identity.accounts import by_email, one_time_link
from lakehouse.io.identity.database import Database
from scripts.stack.throwaway import Stack
from tests.browser.accessibility import faults_of
from tests.browser.conftest import signed_in
from tests.support.api import ApiProcess
from tests.support.identity.people import PASSWORD, add_person, in_store

CHOSEN = "delapan gajah menyeberang sungai"


def link_of(stack: Stack, email: str) -> str:
    async def issue(database: Database) -> str:
        user = await by_email(database, email)
        return await one_time_link(database, user.user_id, "test")

    link: str = in_store(stack, issue)
    return link


def test_one_time_link_sets_a_password_which_then_signs_in(page: Page, running: ApiProcess) -> None:
    add_person(running.stack, "linked@example.id")
    page.goto(f"/masuk#{link_of(running.stack, 'linked@example.id')}")
    expect(page).to_have_url(re.compile("/masuk$"))
    field = page.get_by_label("Kata sandi baru")
    expect(field).to_have_attribute("type", "password")
    field.fill("passwordpassword")
    page.get_by_role("main").get_by_role("button", name="Masuk").click()
    expect(page.get_by_role("main").get_by_role("alert")).to_be_visible()
    field.fill(CHOSEN)
    field.press("Enter")
    expect(page.get_by_role("button", name="Keluar")).to_be_visible()
    page.get_by_role("button", name="Keluar").click()
    page.get_by_role("link", name="Masuk", exact=True).click()
    page.get_by_label("Alamat surel").fill("linked@example.id")
    page.get_by_label("Kata sandi").fill(CHOSEN)
    page.keyboard.press("Enter")
    expect(page.get_by_text("pengguna", exact=True)).to_be_visible()


def test_sign_in_lasts_over_a_reload_and_ends_in_every_tab(page: Page, running: ApiProcess) -> None:
    add_person(running.stack, "tabs@example.id")
    page.goto(f"/masuk#{link_of(running.stack, 'tabs@example.id')}")
    page.get_by_label("Kata sandi baru").fill(CHOSEN)
    page.keyboard.press("Enter")
    leave = page.get_by_role("button", name="Keluar")
    expect(leave).to_be_visible()
    page.reload()
    expect(leave).to_be_visible()
    assert page.evaluate("document.cookie") == "", "no script reads the refresh token"
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert "ey" not in stored, "no token is stored"
    second = page.context.new_page()
    second.goto("/pipa-data")
    expect(second.get_by_role("button", name="Keluar")).to_be_visible()
    with page.expect_event("load"):  # the page opens anew; another address meanwhile would interrupt that
        leave.click()
    expect(second.get_by_role("link", name="Masuk", exact=True)).to_be_visible()
    page.goto("/masuk")
    page.get_by_label("Alamat surel").fill("tabs@example.id")
    page.get_by_label("Kata sandi").fill(CHOSEN)
    page.keyboard.press("Enter")
    expect(second.get_by_role("button", name="Keluar")).to_be_visible()


def test_person_changes_the_password_and_ends_the_sign_ins_elsewhere(
    page: Page, chromium: Browser, running: ApiProcess, axe: str
) -> None:
    add_person(running.stack, "changer@example.id")
    elsewhere = chromium.new_context(base_url=running.stack.api_url).new_page()
    for each in (page, elsewhere):
        each.goto("/masuk")
        each.get_by_label("Alamat surel").fill("changer@example.id")
        each.get_by_label("Kata sandi").fill(PASSWORD)
        each.keyboard.press("Enter")
        expect(each.get_by_role("button", name="Keluar")).to_be_visible()
    page.get_by_role("link", name="pengguna", exact=True).click()
    page.get_by_text("Ganti kata sandi").first.click()
    sent: list[int] = []
    page.on("response", lambda response: response.url.endswith("/password") and sent.append(response.status))
    change = page.get_by_role("button", name="Ganti kata sandi")
    page.get_by_label("Kata sandi sekarang").fill("tiga kucing tidur di pagar")
    page.get_by_label("Kata sandi baru").fill(CHOSEN)
    change.click()
    expect(page.get_by_role("main").get_by_role("alert")).to_contain_text("tidak cocok")
    assert sent == [401], "a wrong password counts once"
    page.get_by_label("Kata sandi sekarang").fill(PASSWORD)
    change.click()
    expect(page.get_by_text("Kata sandi sudah diganti.")).to_be_visible()
    assert faults_of(page, axe) == []
    page.reload()
    expect(page.get_by_text("changer@example.id")).to_be_visible()
    elsewhere.reload()
    expect(elsewhere.get_by_role("link", name="Masuk", exact=True)).to_be_visible()
    elsewhere.context.close()
    page.get_by_role("button", name="Akhiri sesi di semua perangkat").click()
    expect(page.get_by_role("link", name="Masuk", exact=True)).to_be_visible()


def is_saved(response: Response) -> bool:
    """Whether settings were written; the page reads them from the same address."""
    return response.url.endswith("/notification-settings") and response.request.method == "PUT"


def test_person_names_where_messages_go_and_confirms_it(
    operator: Page, running: ApiProcess, operator_email: str, axe: str
) -> None:
    operator.goto("/?lang=en")
    operator.get_by_role("link", name="operator").click()
    wanted = operator.get_by_role("checkbox", name="By Telegram")
    with operator.expect_response(is_saved):
        wanted.check()
    operator.reload()
    expect(wanted).to_be_checked()
    telegram = operator.get_by_role("group", name="By Telegram")
    telegram.get_by_label("Id of your chat").fill("700100200")
    telegram.get_by_role("button", name="Send a code").click()
    expect(operator.get_by_role("alert")).to_contain_text("the operator has set no token for telegram")

    async def code(database: Database) -> str:
        owner = (await by_email(database, operator_email)).user_id
        await recipients.name_address(database, owner, "telegram", "700100200")
        return next(
            str(row.code) for row, _ in await recipients.waiting_codes(database) if row.owner == owner
        )

    sent = in_store(running.stack, code)
    operator.reload()
    telegram.get_by_label("Code that arrived there").fill(sent)
    telegram.get_by_role("button", name="Confirm").click()
    expect(telegram).to_contain_text("Confirmed: messages go there")
    assert faults_of(operator, axe) == []


def test_choice_of_commodities_provinces_level_and_digest_is_saved_and_shown_again(
    page: Page, running: ApiProcess, axe: str
) -> None:
    add_person(running.stack, "chooser@example.id")
    person = signed_in(page, running, "chooser@example.id")
    sent: list[str] = []
    person.on(
        "response", lambda response: sent.append(response.request.method) if is_saved(response) else None
    )
    person.goto("/masuk?lang=en")
    person.get_by_label("Messages by e-mail, Telegram and WhatsApp").select_option(
        "together, every day at 07:00 in Jakarta"
    )
    person.get_by_label("Lowest level").select_option("Alert")
    person.get_by_text("Commodities of alerts: all").click()
    commodities = person.get_by_role("group", name="Commodities of alerts")
    for name in ("Cabai Rawit Merah", "Garam Konsumsi"):
        commodities.get_by_role("checkbox", name=name, exact=True).check()
    person.get_by_text("Provinces of alerts: all").click()
    provinces = person.get_by_role("group", name="Provinces of alerts")
    with person.expect_response(lambda response: is_saved(response) and len(sent) == 5):
        provinces.get_by_role("checkbox", name="Jawa Barat").check()
    assert faults_of(person, axe) == []
    person.reload()
    expect(person.get_by_text("Commodities of alerts: Cabai Rawit Merah, Garam Konsumsi")).to_be_visible()
    expect(person.get_by_text("Provinces of alerts: Jawa Barat")).to_be_visible()
    expect(person.get_by_label("Lowest level")).to_have_value("siaga")
    expect(person.get_by_label("Messages by e-mail, Telegram and WhatsApp")).to_have_value("daily")
    expect(person.get_by_text(re.compile(r"rung \d+ times in the last 90 days"))).to_be_visible()
    person.get_by_text("Provinces of alerts: Jawa Barat").click()
    person.route("**/notification-settings", lambda route: route.abort())
    provinces.get_by_role("checkbox", name="Aceh").click()
    expect(person.get_by_role("main").get_by_role("alert")).to_be_visible()
    expect(provinces.get_by_role("checkbox", name="Aceh")).not_to_be_checked()
