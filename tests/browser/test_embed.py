"""A chart in a page of another site: framed where the operator lists that site, refused everywhere else."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.accessibility import faults_of
from tests.browser.conftest import WAIT_MS
from tests.support.api import ApiProcess, new_stack

CHART = "/komoditas?komoditas=cabai-rawit-merah&embed=1"


class Silent(SimpleHTTPRequestHandler):
    """Serves a folder and prints nothing."""

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def news(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of another site, and the folder that it serves."""
    folder = tmp_path / "news"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


def framed(browser: Browser, news: tuple[str, Path], address: str) -> Page:
    """A page of the other site with a frame of the address."""
    origin, folder = news
    (folder / "index.html").write_text(f'<iframe src="{address}" width="700" height="640">', encoding="utf-8")
    page = browser.new_context().new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(origin)
    return page


def test_other_site_frames_the_chart_only_where_it_is_listed(
    chromium: Browser, site: str, news: tuple[str, Path], tmp_path: Path
) -> None:
    running = ApiProcess(new_stack(tmp_path, LUMBUNG_API__EMBED_ORIGINS=f'["{news[0]}"]'))
    try:
        listed = running.stack.api_url
        chart = framed(chromium, news, f"{listed}{CHART}").frame_locator("iframe")
        expect(chart.get_by_role("heading", level=1)).to_be_visible()
        expect(chart.get_by_role("link")).to_have_attribute("href", re.compile(f"^{listed}/komoditas"))
        expect(chart.get_by_role("navigation")).to_have_count(0)
        for refused in (f"{listed}/komoditas", f"{site}{CHART}"):
            page = framed(chromium, news, refused)
            assert page.frames[1].url.startswith("chrome-error:")
    finally:
        running.stop()


def test_embedded_chart_names_its_origin_and_has_no_violation(page: Page, axe: str) -> None:
    page.goto(CHART)
    expect(page.get_by_role("application")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Harga Cabai Rawit Merah (Rp per kg)")
    expect(page.get_by_text(re.compile("Sumber: .+ Data per .+ Lisensi: "))).to_be_visible()
    expect(page.get_by_role("banner")).to_have_count(0)
    assert not faults_of(page, axe, (720, 360))


def test_share_offers_the_view_as_link_files_and_frame(page: Page) -> None:
    page.goto("/komoditas?komoditas=cabai-rawit-merah&prov=Jawa%20Barat&rentang=90")
    page.get_by_role("button", name="Bagikan").click()
    dialog = page.get_by_role("dialog", name="Bagikan: Cabai Rawit Merah")
    view = "komoditas=cabai-rawit-merah&prov=Jawa+Barat&rentang=90"
    expect(dialog.get_by_label("Tautan ke tampilan ini").first).to_have_value(
        re.compile(re.escape(view) + "$")
    )
    expect(dialog.get_by_label(re.compile("^Kode untuk")).first).to_have_value(
        re.compile("^<iframe src=.+embed=1.+</iframe>$")
    )
    for ending in ("CSV", "JSON", "SVG", "PNG"):
        link = dialog.get_by_role("link", name=ending)
        response = page.context.request.get(link.get_attribute("href") or "")
        assert response.ok and f"{view}" in response.url
