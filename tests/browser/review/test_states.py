"""The states of the panels for deciding, who may see them, and access for everybody."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from lakehouse.identity.roles import Role
from tests.browser.accessibility import set_width
from tests.browser.review.conftest import Desk
from tests.browser.test_laws import refused
from tests.support.identity.people import PASSWORD, add_person
from tests.support.waiting import eventually

ADDRESSES = {"/karantina": "**/api/v1/quarantine**", "/peringatan": "**/api/public/alerts/**"}
EMPTY = {
    "/karantina": "Tidak ada yang perlu ditinjau.",
    "/peringatan": "Tidak ada peringatan yang berbunyi.",
}
WIDTHS = (1440, 360)
VIOLATIONS = "async () => (await axe.run()).violations.map((v) => [v.id, v.nodes.map((n) => n.html)])"


@pytest.mark.parametrize("path", ADDRESSES)
def test_every_panel_waits_fails_recovers_and_grows_stale(operator: Page, desk: Desk, path: str) -> None:
    page = operator
    page.clock.install()
    held: list[Route] = []
    answers: list[Callable[[Route], None]] = [lambda route: held.append(route)]
    page.route(ADDRESSES[path], lambda route: answers[-1](route))
    page.goto(f"{path}?pilih=beras-premium-31-44")
    panels = page.locator("section[aria-busy]")
    expect(panels.locator(".skeleton").first).to_be_visible()
    expect(panels).to_have_count(3 if path == "/karantina" else 1)
    eventually(lambda: panels.locator(".skeleton").count() == panels.count())
    answers.append(refused(500))
    for route in held:
        refused(500)(route)
    alerts = panels.get_by_role("alert")
    expect(panels.locator(".skeleton")).to_have_count(0)
    expect(alerts.first).to_contain_text("trace-7")
    eventually(lambda: alerts.count() == panels.count())
    answers.append(lambda route: route.continue_())
    panels.get_by_role("button", name="Coba lagi").first.click()

    def are_gone_after_the_next_poll() -> bool:
        page.clock.run_for(40_000)
        return alerts.count() == 0

    eventually(are_gone_after_the_next_poll)
    expect(panels.locator(".skeleton")).to_have_count(0)
    expect(page.locator(".detail .lead")).to_be_visible()
    answers.append(refused(503))
    page.clock.run_for(160_000)
    expect(page.locator(".stale").first).to_contain_text("berumur")
    expect(page.locator(".detail .greyed .lead")).to_be_visible()


@pytest.mark.parametrize("path", ADDRESSES)
def test_empty_panel_states_it_in_a_sentence(operator: Page, path: str) -> None:
    page = operator

    def emptied(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"items": [], "next_cursor": None, "open": 0})

    page.route(ADDRESSES[path], emptied)
    page.goto(path)
    expect(page.locator(".empty").first).to_have_text(EMPTY[path])
    expect(page.locator(".detail")).to_have_count(0)


def test_queue_names_the_role_that_it_needs(page: Page, desk: Desk) -> None:
    page.goto("/karantina")
    refusal = page.locator("main [role=alert]").first
    expect(refusal).to_contain_text("operator")
    expect(refusal.get_by_role("link", name="Masuk")).to_be_visible()
    add_person(desk.stack, "reader@example.id", Role.USER)
    body = {"email": "reader@example.id", "password": PASSWORD, "cookie": True}
    headers = {"Origin": desk.stack.api_url}
    assert page.context.request.post("/api/v1/auth/login", data=body, headers=headers).ok
    page.context.add_init_script("localStorage.setItem('signed-in', '1')")
    page.goto("/karantina")
    expect(refusal).to_contain_text("operator")
    expect(page.get_by_role("listbox")).to_have_count(0)
    page.goto("/peringatan")
    expect(page.get_by_role("button", name="Bunyikan peringatan")).to_have_count(0)


def expect_no_violation(page: Page, axe: str) -> None:
    page.evaluate(axe)
    for width in WIDTHS:
        set_width(page, width)
        assert page.evaluate(VIOLATIONS) == [], width
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})


@pytest.mark.slow
@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", ADDRESSES)
def test_no_accessibility_fault(operator: Page, axe: str, path: str, theme: str, language: str) -> None:
    page = operator
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.goto(f"{path}?lang={language}")
    expect(page.locator(".detail .lead")).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    expect_no_violation(page, axe)
    if path == "/peringatan":
        page.locator("button[aria-expanded]").click()
        expect_no_violation(page, axe)
        return
    for keys in (("?",), ("Escape", "x", "t", "5"), ("z", "e")):
        for key in keys:
            page.keyboard.press(key)
        expect_no_violation(page, axe)
