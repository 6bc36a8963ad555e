"""The pages in a real browser: figures, languages, keyboard, accessibility, nothing from elsewhere."""

import csv
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.browser.answers import altered, api_body

CHILLI = "/komoditas?komoditas=cabai-rawit-merah"


def test_home_has_every_commodity_in_its_table_and_five_in_a_sentence(page: Page, site: str) -> None:
    page.goto("/")
    items = api_body(site, "/api/v1/overview")["items"]
    assert isinstance(items, list)
    rows = page.locator(".dense tbody tr")
    expect(rows).to_have_count(len(items))
    expect(page.locator(".sentences li")).to_have_count(min(5, len(items)))
    for item in items:
        price = f"{round(item['national_price_idr']):,}".replace(",", ".")
        expect(rows.filter(has_text=item["name"]).first).to_contain_text(f"Rp\u00a0{price}")
    assert (page.locator(".dense tbody tr").first.bounding_box() or {"y": 9e9})["y"] < 900
    page.goto("/?lang=en")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator(".sentences")).to_contain_text("in 7 days")


def test_level_of_a_commodity_leads_to_the_alerts_that_it_follows_from(page: Page, site: str) -> None:
    items = api_body(site, "/api/v1/overview")["items"]
    item = next(item for item in items if item["level_reason"] == "alerts")
    page.goto("/")
    row = page.locator(".dense tbody tr", has_text=item["name"])
    row.get_by_role("link", name=f"{item['open_alerts']} peringatan").click()
    expect(page.locator(".entries li")).not_to_have_count(0)
    waiting = api_body(site, f"/api/public/alerts/live?commodity={item['commodity']}")["items"]
    expect(page.locator(".entries li")).to_have_count(len(waiting))


def test_unknown_commodity_offers_a_search(page: Page) -> None:
    answer = page.goto("/komoditas?komoditas=cabai-biru")
    assert answer is not None and answer.status == 404
    expect(page.locator("main")).to_contain_text("Tidak ada komoditas bernama cabai-biru")
    page.get_by_role("searchbox").fill("cabai rawit")
    page.get_by_role("link", name="Cabai Rawit Merah").click()
    expect(page.locator(".canvas").first).to_be_visible()


def test_quality_names_each_violated_rule_with_its_sentence(page: Page, site: str) -> None:
    counted = api_body(site, "/api/v1/data-quality/summary?commodity=cabai-rawit-merah")
    violated = [row for row in counted["items"] if row["violated"]]
    page.goto(CHILLI)
    panel = page.locator("section", has=page.get_by_role("heading", name="Mutu data harga"))
    expect(panel.locator("tbody tr")).to_have_count(len(violated))
    expect(panel).to_contain_text(f"{counted['events']:,}".replace(",", "."))


def test_rows_are_sorted_again_on_request(page: Page, site: str) -> None:
    page.clock.install()
    page.goto("/")
    names = page.locator(".dense tbody th")
    expect(names.nth(1)).to_be_visible()
    first, second = names.nth(0).inner_text(), names.nth(1).inner_text()

    body = api_body(site, "/api/v1/overview")
    for item in body["items"]:
        item["level"] = "kritis" if item["name"] in second else "naik"
    page.route("**/api/v1/overview*", lambda route: route.fulfill(json=body))
    again = page.get_by_role("button", name="urutkan lagi")
    page.clock.run_for(40_000)
    expect(again).to_be_visible()
    expect(names.nth(0)).to_contain_text(first.split(maxsplit=1)[-1])
    again.click()
    expect(names.nth(0)).to_contain_text(second.split(maxsplit=1)[-1])
    expect(again).to_have_count(0)


def test_home_names_the_gravest_alerts_and_that_nobody_has_acted(page: Page, site: str) -> None:
    items = api_body(site, "/api/public/alerts/live")["items"]
    rings = [item for item in items if item["state"] != "pending"]
    gravest = [item["alert_id"] for level in ("siaga", "info") for item in rings if item["level"] == level]
    page.goto("/")
    entries = page.locator(".ringing li")
    expect(entries).to_have_count(3)
    addresses = [link.get_attribute("href") or "" for link in entries.get_by_role("link").all()]
    assert [address.partition("peringatan=")[2] for address in addresses] == gravest[:3]
    expect(entries.first).to_contain_text("periksa stok")
    expect(entries.first).to_contain_text("Belum ditindaklanjuti")
    expect(page.locator("nav a[href*=sales], nav a[href*=trades]")).to_have_count(2)


