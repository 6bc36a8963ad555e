"""The web page: one HTML shell for all its addresses, hashed assets, and redirects from older addresses.

Two pages also hold their figures as plain HTML, for readers without script.
"""

import hashlib
import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import orjson
from anyio.to_thread import run_sync
from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from conf.settings import REPO
from lakehouse.io.table_files import UnreadableTable
from lakehouse.translation import Language
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.dashboard.plain_page import plain_figures
from serving_api.reads.snapshots import Snapshots

log = logging.getLogger("lumbung.api")
BUILT = REPO / ".venv" / "web"
DATA = ("api", "analytics", "predict", "ws", "assets")  # the addresses below them are no pages
WITH_FIGURES = ("/", "/komoditas")
FIGURES = b"<!-- figures -->"  # where the shell takes them
REDIRECTS = {
    "/market_realtime_dashboard/static/index.html": "/komoditas",
    "/dashboard/map": "/dashboard/map/",
}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HTML = "text/html; charset=utf-8"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".geo": "application/json; charset=utf-8",
    ".html": HTML,
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
FOREVER = "public, max-age=31536000, immutable"
REVALIDATED = "no-cache"
LICENCES = "assets/licenses.txt"  # its name has no hash
DEFAULT_COMMODITY = "cabai-rawit-merah"  # as in web/src/ui/controls.tsx
NOT_BUILT = (
    '<!doctype html><html lang="id"><meta charset="utf-8"><title>Lumbung</title>'
    "<p>Halaman web belum dibangun. Jalankan <code>./run.sh setup</code>. API berjalan: "
    '<a href="/docs">/docs</a>.</p>'
    '<p lang="en">The web page is not built. Run <code>./run.sh setup</code>. The API runs: '
    '<a href="/docs">/docs</a>.</p></html>'
)

router = Router(include_in_schema=False, route_class=APIRoute)


@dataclass(frozen=True)
class BuiltFile:
    """A file of the page."""

    content: bytes
    media_type: str
    etag: str


def built_pages() -> tuple[str, ...]:
    """The addresses of the pages that were built; without a build those with figures."""
    manifest = BUILT / "manifest.json"
    content = orjson.loads(manifest.read_bytes()) if manifest.is_file() else {}
    return tuple(content.get("pages", WITH_FIGURES))


@lru_cache(maxsize=2)
def read_build(folder: Path, modified_ns: int) -> dict[str, BuiltFile]:
    """Every file that the manifest names. `modified_ns`: of the manifest, so that a new build is read."""
    names = orjson.loads((folder / "manifest.json").read_bytes())["files"]
    return {name: read_file(folder / name) for name in names}


def read_file(path: Path) -> BuiltFile:
    """One file of the build."""
    content = path.read_bytes()
    return BuiltFile(content, MEDIA_TYPES[path.suffix], etag_of_content(content))


def etag_of_content(content: bytes) -> str:
    """Equal for equal bytes."""
    return f'"{hashlib.sha256(content).hexdigest()[:24]}"'


def build_files(folder: Path) -> dict[str, BuiltFile]:
    """The files of the newest build; empty when the page was not built."""
    try:
        modified = (folder / "manifest.json").stat().st_mtime_ns
        return read_build(folder, modified)
    except FileNotFoundError:
        return {}


def file_response(request: Request, file: BuiltFile, cache: str) -> Response:
    """The file; 304 when the caller has it."""
    headers = {
        "Cache-Control": cache,
        "ETag": file.etag,
        "Content-Security-Policy": PAGE_POLICY,
    }
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)


def not_built() -> Response:
    """503 with the remedy."""
    headers = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-store"}
    return Response(NOT_BUILT, 503, headers, HTML)


async def get_page(request: Request) -> Response:
    """The HTML shell; 503 when the page was not built."""
    shell = build_files(BUILT).get("index.html")
    return not_built() if shell is None else file_response(request, shell, REVALIDATED)


async def get_page_with_figures(request: Request, snapshots: Shared[Snapshots]) -> Response:
    """The HTML shell with sentences and a table of the newest prices; 503 when the page was not built."""
    shell = build_files(BUILT).get("index.html")
    if shell is None:
        return not_built()
    query = request.query_params
    language: Language = "en" if query.get("lang") == "en" else "id"
    commodity = query.get("komoditas", DEFAULT_COMMODITY)
    try:
        figures = await run_sync(plain_figures, snapshots, request.url.path, commodity, language)
    except (UnreadableTable, OSError) as error:  # the script says so too, and goes on trying
        log.warning("the page is served without figures: %s", type(error).__name__)
        figures = ""
    content = shell.content.replace(FIGURES, figures.encode())
    page = BuiltFile(content, HTML, etag_of_content(content))
    return file_response(request, page, REVALIDATED)


def get_not_found(request: Request) -> Response | None:
    """The shell with status 404, for a browser at an address without a page.

    503 when the page was not built. None for other callers and below the addresses of data.
    """
    begin = request.url.path.strip("/").partition("/")[0]
    is_browser = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")
    if not is_browser or begin in DATA:
        return None
    shell = build_files(BUILT).get("index.html")
    if shell is None:
        return not_built()
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": PAGE_POLICY}
    return Response(shell.content, 404, headers, HTML)


async def get_asset(name: str, request: Request) -> Response:
    """A script, style sheet, font or image; its name changes with its content. Raises Problem 404."""
    path = f"assets/{name}"
    file = build_files(BUILT).get(path)
    if file is None:
        raise HTTPException(404)
    return file_response(request, file, REVALIDATED if path == LICENCES else FOREVER)


async def follow(request: Request) -> RedirectResponse:
    """308 to the present address, query kept."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(REDIRECTS[request.url.path] + query, 308)


PAGES = built_pages()
for page in PAGES:
    router.add_api_route(page, get_page_with_figures if page in WITH_FIGURES else get_page)
for former in REDIRECTS:
    router.add_api_route(former, follow)
router.add_api_route("/assets/{name}", get_asset)
