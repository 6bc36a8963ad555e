"""The alerts page: what rings, its prices and history, acknowledged and raised by operators."""

import re

import orjson
from playwright.sync_api import Page, expect

from tests.browser.review.conftest import Desk
from tests.conftest import Broker

ALERTS = "/peringatan"
TOPIC = "lumbung.alert"


def test_list_and_detail_equal_the_table(page: Page, desk: Desk) -> None:
    rows = desk.sql(
        "select region, message_indonesian, price_idr, market_date from gold_alerts "
        "where state in ('pending', 'active', 'acknowledged') order by opened_at desc, alert_id",
        "gold.alerts",
    )
    assert any(region == "Jawa Timur" and day for region, _, _, day in rows), "the rising price rings"
    page.goto(ALERTS)
    entries = page.locator(".entries li")
    expect(entries).to_have_count(len(rows))
    unfilled = [page.locator(f"nav a[href*={name}]") for name in ("sales", "pricing", "customers", "trades")]
    assert sum(entry.count() for entry in unfilled) == 0, "nothing is sold or traded here"
    for nth, (region, message, price, day) in enumerate(rows):
        expect(entries.nth(nth)).to_contain_text(region or "Indonesia")
        entries.nth(nth).get_by_role("button").click()
        expect(page.locator(".detail .lead")).to_have_text(message)
        expect(page.locator(".detail .facts dt", has_text="hari pasar")).to_have_count(1 if day else 0)
        expect(page.locator(".detail .facts").last).to_contain_text(f"{round(price):,}".replace(",", "."))
    expect(page).to_have_url(re.compile("peringatan=al-"))
    expect(page.locator(".acknowledge")).to_have_count(0)
    chart = page.locator(".canvas")
    chart.focus()
    chart.press("End")
    expect(page.locator(".plot [aria-live]")).to_contain_text("Rp")


def test_alert_is_raised_appears_on_request_and_is_acknowledged(
    operator: Page, desk: Desk, real_broker: Broker
) -> None:
    since = real_broker.ends()
    page = operator
    page.goto(ALERTS)
    entries = page.locator(".entries li")
    expect(entries.first).to_be_visible()
    listed = entries.count()
    page.get_by_role("button", name="Bunyikan peringatan").press("Enter")
    page.locator("form").get_by_label("Komoditas").select_option("telur-ayam-ras")
    page.get_by_label("Tingkat").last.select_option("kritis")
    page.get_by_label("Pesan").fill("gudang kosong \u202e di dua pasar")
    page.get_by_role("button", name="Bunyikan", exact=True).press("Enter")
    expect(page.locator(".raise [role=status]")).to_contain_text("telegram: tiruan")
    (record,) = real_broker.records(since, TOPIC, 1)
    assert orjson.loads(record.value())["level"] == "kritis"
    desk.work()
    arrived = page.get_by_role("button", name="1 baru")
    expect(arrived).to_be_visible()
    assert entries.count() == listed, "nothing moves before it is asked for"
    arrived.press("Enter")
    expect(entries).to_have_count(listed + 1)
    raised = entries.filter(has_text="Indonesia").filter(has_text="Kritis")
    raised.get_by_role("button").press("Enter")
    expect(page.locator(".detail .lead")).to_have_text("gudang kosong ⟦U+202E⟧ di dua pasar")
    page.get_by_label("Catatan").fill("operasi pasar besok")
    page.get_by_label("Catatan").press("Enter")
    expect(page.locator(".detail [role=status]")).to_contain_text("Tercatat")
    act = orjson.loads(real_broker.records(since, TOPIC, 2)[-1].value())
    assert (act["act"], act["note"]) == ("acknowledge", "operasi pasar besok")
    desk.work()
    expect(raised).to_contain_text("sudah diketahui")
    page.get_by_role("link", name="Beranda").click()
    gravest = page.locator(".ringing li").first
    expect(gravest).to_contain_text("gudang kosong")
    expect(gravest).to_contain_text("Diketahui petugas")
