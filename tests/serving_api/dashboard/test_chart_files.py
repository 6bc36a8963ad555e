"""The chart of a commodity as CSV, JSON, SVG and PNG: what the page draws, with its origin, or a problem."""

import csv
import io
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from scripts.bench.api_lake import write
from serving_api import pages
from serving_api.reads.dashboard.chart_picture import colours
from tests.serving_api.indicator_lake import LAST, fill_prices, stored_rows
from tests.support import forecast_lake
from tests.support.api import Api, Environment, new_stack
from tests.support.served_lake import NOW

CHILLI = "cabai-rawit-merah"
SERIES = f"/api/v1/series/daily?commodity={CHILLI}"
QUERY = f"komoditas={CHILLI}&prov=Jawa%20Barat&bandingkan=Aceh"
FILES = {"csv": "text/csv", "json": "application/json", "svg": "image/svg+xml", "png": "image/png"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    stack = new_stack(tmp_path_factory.mktemp("charts"), LUMBUNG_API__PUBLIC_URL="https://harga.example")
    issued_at = datetime.combine(LAST, datetime.min.time(), NOW.tzinfo)
    with Environment(stack).entered():
        fill_prices(stack.lake_root, stored_rows(7))
        issue = forecast_lake.issue("ensemble", CHILLI, "32", issued_at=issued_at, champion=True)
        write(stack.lake_root, "gold.forecasts", issue)
    running = Api(stack)
    yield running
    running.stop()


def rows_of(api: Api, query: str) -> list[dict[str, str]]:
    response = api.get(f"/komoditas.csv?{query}")
    assert response.status_code == 200, response.text
    return list(csv.DictReader(io.StringIO(response.text)))


def drawn(api: Api, query: str) -> dict[str, Any]:
    body: dict[str, Any] = api.get(f"/komoditas.json?{query}").json()
    return body


@pytest.mark.parametrize(("ending", "media"), FILES.items())
def test_chart_is_a_file_with_etag_and_head(api: Api, ending: str, media: str) -> None:
    path = f"/komoditas.{ending}?{QUERY}"
    response = api.get(path)
    assert response.status_code == 200 and response.headers["content-type"].startswith(media)
    assert response.headers["cache-control"].startswith("public") and "ratelimit" in response.headers
    unchanged = api.get(path, headers={"If-None-Match": response.headers["etag"]})
    assert unchanged.status_code == 304 and not unchanged.content
    head = api.request("HEAD", path)
    assert head.status_code == 200 and not head.content and head.headers["etag"] == response.headers["etag"]


def test_csv_and_json_hold_the_figures_of_the_series_and_the_forecast(api: Api) -> None:
    series = api.get(SERIES).json()
    rows, body = rows_of(api, QUERY), drawn(api, QUERY)
    assert [row["market_date"] for row in rows] == body["dates"]
    assert len(rows) == len(series["dates"]) + 7
    place = [region["name"] for region in series["regions"]].index("Jawa Barat")
    known = {day: nth for nth, day in enumerate(series["dates"])}
    compared = 0
    for row in rows:
        nth = known.get(row["market_date"])
        for name, values in (
            ("national_price_idr", series["national"]),
            ("Jawa Barat", series["price_idr"][place]),
        ):
            value = None if nth is None else values[nth]
            assert row[name] == ("" if value is None else str(value))
            compared += value is not None
    assert compared > 150
    forecast = api.get(f"/api/public/forecast?commodity={CHILLI}&region=32").json()
    ahead = [row for row in rows if row["forecast_idr"]]
    assert [row["market_date"] for row in ahead] == [day["date"] for day in forecast["forecast"]]
    assert [float(row["forecast_low_95"]) for row in ahead] == forecast["levels"][1]["lower"]
    assert [float(row["forecast_high_80"]) for row in ahead] == forecast["levels"][0]["upper"]
    assert body["forecast"]["model"] == "ensemble" == body["meta"]["model"]["name"]


def test_days_range_and_zoom_are_those_of_the_address(api: Api) -> None:
    first, last = LAST - timedelta(days=20), LAST - timedelta(days=10)
    zoomed = rows_of(api, f"{QUERY}&rentang=90&zoom={first}..{last}")
    assert [zoomed[0]["market_date"], zoomed[-1]["market_date"]] == [str(first), str(last)]
    past = drawn(api, f"{QUERY}&per={last}&rentang=30")
    assert past["dates"][-1] == str(last) and past["forecast"] is None and len(past["dates"]) <= 30
    ahead = f"{QUERY}&zoom={LAST + timedelta(days=1)}..{LAST + timedelta(days=7)}"
    assert not any(drawn(api, ahead)["national"]) and "Prakiraan" in api.get(f"/komoditas.svg?{ahead}").text
    assert not drawn(api, f"{QUERY}&per=2001-01-01&saat-itu=1")["dates"]
    assert api.get(f"/komoditas.png?{QUERY}&per=2001-01-01&saat-itu=1").status_code == 200, "says so"
    bare = drawn(api, f"{QUERY}&sembunyi=provinces,ceiling,forecast,dots")
    assert [region["name"] for region in bare["regions"]] == ["Aceh", "Jawa Barat"]
    assert not any(bare["reference_idr"]) and bare["forecast"] is None and any(bare["national"])
    hidden = api.get(f"/komoditas.svg?{QUERY}&sembunyi=national").text
    assert "Rata-rata nasional" not in hidden and f"{LAST.year}. Lisensi" in hidden
    assert drawn(api, f"{QUERY}&kelas=3&tabel=1")["dates"], "parameters of other panels change nothing"


def test_svg_names_title_unit_source_day_licence_and_page(api: Api) -> None:
    svg = api.get(f"/komoditas.svg?{QUERY}")
    texts = [text.strip() for text in ET.fromstring(svg.text).itertext() if text.strip()]
    shown = " ".join(texts)
    assert "Harga Cabai Rawit Merah (Rp per kg)" in texts
    assert "Sumber: " in shown and "Lisensi: " in shown and str(LAST.year) in shown
    assert {"Jawa Barat", "Aceh", "Rata-rata nasional", "Prakiraan"} <= set(texts)
    page = "https://harga.example/komoditas?komoditas=cabai-rawit-merah&prov=Jawa+Barat&bandingkan=Aceh"
    assert page in texts and f"<{page}>" in svg.headers["link"]
    assert "script" not in svg.text and "style-src 'unsafe-inline'" in svg.headers["content-security-policy"]
    assert "Price of Cabai Rawit Merah (Rp per kg)" in api.get(f"/komoditas.svg?{QUERY}&lang=en").text


def test_pictures_are_equal_byte_for_byte_and_have_the_colours_of_the_page(api: Api) -> None:
    from serving_api.reads.dashboard import chart_picture
    from serving_api.reads.dashboard.chart_view import read_chart
    from serving_api.reads.snapshots import Snapshots
    from serving_api.schemas.daily import ChartQuery

    view = read_chart(api.shared(Snapshots), ChartQuery(komoditas=CHILLI))
    for picture in ("svg", "png"):
        assert chart_picture.draw(view, picture) == chart_picture.draw(view, picture)
    assert colours()["accent"] == "#0b6b53" and colours()["line-faint"][3] == pytest.approx(0.3)
    assert api.get("/komoditas.png").content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("query", "status", "problem"),
    [
        ("komoditas=unobtainium", 404, "unknown-commodity"),
        ("prov=Atlantis", 404, "unknown-region"),
        ("bandingkan=Mars", 404, "unknown-region"),
        ("rentang=1", 422, "validation"),
        ("zoom=2026-10-01..2026-09-01", 422, "validation"),
        ("zoom=2026-13-01..2026-14-01", 422, "validation"),
        ("lang=fr", 422, "validation"),
        ("per=2026-02-30", 422, "validation"),
    ],
)
def test_wrong_parameter_is_a_problem(api: Api, query: str, status: int, problem: str) -> None:
    for ending in ("csv", "png"):
        response = api.get(f"/komoditas.{ending}?{query}", headers={"Accept": "text/html"})
        assert (response.status_code, response.json()["type"]) == (status, f"/problems/{problem}")


