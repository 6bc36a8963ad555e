"""What holds on every page: the states of its panels, hostile and odd values, paper, and no script."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from serving_api.pages import PAGES
from tests.browser.accessibility import FITS
from tests.browser.answers import altered, api_body, english_words
from tests.support.waiting import eventually

# Pages without panels, or whose panels need a role or rows of their own: other tests have their states.
ELSEWHERE = ("/admin", "/karantina", "/masuk", "/metode", "/pengembang", "/perangkat", "/peringatan")
CARDS = {
    "/": 5,
    "/komoditas": 6,
    "/prakiraan": 2,
    "/pipa-data": 8,
    "/iph": 3,
    "/dashboard/map/": 2,
    "/sales": 7,
    "/pricing": 5,
    "/customers": 3,
}
PANELS = {path: CARDS.get(path, 1) for path in PAGES if path not in ELSEWHERE}  # least number of cards
ANSWERS = re.compile("/(api|analytics)/")
NAMES = ("name", "market_name", "product_name", "message", "action", "region", "category", "title", "detail")
HOSTILE = '<img src=x onerror="document.title=1">\u202egnp.exe{{7*7}}</script><script>alert(1)</script>'
NOT_FIGURES = ("NaN", "Infinity", "undefined", "null", "[object")


def refused(status: int) -> Callable[[Route], None]:
    body = {"title": "Kesalahan", "detail": "tidak dapat dibaca", "status": status, "trace_id": "trace-7"}
    return lambda route: route.fulfill(
        status=status, content_type="application/problem+json", body=json.dumps(body)
    )


@pytest.mark.parametrize("path", PANELS)
def test_every_panel_waits_fails_recovers_and_grows_stale(page: Page, path: str) -> None:
    page.clock.install()
    held: list[Route] = []
    answers: list[Callable[[Route], None]] = [lambda route: held.append(route)]
    page.route(ANSWERS, lambda route: answers[-1](route))
    page.goto(path)
    panels = page.locator("section[aria-busy]")
    expect(panels.locator(".skeleton").first).to_be_visible()
    eventually(lambda: panels.locator(".skeleton").count() == panels.count())
    answers.append(refused(500))
    for route in held:
        refused(500)(route)
    alerts = panels.get_by_role("alert")
    expect(alerts.first).to_contain_text("trace-7")
    expect(panels.locator(".skeleton")).to_have_count(0)
    eventually(lambda: alerts.count() == panels.count())
    answers.append(lambda route: route.continue_())

    def are_gone_after_retry() -> bool:
        page.evaluate("document.querySelectorAll('.fault button').forEach((retry) => retry.click())")
        return alerts.count() == 0 and panels.locator(".skeleton").count() == 0

    eventually(are_gone_after_retry)  # the first check of a ledger says that it is not ready
    assert page.locator(".card").count() >= PANELS[path]
    answers.append(refused(503))
    page.clock.run_for(120_000)
    expect(page.locator(".stale").first).to_contain_text("berumur")
    expect(page.locator(".greyed").first).to_be_visible()


def test_polls_wait_for_the_time_that_the_api_names(page: Page) -> None:
    page.clock.install()
    requests: list[str] = []

    def refuse(route: Route) -> None:
        requests.append(route.request.url)
        route.fulfill(
            status=429, headers={"Retry-After": "600"}, json={"title": "Terlalu sering", "status": 429}
        )

    page.route("**/api/v1/overview*", refuse)
    page.goto("/")
    expect(page.get_by_role("alert").first).to_be_visible()
    page.clock.run_for(40_000)
    assert page.evaluate("fetch('/livez').then((later) => later.status)") == 200
    assert len(requests) == 1
    page.locator(".fault button").first.click()
    eventually(lambda: page.evaluate("0") or len(requests) == 2)  # a person need not wait


def test_answer_that_breaks_off_is_read_again_as_a_whole(page: Page) -> None:
    def cut(route: Route) -> None:
        response = route.fetch()
        assert response.headers["etag"]
        route.fulfill(response=response, body=response.body()[:100])

    overview = "**/api/v1/overview*"
    page.route(overview, cut)
    page.goto("/")
    retry = page.locator(".fault button")
    expect(retry.first).to_be_visible()
    page.unroute(overview)
    retry.first.click()
    expect(page.locator(".sentences li").first).to_be_visible()


@pytest.mark.parametrize("path", sorted(PANELS))
def test_indonesian_page_holds_no_english(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.locator(".card").first).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    assert english_words(page) == []


def changed(page: Page, site: str, change: Callable[[dict[str, Any]], None]) -> None:
    """The page gets another overview than the API's."""
    body = api_body(site, "/api/v1/overview")
    change(body)
    page.route("**/api/v1/overview*", lambda route: route.fulfill(json=body))


