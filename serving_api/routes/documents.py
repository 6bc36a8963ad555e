"""The documentation as Markdown, and llms.txt (llmstxt.org), which lists it for programs that read text."""

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import Path as PathParameter
from fastapi import Request, Response

from conf.settings import REPO, settings
from serving_api.http.messages import message
from serving_api.http.openapi import UNCHANGED
from serving_api.http.problems import Problem
from serving_api.http.router import Router
from serving_api.schemas.problem import problems

DOCS = REPO / "docs"
ROOT_PAGES = ("README.md", "CONTRIBUTING.md")
SECTIONS = {
    "tutorial": "Tutorial",
    "how-to": "How to",
    "explanation": "Explanation",
    "reference": "Reference",
    "results": "Optional",  # llmstxt.org: what a reader may leave out
}
SUMMARY = (
    "Lumbung takes in market prices of Indonesian staple food, checks them, stores them exactly once, "
    "forecasts prices and answers over HTTP. Answers name their table versions; missing values are null."
)
ADDRESSES = {
    "/openapi.json": "the API as OpenAPI 3.1",
    "/api/v1/overview": "all commodities on one day",
    "/komoditas.json?komoditas=cabai-rawit-merah": "the chart of a commodity; .csv, .svg, .png too",
    "/api/public/alerts/feed.atom": "alerts as an Atom feed",
    "/metode?lang=en": "how every figure is computed",
}
MARKDOWN = "text/markdown"
LINK = re.compile(r"\[([^]]+)\]\([^)]*\)")
PageInPath = Annotated[str, PathParameter(description="name of the file", examples=["README.md"])]
FolderInPath = Annotated[str, PathParameter(description="folder below docs/", examples=["how-to"])]
PageOfFolderInPath = Annotated[
    str, PathParameter(description="name of the file", examples=["use-the-web-page.md"])
]
KEPT = "public, max-age=300"

router = Router(tags=["documentation"])


def described(media: str, example: str) -> dict[int | str, dict[str, Any]]:
    """The documentation of a text's responses."""
    content = {"content": {media: {"schema": {"type": "string"}, "example": example}}}
    return {200: content, 304: UNCHANGED, **problems(404)}


@cache
def documents() -> dict[str, Path]:
    """The files that are served, by their path below /docs-md; no other file can be."""
    listed = {file.relative_to(DOCS).as_posix(): file for file in sorted(DOCS.rglob("*.md"))}
    return {name: REPO / name for name in ROOT_PAGES if (REPO / name).is_file()} | listed


@cache
def title_and_summary(file: Path) -> tuple[str, str]:
    """(heading, first sentence) of a page."""
    parts = [part.strip() for part in file.read_text(encoding="utf-8").split("\n\n")]
    parts = parts[1:] if parts[0].startswith("<!--") else parts
    sentence = next((part for part in parts[1:] if part.lstrip("*")[:1].isalpha()), "")
    plain = LINK.sub(r"\1", " ".join(sentence.split())).replace("*", "")
    return parts[0].removeprefix("# "), plain.partition(". ")[0].rstrip(".:")


def text_response(request: Request, text: str, media: str) -> Response:
    """The text; 304 when the caller has it."""
    content = text.encode()
    etag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
    headers = {"ETag": etag, "Cache-Control": KEPT}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=f"{media}; charset=utf-8")


@router.get(
    "/llms.txt",
    response_class=Response,
    responses=described("text/plain", f"# Lumbung\n\n> {SUMMARY}\n"),
    summary="What there is to read, for programs that read text",
)
def get_llms_text(request: Request) -> Response:
    """Title, summary, addresses and pages of the documentation (llmstxt.org)."""
    site = settings().public_url
    lines = ["# Lumbung", "", f"> {SUMMARY}", "", "## API", ""]
    lines += [f"- [{address}]({site}{address}): {text}" for address, text in ADDRESSES.items()]
    pages = {name: name.rpartition("/")[0] for name in documents()}
    for folder, heading in {"": "Start", **SECTIONS}.items():
        lines += ["", f"## {heading}", ""]
        for name in (name for name, of in pages.items() if of == folder):
            title, summary = title_and_summary(documents()[name])
            lines.append(f"- [{title}]({site}/docs-md/{name}): {summary}")
    return text_response(request, "\n".join([*lines, ""]), "text/plain")


@router.get(
    "/docs-md/{page}",
    response_class=Response,
    responses=described(MARKDOWN, "# Lumbung\n"),
    summary="A page of the documentation as Markdown",
)
def get_document(page: PageInPath, request: Request) -> Response:
    """Such as README.md; /llms.txt lists all pages."""
    return document(page, request)


@router.get(
    "/docs-md/{folder}/{page}",
    response_class=Response,
    responses=described(MARKDOWN, "# Use the web page\n"),
    summary="A page of a folder of the documentation as Markdown",
)
def get_document_of_folder(folder: FolderInPath, page: PageOfFolderInPath, request: Request) -> Response:
    """Such as how-to/use-the-web-page.md."""
    return document(f"{folder}/{page}", request)


@router.get("/docs-md/docs/{folder}/{page}", include_in_schema=False)
def get_linked_document(folder: str, page: str, request: Request) -> Response:
    """The same page where README.md, which lies above docs/, links to it."""
    return document(f"{folder}/{page}", request)


def document(name: str, request: Request) -> Response:
    """A page by its path, also as README.md links to it. Raises Problem 404 for anything that is no page."""
    file = documents().get(name.removeprefix("docs/"))
    if file is None:
        raise Problem("not-found", reason=message("no_document", name=name[:100]))
    return text_response(request, file.read_text(encoding="utf-8"), MARKDOWN)
