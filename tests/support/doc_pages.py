"""README, CONTRIBUTING and docs as data: prose, code, links, commands and paths that they mention."""

import re
from functools import cache
from pathlib import Path

from conf.settings import REPO

REFERENCE = REPO / "docs" / "reference"
TOP_FOLDERS = (
    "conf",
    "docs",
    "lakehouse",
    "ml",
    "producers",
    "scripts",
    "serving_api",
    "streaming_jobs",
    "tests",
)
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(TOP_FOLDERS)})/[\w./-]*")
COMMAND = re.compile(r"\./run\.sh ([a-z][a-z-]*)((?:[ \t][^\n#`|]*)?)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def written_pages() -> list[Path]:
    """Pages that people write; docs/reference is generated."""
    docs = [page for page in sorted((REPO / "docs").rglob("*.md")) if page.parent != REFERENCE]
    return [REPO / "README.md", REPO / "CONTRIBUTING.md", *docs]


@cache
def text_of(page: Path) -> str:
    """The page's Markdown."""
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """Text without code, link targets and HTML comments."""
    text = INLINE_CODE.sub("", FENCE.sub("", text_of(page)))
    return re.sub(r"\]\([^)\s]+\)", "]", text)


def inline_code(page: Path) -> list[str]:
    """Contents of every `code` span."""
    return INLINE_CODE.findall(FENCE.sub("", text_of(page)))


def anchor(heading: str) -> str:
    """The fragment that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def broken_links(page: Path) -> list[str]:
    """Links to files or headings of this repository that do not exist."""
    broken = []
    for link in LINK.findall(FENCE.sub("", text_of(page))):
        target, _, fragment = link.partition("#")
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        known = path.exists()
        if known and fragment:
            known = fragment in {anchor(heading) for heading in HEADING.findall(text_of(path))}
        if not known:
            broken.append(link)
    return broken


def commands(page: Path) -> list[tuple[str, list[str]]]:
    """(verb, options) of every `./run.sh` call on the page, in prose and in code."""
    return [
        (verb, re.findall(r"(?<!\S)--[a-z][a-z-]*", arguments))
        for verb, arguments in COMMAND.findall(text_of(page))
    ]


@cache
def known_options() -> dict[str, set[str]]:
    """Verb -> options of it and of its subcommands, from the generated reference."""
    text = text_of(REFERENCE / "cli.md")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return {
        section.split("\n", 1)[0].strip(): {"--help", *re.findall(r"`(--[a-z-]+)`", section)}
        for section in sections
    }
