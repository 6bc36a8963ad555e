"""The web page: one HTML shell for all its addresses, hashed assets, and redirects from older addresses.

Two pages also hold their figures as plain HTML, for readers without script, and all a preview (Open Graph).
"""

import hashlib
import logging
from html import escape
from pathlib import Path
from typing import Any

import orjson
from anyio.to_thread import run_sync
from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from conf.settings import REPO, settings
from lakehouse.io.table_files import UnreadableTable
from lakehouse.translation import Language
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.dashboard.plain_page import PlainPage, general_page, plain_page
from serving_api.reads.snapshots import Snapshots

log = logging.getLogger("lumbung.api")
BUILT = REPO / ".venv" / "web"
SHELL = "index.html"
DATA = ("api", "analytics", "predict", "ws", "assets")  # the addresses below them are no pages
WITH_FIGURES = ("/", "/komoditas")
FIGURES = b"<!-- figures -->"  # where the shell takes them
PREVIEW = b"<!-- preview -->"
ICON = "favicon.svg"
METHODS = ["GET", "HEAD"]
REDIRECTS = {
    "/market_realtime_dashboard/static/index.html": "/komoditas",
    "/dashboard/map": "/dashboard/map/",
}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
EMBEDDED = "/komoditas"  # with `embed=1`, the only page that other sites may frame
HTML = "text/html; charset=utf-8"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".geo": "application/json; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
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


def manifest() -> dict[str, Any]:
    """What the build says about itself; empty when the page was not built."""
    file = BUILT / "manifest.json"
    return orjson.loads(file.read_bytes()) if file.is_file() else {}


def built_pages() -> tuple[str, ...]:
    """The addresses of the pages that were built; without a build those with figures."""
    return tuple(manifest().get("pages", WITH_FIGURES))


def built_file(name: str) -> bytes | None:
    """A file of the newest build; None for one that its manifest does not name."""
    return (BUILT / name).read_bytes() if name in manifest().get("files", ()) else None


def file_response(request: Request, content: bytes, media_type: str, cache: str) -> Response:
    """The file; 304 when the caller has it."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
    headers = {"Cache-Control": cache, "ETag": etag, "Content-Security-Policy": PAGE_POLICY}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=media_type)


def not_built() -> Response:
    """503 with the remedy."""
    headers = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-store"}
    return Response(NOT_BUILT, 503, headers, HTML)


def language_in(request: Request) -> Language:
    """The language of a page, which its address names."""
    return "en" if request.query_params.get("lang") == "en" else "id"


def filled(shell: bytes, page: PlainPage, request: Request) -> bytes:
    """The shell with the figures of a page, and with its sentence as what a link to it shows."""
    query = f"?{request.url.query}" if request.url.query else ""
    properties = {
        "og:type": "website",
        "og:site_name": "Lumbung",
        "og:title": page.title,
        "og:description": page.sentence,
        "og:url": f"{settings().public_url}{request.url.path}{query}",
        "og:locale": "en" if language_in(request) == "en" else "id_ID",
    }
    if request.url.path == EMBEDDED:  # its chart is a picture too
        properties["og:image"] = f"{settings().public_url}{EMBEDDED}.png{query}"
    preview = [f'<meta property="{name}" content="{escape(text)}">' for name, text in properties.items()]
    preview.append(f'<meta name="description" content="{escape(page.sentence)}">')
    return shell.replace(FIGURES, page.html.encode()).replace(PREVIEW, "\n".join(preview).encode())


async def get_page(request: Request) -> Response:
    """The HTML shell; 503 when the page was not built."""
    shell = built_file(SHELL)
    if shell is None:
        return not_built()
    page = general_page(language_in(request))
    return file_response(request, filled(shell, page, request), HTML, REVALIDATED)


async def get_page_with_figures(request: Request, snapshots: Shared[Snapshots]) -> Response:
    """The HTML shell with sentences and a table of the newest prices.

    404 for an unknown commodity, 503 when the page was not built.
    """
    shell = built_file(SHELL)
    if shell is None:
        return not_built()
    language = language_in(request)
    commodity = request.query_params.get("komoditas", DEFAULT_COMMODITY)
    try:
        page = await run_sync(plain_page, snapshots, request.url.path, commodity, language)
    except (UnreadableTable, OSError) as error:  # the script says so too, and goes on trying
        log.warning("the page is served without figures: %s", type(error).__name__)
        page = general_page(language)
    if page is None:
        return not_found(shell)
    response = file_response(request, filled(shell, page, request), HTML, REVALIDATED)
    response.headers["Content-Security-Policy"] = framing_policy(request)
    return response


def framing_policy(request: Request) -> str:
    """The policy of a page; that of an embedded chart names the sites that may frame it."""
    origins = " ".join(settings().api.embed_origins)
    is_embedded = request.url.path == EMBEDDED and request.query_params.get("embed") == "1"
    if not origins or not is_embedded:
        return PAGE_POLICY
    return PAGE_POLICY.replace("frame-ancestors 'none'", f"frame-ancestors {origins}")


def not_found(shell: bytes) -> Response:
    """404 with the shell, whose script offers a search."""
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": PAGE_POLICY}
    return Response(shell, 404, headers, HTML)


def get_not_found(request: Request) -> Response | None:
    """The shell with status 404, for a browser at an address without a page.

    503 when the page was not built. None for other callers and below the addresses of data.
    """
    begin = request.url.path.strip("/").partition("/")[0]
    is_browser = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")
    if not is_browser or begin in DATA:
        return None
    shell = built_file(SHELL)
    return not_built() if shell is None else not_found(shell)


async def get_icon(request: Request) -> Response:
    """The icon of the page. Raises Problem 404 when the page was not built."""
    content = built_file(ICON)
    if content is None:
        raise HTTPException(404)
    return file_response(request, content, MEDIA_TYPES[".svg"], REVALIDATED)


async def get_asset(name: str, request: Request) -> Response:
    """A script, style sheet, font or image; its name changes with its content. Raises Problem 404."""
    path = f"assets/{name}"
    content = built_file(path)
    if content is None:
        raise HTTPException(404)
    media_type = MEDIA_TYPES[Path(name).suffix]
    return file_response(request, content, media_type, REVALIDATED if path == LICENCES else FOREVER)


async def follow(request: Request) -> RedirectResponse:
    """308 to the present address, query kept."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(REDIRECTS[request.url.path] + query, 308)


PAGES = built_pages()
for page in PAGES:
    router.add_api_route(page, get_page_with_figures if page in WITH_FIGURES else get_page, methods=METHODS)
for former in REDIRECTS:
    router.add_api_route(former, follow, methods=METHODS)
router.add_api_route("/assets/{name}", get_asset, methods=METHODS)
for name in (f"/{ICON}", "/favicon.ico"):
    router.add_api_route(name, get_icon, methods=METHODS)
