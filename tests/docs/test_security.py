"""docs/security.md: every test that it names exists, and every row has one or says why it does not apply."""

import re

from conf.settings import REPO
from tests.support.source_rules import tracked

PAGE = (REPO / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_exists():
    sources = "\n".join(file.read_text(encoding="utf-8") for file in tracked("tests/*.py"))
    defined = set(re.findall(r"def (test_\w+)", sources))
    assert set(re.findall(r"`(test_\w+)`", PAGE)) - defined == set()


def test_every_row_has_its_test_or_a_reason():
    rows = [line.strip("|").split(" | ") for line in PAGE.splitlines() if re.match(r"\| \d", line)]
    assert len(rows) >= 45
    assert [row for row in rows if len(row) != 4 or not row[2].strip() or not row[3].strip()] == []
