"""The tutorial, executed: every command of it in order, on a stack of its own."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from conf.settings import REPO
from scripts.stack.throwaway import Stack
from tests.support import doc_pages
from tests.support.waiting import eventually

PAGE = REPO / "docs" / "tutorial" / "first-hour.md"
BLOCK = re.compile(r"^```(bash|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
pytestmark = pytest.mark.timeout(900)


class Reader:
    """Follows the page in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = Stack(folder / "home", LUMBUNG_TRAINING__WATCH_SECONDS="5")
        verb = folder / "run.sh"
        verb.write_text(f'#!/usr/bin/env bash\nexec "{REPO}/run.sh" "$@"\n')
        verb.chmod(0o755)

    def run(self, line: str) -> str:
        """The standard output of one command line of the page."""
        here = line.replace("http://127.0.0.1:8000", self.stack.api_url).replace("curl ", "curl --fail -sS ")
        done = subprocess.run(
            ["bash", "-c", here], cwd=self.folder, env=self.stack.env, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{here}: {done.stdout}{done.stderr}"
        return done.stdout

    def quarantined(self) -> str:
        """Id of the row with the misspelled name, once the stream has validated it."""

        def ids() -> list[str]:
            rows = json.loads(self.run("./run.sh quarantine list --rule commodity_known --json"))
            return [row["event_id"] for row in rows if row["commodity"] == "Beras Medum"]

        eventually(lambda: bool(ids()), 60)
        return ids()[0]


def test_every_command_of_the_tutorial_works(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    printed = {}
    try:
        for language, text in BLOCK.findall(doc_pages.text_of(PAGE)):
            if language == "text" and text.startswith("market_id,"):
                (tmp_path / "my.csv").write_text(text)
            for line in text.replace("\\\n", "").splitlines() if language == "bash" else ():
                if " ID" in line:
                    line = line.replace(" ID", f" {reader.quarantined()}")
                printed[line] = reader.run(line)
    finally:
        reader.stack.stop()
    balance = re.search(r"IN=(\d+) .* LOST=0$", printed["./run.sh demo --detach"], re.MULTILINE)
    assert balance is not None and int(balance[1]) > 150_000
    check = printed["./run.sh demo --check"]
    assert check.count("✓") >= 13 and "not yet" not in check
    assert (tmp_path / "home").is_dir() and len(list(tmp_path.glob("*.csv"))) == 2
