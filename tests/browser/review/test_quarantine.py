"""The review queue by keyboard, against the API, the broker and the stream."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from playwright.sync_api import Page, expect

from tests.browser.review.conftest import Desk
from tests.conftest import Broker

QUEUE = "/karantina"
DECIDED = 20
TOPIC = "lumbung.decision"


def open_rows(desk: Desk) -> list[dict[str, Any]]:
    answer = desk.process.get("/api/v1/quarantine?state=open&from=2000-01-01&limit=500", "operator")
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def opened(page: Page, path: str = QUEUE) -> Page:
    page.goto(path)
    expect(page.locator(".row.on")).to_be_visible()
    expect(page.get_by_role("listbox")).to_be_focused()
    expect(page.locator(".detail .lead")).to_be_visible()
    expect(page).to_have_url(re.compile("pilih="))
    return page


def chosen(page: Page) -> str:
    """The id of the event that is shown."""
    return parse_qs(urlsplit(page.url).query)["pilih"][0]


def expect_waiting(page: Page, count: int) -> None:
    expect(page.locator(".list > .bar > h2")).to_have_text(f"{count} baris menunggu")


def rupiah(amount: float) -> str:
    return f"Rp\u00a0{round(amount):,}".replace(",", ".")


KEY_RIGHT_AFTER_CLOSING = """() => {
    document.querySelector("dialog[open]").close(); // its event comes later
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "f", bubbles: true }));
}"""


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_figures_equal_sql_over_the_lake(operator: Page, desk: Desk) -> None:
    page = opened(operator)
    waiting = {item["event_id"] for item in open_rows(desk)}
    expect_waiting(page, len(waiting))
    listed = ", ".join(f"'{event_id}'" for event_id in waiting)
    rules = desk.sql(
        "select count(*) from (select event_id, unnest(reasons, recursive := true) from silver_quarantine "
        f"where event_id in ({listed})) where severity = 'error' group by rule order by 1 desc",
        "silver.quarantine",
    )
    counts = page.locator(".why .filters").first.locator("b").all_inner_texts()
    assert [int(count) for count in counts] == [count for (count,) in rules]
    compared = 0
    for _ in range(6):
        event_id = chosen(page)
        ((price, before),) = desk.sql(
            "select evidence->>'$.price_idr', (select p.price_idr from silver_prices p "
            "where (p.market_id, p.commodity) = (q.market_id, q.commodity) order by event_time desc limit 1) "
            f"from silver_quarantine q where event_id = '{event_id}'",
            "silver.quarantine",
            "silver.prices",
        )
        if price is not None:
            compared += 1
            expect(page.locator(".detail .lead")).to_contain_text(rupiah(float(price)))
            expect(page.locator(".detail .lead")).to_contain_text(rupiah(before))
            expect(page.locator(".axis .doubt")).to_have_attribute(
                "title", re.compile(re.escape(rupiah(float(price))))
            )
        page.keyboard.press("ArrowDown")
    assert compared >= 4


def test_hostile_text_of_an_event_is_shown_as_text(operator: Page, desk: Desk) -> None:
    hostile = next(item for item in open_rows(desk) if "<img" in (item["commodity"] or ""))
    page = opened(operator, f"{QUEUE}?pilih={hostile['event_id']}")
    detail = page.locator(".detail")
    expect(detail.locator("h2").first).to_contain_text("<img src=x onerror=")
    expect(detail.locator(".halves pre")).to_contain_text("gnp.exe")
    assert "⟦U+202E⟧" in detail.inner_text() and "⟦U+0001⟧" in detail.locator("h2").first.inner_text()
    assert page.title() != "1" and page.locator("main img, main script").count() == 0
    assert not re.search("[\u0001\u202e]", page.locator("main").inner_text())


def test_many_rows_need_their_number_and_can_be_taken_back(
    operator: Page, desk: Desk, real_broker: Broker
) -> None:
    since = real_broker.ends()
    page = opened(operator)
    waiting, later = len(open_rows(desk)), open_rows(desk)[-3]["event_id"]  # the tests below use others
    press(page, "x", "ArrowDown", "x", "t", "5")
    dialog = page.locator("dialog[open]")
    send = dialog.get_by_role("button", name="Putuskan 2 baris")
    page.keyboard.type("3")
    expect(send).to_be_disabled()
    press(page, "Backspace", "2")
    expect(send).to_be_enabled()
    page.keyboard.press("Enter")
    expect(page.locator(".tray")).to_contain_text("2 baris sekaligus")
    expect_waiting(page, waiting - 2)
    page.keyboard.press("z")
    expect(page.locator(".tray li")).to_have_count(0)
    expect_waiting(page, waiting)
    press(page, "End", "ArrowUp", "ArrowUp")
    expect(page).to_have_url(re.compile(f"pilih={later}"))
    expect(page.locator(".decision")).to_be_visible()
    press(page, "t", "5")
    expect_waiting(page, waiting - 1)
    page.keyboard.press("Shift+X")
    expect(page.locator(".list .chip")).to_contain_text(re.compile(r"^\d+ ditandai"))
    press(page, "?")
    page.evaluate(KEY_RIGHT_AFTER_CLOSING)
    expect(page.locator(".why .filters button").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("aturan="))
    (record,) = real_broker.records(since, TOPIC, 1)
    assert orjson.loads(record.value())["target_event_id"] == later, "the two before it are not sent"


def test_somebody_else_is_named_who_looks_at_a_row_or_was_first(operator: Page, desk: Desk) -> None:
    row, other = open_rows(desk)[-2:]
    path = f"/api/v1/quarantine/{row['event_id']}"
    assert desk.process.post(f"{path}/hold", b"{}", "central").status_code == 200
    page = opened(operator, f"{QUEUE}?pilih={row['event_id']}")
    expect(page.locator(".detail .stale")).to_contain_text("central sedang melihat baris ini")
    press(page, "t", "2")
    expect(page.locator(".tray")).to_contain_text("dikirim dalam")
    body = orjson.dumps({"decision": "reject", "reason": "seen on the spot"})
    assert desk.process.post(f"{path}/decision", body, "central").status_code == 202
    expect(page.locator(".tray li")).to_contain_text("central sudah memutuskan: Tolak (seen on the spot)")
    page.goto(f"{QUEUE}?pilih={other['event_id']}")
    expect(page.locator(".detail .lead")).to_be_visible()
    expect(page.locator(".detail .stale")).to_have_count(0)


def decide(page: Page, nth: int) -> str:
    """The decision on the row that is shown: its suggestion, else each of the three in turn."""
    if page.locator('[aria-keyshortcuts="U"]').count():
        press(page, "u", "2")
        return "correct"
    if nth % 3 == 0:
        page.keyboard.press("e")
        expect(page.get_by_label("Nilai yang benar")).to_be_focused()
        page.keyboard.type("29.500")
        press(page, "Enter", "2")
        return "correct"
    press(page, *("a1" if nth % 2 else "t3"))
    return "release" if nth % 2 else "reject"


def test_twenty_rows_are_decided_by_keyboard_alone(operator: Page, desk: Desk, real_broker: Broker) -> None:
    since = real_broker.ends()
    page = opened(operator)
    waiting = len(open_rows(desk))
    wanted: dict[str, str] = {}
    for nth in range(DECIDED):
        event_id = chosen(page)
        expect(page.locator(".row.on")).to_be_visible()
        expect(page.locator(".decision")).to_be_visible()
        wanted[event_id] = decide(page, nth)
        expect_waiting(page, waiting - nth - 1)
        if nth == 1:
            page.keyboard.press("z")
            expect_waiting(page, waiting - 1)
            expect(page).to_have_url(re.compile(f"pilih={event_id}"))
            wanted[event_id] = decide(page, nth)
        expect_waiting(page, waiting - nth - 1)
    records = real_broker.records(since, TOPIC, DECIDED)
    sent = {
        payload["target_event_id"]: payload["decision"]
        for payload in (orjson.loads(record.value()) for record in records)
    }
    assert len(records) == DECIDED and sent == wanted
    expect(page.locator(".tray")).to_contain_text("menunggu hasil")
    desk.work()
    expect(page.locator(".tray")).to_contain_text(
        re.compile("masuk ke data yang diterima|kembali ke karantina|selesai")
    )
    summary = desk.process.get("/api/v1/quarantine/summary", "operator").json()
    counts = page.locator(".why .filters").first.locator("b")
    expect(counts).to_have_text([str(entry["open"]) for entry in summary["by_rule"]])
    outcomes = {
        event_id: desk.process.get(f"/api/v1/quarantine/{event_id}/decisions", "operator").json()["items"][0][
            "outcome"
        ]
        for event_id in wanted
    }
    assert {outcomes[event_id] for event_id, verdict in wanted.items() if verdict == "reject"} == {"closed"}
    assert {outcomes[event_id] for event_id, verdict in wanted.items() if verdict == "release"} == {"silver"}
    assert "pending" not in outcomes.values()