def test_origin_of_figures_names_table_version_and_call(page: Page, site: str) -> None:
    page.goto("/")
    page.locator(".card", has=page.locator(".sentences")).get_by_role("button", name="Asal angka").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text(re.compile(r"gold\.indicators v\d+"))
    expect(dialog).to_contain_text("/api/v1/overview")
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Simpan jawaban ini").click()
    rows = list(csv.DictReader(download.value.path().read_text(encoding="utf-8").splitlines()))
    items = {item["commodity"]: item for item in api_body(site, "/api/v1/overview")["items"]}
    assert {row["commodity"]: float(row["national_price_idr"]) for row in rows} == {
        name: item["national_price_idr"] for name, item in items.items()
    }


def test_panel_without_a_query_of_its_own_names_those_of_its_tables(page: Page) -> None:
    page.goto("/analytics")
    panel = page.locator("section", has=page.get_by_role("heading", name="Hasil akun"))
    panel.get_by_role("button", name="Asal angka").click()
    expect(page.locator("dialog[open]")).to_contain_text(re.compile(r"run\.sh query .select \* from gold\."))


def test_chart_is_read_by_keyboard_and_its_table_equals_the_api(page: Page, site: str) -> None:
    page.goto(f"{CHILLI}&prov=Jawa+Barat")
    chart = page.locator(".canvas")
    chart.focus()
    chart.press("Home")
    expect(page.locator(".plot [aria-live]")).to_contain_text(re.compile(r"Rp"))
    page.get_by_role("button", name="Tabel", exact=True).click()
    expect(page).to_have_url(re.compile("tabel=1"))
    body = api_body(site, "/api/v1/series/daily?commodity=cabai-rawit-merah")
    names = [region["name"] for region in body["regions"]]  # type: ignore[attr-defined]
    prices = body["price_idr"][names.index("Jawa Barat")]  # type: ignore[index]
    newest = next(price for price in reversed(prices) if price is not None)
    row = page.locator(".full tbody tr", has_text="Jawa Barat").first
    expect(row).to_contain_text(f"{round(newest):,}".replace(",", "."))


def test_map_is_walked_by_arrows_and_enter_chooses_a_province(page: Page) -> None:
    page.goto(CHILLI)
    shape = page.locator('.map svg [data-code="31"]')
    shape.focus()
    shape.press("ArrowRight")
    reached = page.evaluate("document.activeElement.dataset.code")
    assert reached and reached != "31"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("prov="))
    expect(page.locator("tr.on").first).to_be_visible()


def test_links_between_pages_keep_the_view_and_a_copied_address_shows_it(page: Page) -> None:
    page.goto(f"{CHILLI}&prov=Aceh&lang=en")
    page.get_by_role("link", name="Forecasts").click()
    expect(page).to_have_url(re.compile(r"/prakiraan\?.*prov=Aceh"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Forecasts")
    page.reload()
    expect(page.locator("select").nth(1)).to_have_value("Aceh")


def test_live_prices_follow_the_day_and_the_developers_page_has_their_sql(page: Page, site: str) -> None:
    then = api_body(site, "/api/public/commodity/price/live?commodity=cabai-rawit-merah&date=2010-01-01")
    assert then["items"] == []
    page.goto(f"{CHILLI}&per=2010-01-01")
    panel = page.locator(
        "section", has=page.get_by_role("heading", name="Harga per pasar, seperti diketahui")
    )
    expect(panel.locator(".empty")).to_contain_text("belum ada harga pasar")
    page.get_by_role("link", name="Pengembang").click()
    expect(page.locator("main")).to_contain_text("./run.sh query")
    expect(page.locator("main")).to_contain_text("from gold.indicators where commodity = 'cabai-rawit-merah'")


def test_missing_event_is_named_on_every_page(page: Page) -> None:
    page.route("**/api/v1/reconcile", altered(lambda body: body | {"balanced": False, "difference": 7}))
    page.goto("/prakiraan")
    expect(page.locator(".banner")).to_contain_text("Selisih 7 peristiwa")
    page.unroute("**/api/v1/reconcile")
    page.reload()
    expect(page.locator(".card").first).to_be_visible()
    expect(page.locator(".banner")).to_have_count(0)


def test_unknown_page_has_a_search(page: Page) -> None:
    response = page.goto("/harga/bawang-merah")
    assert response is not None and response.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("Halaman tidak ditemukan")
    search = page.get_by_role("searchbox")
    expect(search).to_have_value("harga bawang merah")
    search.fill("BAWANG merah")
    page.get_by_role("main").get_by_role("link", name="Bawang Merah").click()
    expect(page).to_have_url(re.compile(r"/komoditas\?komoditas=bawang-merah"))
    expect(page.locator(".canvas")).to_be_visible()


def test_zoomed_span_of_the_chart_is_in_the_address(page: Page) -> None:
    page.goto(f"{CHILLI}&rentang=90")
    page.wait_for_load_state("networkidle")  # each answer draws the chart again
    plot = page.locator(".canvas .u-over")
    expect(plot).to_be_visible()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 60, steps=3)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"zoom=\d{4}-\d\d-\d\d\.\.\d{4}-\d\d-\d\d"))
    page.reload()
    chart = page.locator(".canvas")
    chart.focus()
    chart.press("Escape")
    expect(page).not_to_have_url(re.compile("zoom="))