def test_hostile_text_is_shown_as_text(page: Page, site: str) -> None:
    def name(body: dict[str, Any]) -> None:
        for item in body["items"]:
            item["name"] = HOSTILE
            item["highest"]["region"] = HOSTILE

    changed(page, site, name)
    page.goto("/")
    expect(page.locator(".sentences li").first).to_contain_text("<img src=x onerror=")
    assert page.title() != "1" and page.locator("main img, main script").count() == 0
    page.goto(f"/komoditas?prov={HOSTILE}&bandingkan={HOSTILE}")
    expect(page.locator(".canvas").first).to_be_visible()
    assert page.locator("main img, main script").count() == 0
    page.goto(f"/komoditas?komoditas={HOSTILE}")
    expect(page.locator("main .lead")).to_contain_text("<img src=x onerror=")
    assert page.locator("main img, main script").count() == 0


def with_hidden_characters(body: Any) -> Any:
    """The body with a mark of writing direction and a control character in each name."""
    if isinstance(body, list):
        return [with_hidden_characters(entry) for entry in body]
    if not isinstance(body, dict):
        return body
    return {
        name: f"\u202e{value}\u0001"
        if name in NAMES and isinstance(value, str)
        else with_hidden_characters(value)
        for name, value in body.items()
    }


@pytest.mark.parametrize("path", ["/", "/komoditas", "/dashboard/map/", "/peringatan", "/sales"])
def test_hidden_characters_of_strangers_are_visible(page: Page, path: str) -> None:
    page.route(ANSWERS, altered(with_hidden_characters))
    page.goto(path)
    expect(page.locator("main")).to_contain_text("⟦U+202E⟧")
    expect(page.locator(".skeleton")).to_have_count(0)
    shown = page.evaluate(
        "[document.body.innerText, ...[...document.querySelectorAll('[aria-label]')].map((e) => e.ariaLabel)]"
    )
    assert not [text for text in shown if re.search("[\u0001\u202e]", text)]


def test_market_of_a_stranger_on_the_map_is_text(page: Page) -> None:
    def rename(body: dict[str, Any]) -> dict[str, Any]:
        return body | {"items": [item | {"name": HOSTILE} for item in body["items"]]}

    page.route("**/market/list*", altered(rename))
    page.goto("/dashboard/map/")
    page.locator(".leaflet-box .market").last.hover(force=True)
    tip = page.locator(".of-market.on")
    expect(tip).to_contain_text("<img src=x onerror=")
    expect(tip).to_contain_text("⟦U+202E⟧")
    assert page.title() != "1" and page.locator(".leaflet-box img").count() == 0


@pytest.mark.parametrize("value", [5e-324, 1e12, 0, None])
def test_odd_values_are_figures_or_a_dash(page: Page, site: str, value: float | None) -> None:
    def replace(body: dict[str, Any]) -> None:
        for item in body["items"][1:]:
            for field, present in item.items():
                if isinstance(present, int | float) and field.endswith(("_pct", "_idr")):
                    item[field] = value if value is not None or field.endswith("_pct") else present
            item["spark"] = [value] * 30
            item["provinces"] = 1

    changed(page, site, replace)
    page.goto("/")
    expect(page.locator(".sentences li").first).to_be_visible()
    text = page.locator("main").inner_text()
    assert not [word for word in NOT_FIGURES if word in text]


def test_lake_without_an_answer_shows_what_to_do(page: Page, site: str) -> None:
    changed(page, site, lambda body: body.update(items=[], date=None))
    page.goto("/")
    expect(page.locator(".empty").first).to_contain_text("./run.sh demo")


def test_paper_shows_tables_in_full_without_controls(page: Page) -> None:
    page.goto("/komoditas")
    expect(page.locator("tbody tr").first).to_be_visible()
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 690, "height": 1000})  # A4 between its margins
    expect(page.get_by_role("navigation")).to_be_hidden()
    expect(page.locator(".segments").first).to_be_hidden()
    heights = "[...document.querySelectorAll('.scroll')].map((box) => box.scrollHeight - box.clientHeight)"
    eventually(lambda: max(page.evaluate(heights)) <= 1 and page.evaluate(FITS))


def test_page_without_script_has_the_sentences_and_tables_of_the_page(
    chromium: Browser, page: Page, site: str
) -> None:
    context = chromium.new_context(base_url=site, java_script_enabled=False)
    plain = context.new_page()
    for language in ("id", "en"):
        page.goto(f"/?lang={language}")
        sentences = page.locator(".sentences p:last-child")
        expect(sentences.first).to_be_visible()
        plain.goto(f"/?lang={language}")
        shown = set(plain.locator("noscript p").all_inner_texts())
        assert set(sentences.all_inner_texts()) <= shown
        expect(plain.locator("noscript tr")).to_have_count(1 + page.locator(".dense tbody tr").count())
        assert (plain.locator("noscript p").first.bounding_box() or {"y": 9e9})["y"] < 100
        expect(plain.locator('a[href="/api/v1/overview"]').first).to_be_visible()
    plain.goto("/komoditas?komoditas=cabai-rawit-merah")
    body = api_body(site, "/api/v1/map/prices?commodity=cabai-rawit-merah&metric=price")
    prices = {region["name"]: region["price_idr"] for region in body["regions"]}
    row = plain.locator("noscript tr", has_text="Jawa Barat")
    expect(row).to_contain_text(f"{round(prices['Jawa Barat']):,}".replace(",", "."))
    plain.goto(f"/komoditas?komoditas={HOSTILE}")
    assert plain.locator("noscript tr, img").count() == 0
    context.close()
