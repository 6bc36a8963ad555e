"""Commands print the language of the knob; JSON is the same in every language."""

import json
import subprocess
import sys
from pathlib import Path

from conf.settings import REPO, child_environment


def run(*arguments: str, home: Path, language: str) -> subprocess.CompletedProcess[str]:
    environment = child_environment(
        LUMBUNG_HOME=str(home), LUMBUNG_LANGUAGE=language, NO_COLOR="1", COLUMNS="200"
    )
    command = [sys.executable, "-m", "scripts.cli", *arguments]
    return subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, timeout=300)


def test_commands_print_the_language_of_the_knob(tmp_path: Path):
    missing = run("logs", "api", home=tmp_path, language="id")
    assert missing.returncode == 2
    assert "tidak ada; log yang ada: tidak ada" in missing.stderr
    assert "berapa baris" in run("logs", "--help", home=tmp_path, language="id").stdout
    verbs = run("--help", home=tmp_path, language="id").stdout
    assert "Menghentikan semuanya" in verbs and "─ Memutuskan ─" in verbs
    assert "titik awal" in run("train", "--help", home=tmp_path, language="id").stdout


def test_json_is_the_same_in_every_language(tmp_path: Path):
    english, indonesian = (
        run("status", "--json", home=tmp_path, language=language) for language in ("en", "id")
    )
    assert english.returncode == indonesian.returncode == 4
    assert json.loads(english.stdout) == json.loads(indonesian.stdout)