def test_past_forecasts_are_strokes_of_the_chart(page: Page) -> None:
    days = ["2024-07-29", "2024-07-30", "2024-07-31"]
    row = {"horizon_days": 1, "price_idr": 50_000, "lower_idr": 1, "upper_idr": 2, "actual_idr": None}
    rows = [
        row | {"issued_on": issued, "target_date": day, "model": "naive", "inside": None}
        for issued in ("2024-07-27", "2024-07-28")
        for day in days
    ]
    page.route("**/forecasts/issued*", altered(lambda body: body | {"items": rows}))
    page.route("**/api/public/forecast*", lambda route: route.abort())
    page.goto(f"{CHILLI}&rentang=90")
    expect(page.get_by_role("button", name="Prakiraan yang lalu")).to_be_visible()
    with page.expect_download() as download:
        page.locator(".card.full").first.get_by_role("button", name="Unduh CSV").click()
    saved = list(csv.DictReader(download.value.path().read_text(encoding="utf-8").splitlines()))
    issued = [line["issued 2024-07-28 naive"] for line in saved if line["market_date"] in days]
    assert issued == ["50000"] * 3


def test_attention_of_a_commodity_is_its_own_alerts(page: Page, site: str) -> None:
    items = api_body(site, "/api/public/alerts/live?commodity=bawang-merah")["items"]
    assert len(items) == 1
    page.goto("/komoditas?komoditas=bawang-merah")
    entries = page.locator(".ringing li")
    expect(entries).to_have_count(1)
    assert items[0]["alert_id"] in (entries.get_by_role("link").get_attribute("href") or "")


def test_legend_filters_the_map_and_its_table_and_rows_point_at_provinces(page: Page) -> None:
    page.goto("/dashboard/map/?komoditas=cabai-rawit-merah&metrik=price")
    rows = page.locator("tbody tr")
    expect(rows.first).to_be_visible()
    all_rows = rows.count()
    shapes = page.locator(".leaflet-box path.province")
    expect(shapes).to_have_count(38)
    expect(page.locator(".leaflet-box path.market[class*=' q']").first).to_be_attached()
    page.locator(".legend").get_by_role("button", name="tidak ada laporan").click()
    expect(page).to_have_url(re.compile("kelas=-1"))
    expect(page.locator(".leaflet-box path.province.muted").first).to_be_attached()
    shown = rows.count()
    assert shown < all_rows
    assert page.locator(".leaflet-box path.province:not(.muted)").count() == shown
    page.locator(".legend").get_by_role("button", name="tidak ada laporan").click()
    expect(rows).to_have_count(all_rows)
    rows.first.hover()
    expect(page.locator(".leaflet-box path.province.near")).to_have_count(1)
    expect(page.locator("tr.near")).to_have_count(1)


def test_hours_of_the_pipeline_are_bars_or_a_table(page: Page) -> None:
    page.goto("/pipa-data")
    panel = page.locator("section", has=page.get_by_role("heading", name="24 jam terakhir"))
    expect(panel).to_contain_text("20 peristiwa masuk, 4 dikarantina")
    expect(panel.locator(".stacked g")).to_have_count(24)
    expect(panel.locator(".marks span").nth(6)).to_have_text(re.compile(r"^\d\d\.00$"))
    panel.get_by_role("button", name="Tabel", exact=True).click()
    newest = panel.locator("tbody tr").last.get_by_role("cell")
    expect(newest).to_have_text(["10", "7", "2", "1"])