def test_pictures_count_as_expensive_requests(tmp_path: Any) -> None:
    stack = new_stack(tmp_path, LUMBUNG_LIMITS__ENFORCED="true", LUMBUNG_LIMITS__EXPENSIVE_PER_MINUTE="1")
    running = Api(stack)
    try:
        assert running.get("/komoditas.png").status_code == 200
        refused = running.get("/komoditas.png?lang=en")
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0
        assert running.get("/komoditas.csv").status_code == 200
    finally:
        running.stop()


def test_only_the_embedded_chart_may_be_framed_and_only_by_listed_sites(
    api: Api, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "index.html").write_text("<!-- figures -->", encoding="utf-8")
    (tmp_path / "web" / "manifest.json").write_text('{"files": {"index.html": {}}}', encoding="utf-8")
    monkeypatch.setattr(pages, "BUILT", tmp_path / "web")
    site = "https://news.example"
    stack = new_stack(tmp_path, LUMBUNG_API__EMBED_ORIGINS=f'["{site}"]')
    running = Api(stack)
    try:
        answers = {path: running.get(path) for path in ("/komoditas?embed=1", "/komoditas", "/?embed=1")}
    finally:
        running.stop()
    policies = {path: answer.headers["content-security-policy"] for path, answer in answers.items()}
    assert policies.pop("/komoditas?embed=1").endswith(f"frame-ancestors {site}")
    assert all(policy.endswith("frame-ancestors 'none'") for policy in policies.values())
    unlisted = api.get("/komoditas?embed=1").headers["content-security-policy"]
    assert unlisted.endswith("frame-ancestors 'none'")
    assert not any("x-frame-options" in answer.headers for answer in answers.values())
