"""docs/security.md: every row has a test or says why it does not apply."""

import re

from conf.settings import REPO

PAGE = (REPO / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_row_has_its_test_or_a_reason():
    rows = [line.strip("|").split(" | ") for line in PAGE.splitlines() if re.match(r"\| \d", line)]
    assert len(rows) >= 45
    assert [row for row in rows if len(row) != 4 or not row[2].strip() or not row[3].strip()] == []
