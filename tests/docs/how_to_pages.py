"""The executable how-to pages: their blocks, and a copy of the repository that the blocks are applied to.

A fenced block whose info string names a target changes the copy:

    ```yaml file=PATH                 the block is the whole new file
    ```python add=PATH after="TEXT"   the block follows the only line of PATH that contains TEXT
    ```python replace=PATH old="TEXT" the block takes the place of the only line of PATH that contains TEXT
    ```python test                    runs in the copy and must exit 0

Other blocks are only shown.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from conf.settings import REPO, settings

HOW_TO = REPO / "docs" / "how-to"
COPIED = (
    "conf",
    "lakehouse",
    "producers",
    "streaming_jobs",
    "ml",
    "serving_api",
    "scripts",
    "tests",
    "pyproject.toml",
    "requirements.lock",  # its checksum is part of the key of a backtest block
)
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
TEST_SECONDS = 280


@dataclass(frozen=True)
class Edit:
    """One change of the copy. `anchor`: text of the line followed or replaced; None for a new file."""

    path: str
    text: str
    anchor: str | None = None
    replaces: bool = False


@dataclass
class Page:
    """The edits and tests of a how-to page."""

    name: str
    files_stated: int
    edits: list[Edit] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)

    @property
    def files(self) -> set[str]:
        """Paths that the page creates or changes."""
        return {edit.path for edit in self.edits}


def read_page(path: Path) -> Page:
    """A page with its blocks. Raises AssertionError when it states no number of files."""
    text = path.read_text(encoding="utf-8")
    stated = re.search(r"^Files: (\d+)$", text, re.MULTILINE)
    assert stated, f"{path.name}: no line 'Files: N'"
    page = Page(path.stem, int(stated[1]))
    for fence in FENCE.finditer(text):
        words = shlex.split(fence["info"])[1:]
        options = dict(word.split("=", 1) for word in words if "=" in word)
        if "file" in options:
            page.edits.append(Edit(options["file"], fence["body"]))
        elif "add" in options:
            page.edits.append(Edit(options["add"], fence["body"], options["after"]))
        elif "replace" in options:
            page.edits.append(Edit(options["replace"], fence["body"], options["old"], replaces=True))
        elif words == ["test"]:
            page.tests.append(fence["body"])
    return page


def copy_repository(target: Path) -> None:
    """The product and its tests; what set-up has installed is linked.

    Compiled files come along: without them each process of the copy would compile all that it imports.
    """
    ignored = shutil.ignore_patterns(".jgo")
    for name in COPIED:
        if (REPO / name).is_dir():
            shutil.copytree(REPO / name, target / name, ignore=ignored)
        else:
            shutil.copy(REPO / name, target / name)
    (target / ".venv").mkdir()
    for installed in ("bin", "deno"):
        (target / ".venv" / installed).symlink_to(REPO / ".venv" / installed)
    for jars in (REPO / "conf" / "jars").glob("*/.jgo"):
        (target / jars.relative_to(REPO)).symlink_to(jars.resolve())


def apply_edit(edit: Edit, copy: Path) -> None:
    """Change one file of the copy. Raises AssertionError when the anchor is not on exactly one line."""
    path = copy / edit.path
    if edit.anchor is None:
        assert not path.exists(), f"{edit.path} exists already"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(edit.text, encoding="utf-8")
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    matches = [number for number, line in enumerate(lines) if edit.anchor in line]
    assert len(matches) == 1, f"{edit.path}: {len(matches)} lines contain {edit.anchor!r}"
    position = matches[0]
    lines[position] = edit.text if edit.replaces else lines[position] + edit.text
    path.write_text("".join(lines), encoding="utf-8")


def run_test(source: str, copy: Path) -> subprocess.CompletedProcess[str]:
    """Run a test block in the copy with a home of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy),
        "LUMBUNG_HOME": str(copy / "var"),
        "LUMBUNG_SHARED": str(settings().shared),
    }
    return subprocess.run(
        [sys.executable, "-c", source],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TEST_SECONDS,
    )