def test_flow_counts_tables_by_layer_and_names_those_that_are_late(page: Page) -> None:
    def with_late(body: dict[str, Any]) -> dict[str, Any]:
        late = {"late": True, "lag_seconds": 7200.0, "freshness_seconds": 60}
        tables = [
            row | (late if row["table"] == "gold.markets" else {"late": False}) for row in body["tables"]
        ]
        processes = [{"name": "trainer", "state": "killed", "since": "2026-01-01T00:00:00Z"}]
        return body | {"tables": tables, "processes": processes}

    page.route("**/api/v1/pipeline", altered(with_late))
    page.goto("/pipa-data")
    names = ["Pintu", "Kafka", "bronze", "silver", "karantina", "gold"]
    expect(page.locator(".flow .node b")).to_have_text(names)
    expect(page.locator(".flow .node.gold")).to_contain_text("2\u00a0j (gold.markets)")
    expect(page.locator(".late-tables li")).to_have_text([re.compile("gold.markets terlambat 2")])
    expect(page.locator(".processes .grave")).to_contain_text("Pelatih model: terhenti paksa")
    panel = page.locator("section", has=page.get_by_role("heading", name="Semua tabel"))
    rows = panel.locator("tbody tr")
    expect(rows.nth(40)).to_be_attached()
    panel.get_by_role("button", name="terlambat").click()
    expect(rows).to_have_count(1)
    panel.get_by_role("button", name="Semua", exact=True).click()
    panel.get_by_role("searchbox").fill("quarantine")
    expect(rows).to_have_text([re.compile("silver.quarantine")])


def test_series_that_ended_long_ago_or_came_from_a_file_are_no_alarm(page: Page) -> None:
    row = {
        "series_kind": "market",
        "cadence_seconds": 86_400,
        "silent": True,
        "silent_seconds": 9e5,
        "since": None,
    }
    now = datetime.now(UTC)
    ends = (("PASAR-001", 10, False), ("PASAR-002", 40, False), ("PASAR-003", 10, True))
    rows = [
        row
        | {"series_id": name, "last_event_time": (now - timedelta(days=days)).isoformat(), "replayed": file}
        for name, days, file in ends
    ]
    page.route("**/api/v1/silent-series*", altered(lambda body: body | {"items": rows}))
    page.goto("/pipa-data")
    panel = page.locator("section", has=page.get_by_role("heading", name="Yang diam"))
    expect(panel.locator("tbody th")).to_have_text(["pasar PASAR-001"])
    panel.get_by_role("checkbox").check()
    expect(panel.locator("tbody th")).to_have_text(["pasar PASAR-002", "pasar PASAR-003"])


def test_next_page_of_a_list_is_read_on_request(page: Page) -> None:
    row = {"kind": "price", "json_types": ["string"], "events": 1, "quarantined": None}
    row |= dict.fromkeys(("first_seen_at", "last_seen_at"), "2026-01-01T00:00:00Z")

    def answer(route: Route) -> None:
        first, _, cursor = route.request.url.partition("&cursor=")
        rows = [row | {"field": "second" if cursor else "first"}]
        body = route.fetch(url=first).json()
        route.fulfill(json=body | {"items": rows, "next_cursor": None if cursor else "next"})

    page.route(re.compile("/api/v1/schema-drift"), answer)
    page.goto("/pipa-data")
    panel = page.locator("section", has=page.get_by_role("heading", name="Bidang di luar kontrak"))
    fields = panel.locator("tbody th")
    expect(fields).to_have_text(["first"])
    panel.get_by_role("button", name="Selengkapnya").click()
    expect(fields).to_have_text(["first", "second"])
    expect(panel.get_by_role("button", name="Selengkapnya")).to_have_count(0)


def test_file_of_the_chart_holds_the_days_that_are_drawn(page: Page) -> None:
    page.goto(f"{CHILLI}&rentang=90&prov=Jawa+Barat")
    save = page.locator(".card.full").first.get_by_role("button", name="Unduh CSV")
    expect(page.locator(".canvas")).to_be_visible()
    with page.expect_download() as download:
        save.click()
    rows = list(csv.DictReader(download.value.path().read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 90 and {"national_price_idr", "Jawa Barat", "Aceh"} <= rows[0].keys()


def test_day_before_the_first_stored_price_is_explained(page: Page) -> None:
    page.goto("/?per=2010-01-01&saat-itu=1")
    expect(page.locator(".empty").first).to_contain_text("belum ada harga yang tersimpan")


def test_failure_of_the_api_keeps_a_way_to_try_again(page: Page) -> None:
    page.route("**/api/v1/overview*", lambda route: route.abort())
    page.goto("/")
    expect(page.get_by_role("alert").first).to_contain_text("Server tidak dapat dihubungi")
    page.unroute("**/api/v1/overview*")
    page.get_by_role("button", name="Coba lagi").first.click()
    expect(page.locator(".dense tbody tr").first).to_be_visible()
