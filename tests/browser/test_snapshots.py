"""Snapshots of all pages at a fixed clock: their headings and the columns of their tables, without figures.

After a wanted change: PAGE_SNAPSHOTS=write ./run.sh test tests/browser/test_snapshots.py, then read the diff.
"""

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from serving_api.pages import PAGES

FILE = Path(__file__).with_name("snapshots.json")
CLOCK = datetime(2024, 8, 3, 2, tzinfo=UTC)  # a day after the newest prices
OUTLINE = """[...document.querySelectorAll("h1, main h2, main h3, main thead th")]
    .filter((element) => !element.closest("dialog")).map((element) => element.innerText)"""
FIGURE = re.compile(r"\d+(\s(Jan|Feb|Mar|Apr|Mei|Jun|Jul|Agu|Sep|Okt|Nov|Des)\b)?")


@pytest.mark.parametrize("path", PAGES)
def test_page_has_the_headings_and_columns_of_its_snapshot(page: Page, path: str) -> None:
    page.clock.set_fixed_time(CLOCK)
    page.goto(path)
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("main")).not_to_have_text("memuat…")
    expect(page.locator("main .skeleton")).to_have_count(0)
    outline = [FIGURE.sub("#", " ".join(text.split())) for text in page.evaluate(OUTLINE)]
    if os.environ.get("PAGE_SNAPSHOTS") == "write":
        known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
        known[path] = outline
        FILE.write_text(
            json.dumps(known, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
    assert outline == json.loads(FILE.read_text(encoding="utf-8"))[path]
