"""The verbs of run.sh: help, wrong usage, and what is checked before anything is set up."""

import importlib
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from conf.runtime.exit_codes import ExitCode
from conf.settings import REPO, child_environment, settings
from scripts.cli import VERBS, Verb, app
from scripts.commands import test as test_verb
from tests.scripts import ctrl_c

LARGE_MODULES = ("pyspark", "mlflow", "pandas", "duckdb", "deltalake", "pyarrow", "confluent_kafka")


def run_sh(*verb: str, cwd: Path = REPO, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(REPO / "run.sh"), *verb],
        cwd=cwd,
        env=child_environment(**env),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_unknown_verb_is_wrong_usage(tmp_path: Path):
    done = run_sh("frobnicate", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "frobnicate" in done.stderr


def test_help_lists_every_verb() -> None:
    shown = run_sh("--help").stdout
    verbs = ["setup", *(verb.name for verb in VERBS)]
    assert [verb for verb in verbs if f" {verb} " not in shown] == []


def test_every_verb_that_the_help_lists_is_known_to_run_sh() -> None:
    script = (REPO / "run.sh").read_text(encoding="utf-8")
    words = script[script.index('case "$verb" in') :].replace("|", " ").replace(")", " ").split()
    assert [verb.name for verb in VERBS if verb.name not in words] == []


@pytest.mark.parametrize(
    ("script", "given", "passed"),
    [
        ("simulation.sh", (), "simulate all"),
        ("simulation.sh", ("1", "--rate", "5"), "simulate 1 --rate 5"),
        ("simulation.sh", ("2",), "simulate 2"),
        ("simulation.sh", ("all", "--seed", "3"), "simulate all --seed 3"),
        ("run_training.sh", ("sales",), "train --if-changed sales"),
    ],
)
def test_script_gives_its_arguments_to_run_sh(
    tmp_path: Path, script: str, given: tuple[str, ...], passed: str
) -> None:
    copy = tmp_path / "scripts" / script
    copy.parent.mkdir()
    shutil.copy(REPO / "scripts" / script, copy)
    shown = tmp_path / "run.sh"
    shown.write_text('#!/bin/sh\necho "$@"\nexit 3\n')
    shown.chmod(0o755)
    done = subprocess.run([copy, *given], cwd="/", capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (3, f"{passed}\n"), "also the exit code"


def test_scripts_refuse_an_unknown_sample_and_name_the_python_that_is_here() -> None:
    scripts = REPO / "scripts"
    refused = subprocess.run([scripts / "simulation.sh", "4"], capture_output=True, text=True, timeout=60)
    assert (refused.returncode, refused.stdout) == (2, "") and "[1|2|all]" in refused.stderr
    named = subprocess.run([scripts / "python.sh"], capture_output=True, text=True, timeout=60)
    assert named.returncode == 0 and " is here: /" in named.stdout


def test_help_imports_no_large_module() -> None:
    """Measured on 2 cores: the list of verbs takes 0.5 s, an import of pyspark alone 0.6 s."""
    code = (
        "import sys, scripts.cli\n"
        "try: scripts.cli.app(['--help'])\n"
        "except SystemExit:\n"
        f"    print([name for name in {LARGE_MODULES} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_has_its_own_help(verb: Verb) -> None:
    module = importlib.import_module(verb.module)
    result = CliRunner().invoke(module.app, ["--help"], prog_name=f"./run.sh {verb.name}")
    assert result.exit_code == 0
    assert f"./run.sh {verb.name}" in result.stdout
    assert "--help" in result.stdout


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_examples_of_a_verb_have_arguments_and_options_that_it_takes(
    verb: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("downloads", "prices.csv", "labelled.csv"):  # of files that must exist
        Path(name).touch()
    assert verb.examples
    for example in verb.examples:
        name, *words = shlex.split(example)
        assert name == verb.name
        typer.main.get_command(importlib.import_module(verb.module).app).make_context(name, words)


def test_help_of_a_verb_shows_its_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        app(["alerts", "--help"])
    assert "./run.sh alerts acknowledge ID --note" in capsys.readouterr().out


def test_version_is_that_of_the_project() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert run_sh("--version").stdout == f"lumbung {project['version']}\n"


def test_relative_path_is_resolved_in_the_callers_folder(tmp_path: Path):
    done = run_sh(
        "query",
        "select 1 as a",
        "--format",
        "parquet",
        "--output",
        "out.parquet",
        cwd=tmp_path,
        LUMBUNG_HOME=str(tmp_path),
    )
    assert (done.returncode, (tmp_path / "out.parquet").exists()) == (0, True)


def test_set_up_without_python_or_java_names_what_is_missing(tmp_path: Path):
    """A copy of run.sh with a PATH that has only the tools of a shell."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "env", "dirname", "sed", "head", "cat", "cut", "sha256sum", "grep", "uname"):
        program = next(
            (Path(folder) / name for folder in ("/usr/bin", "/bin") if (Path(folder) / name).exists()), None
        )
        if program:
            (tools / name).symlink_to(program)
    (tmp_path / "run.sh").write_text((REPO / "run.sh").read_text().replace("/usr/lib/jvm/", "/nowhere/"))
    (tmp_path / "run.sh").chmod(0o755)
    command = [str(tools / "bash"), str(tmp_path / "run.sh"), "setup"]
    done = subprocess.run(command, env={"PATH": str(tools)}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3
    assert "Java 17 or 21" in done.stderr and "remedy" in done.stderr


def test_interrupted_set_up_names_the_way_on_and_has_the_exit_code_of_an_interruption(tmp_path: Path):
    """Ctrl-C reaches the whole process group while a step runs: here by a python3.11 that sends it itself."""
    for path in REPO.glob("[a-z]*"):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "run.sh").unlink()
    (tmp_path / "run.sh").write_text((REPO / "run.sh").read_text())
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "python3.11").write_text(
        '#!/bin/sh\n[ "$1" = -c ] || { echo Traceback >&2; kill -INT 0; sleep 600; }\n'
    )
    (tools / "python3.11").chmod(0o755)
    done = subprocess.run(
        ctrl_c.heeding("bash", str(tmp_path / "run.sh"), "setup"),
        env=child_environment(PATH=f"{tools}:{os.environ['PATH']}", LUMBUNG_HOME=str(tmp_path / "home")),
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    assert done.returncode == ExitCode.INTERRUPTED, done.stderr
    assert done.stderr.rstrip().endswith("the same command goes on with the step that it was at")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("given", ["HOME", "XDG_CACHE_HOME", "UV_CACHE_DIR"])
def test_packages_are_cached_in_the_clone_where_the_users_cache_cannot_be_written(tmp_path: Path, given: str):
    """Here because a file is in the way; the installer shows the folder that it was given, and fails."""
    for path in REPO.glob("[a-z]*"):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "run.sh").unlink()
    (tmp_path / "run.sh").write_text((REPO / "run.sh").read_text())
    programs = {".venv/bin/python": "exit 0", ".venv/.uv/bin/uv": 'echo "cache: $UV_CACHE_DIR"; exit 1'}
    for name, does in programs.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / ".venv/.uv/.lock").write_bytes((REPO / "bootstrap.lock").read_bytes())
    (tmp_path / "a file").touch()
    others = {
        name: text for name, text in os.environ.items() if name not in ("XDG_CACHE_HOME", "UV_CACHE_DIR")
    }
    done = subprocess.run(
        ["bash", str(tmp_path / "run.sh"), "setup"],
        env={**others, given: str(tmp_path / "a file" / "below"), "LUMBUNG_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert f"cache: {tmp_path}/.venv/.uv/cache" in done.stderr
    assert done.returncode == ExitCode.MISSING and "remedy" in done.stderr


def test_doctor_without_java_names_it_among_its_findings(tmp_path: Path):
    for path in (*REPO.glob("[a-z]*"), REPO / ".venv"):
        (tmp_path / path.name).symlink_to(path)
    script = (REPO / "run.sh").read_text().replace("/usr/lib/jvm/", "/nowhere/")
    (tmp_path / "run.sh").unlink()
    (tmp_path / "run.sh").write_text(script.replace("$(command -v java || true)", ""))
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "sed", "head", "mkdir"):
        (tools / name).symlink_to(shutil.which(name) or name)
    done = subprocess.run(
        [str(tools / "bash"), str(tmp_path / "run.sh"), "doctor", "--all"],
        env={"PATH": str(tools), "LUMBUNG_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "FAIL java: no java on the PATH" in done.stdout and "openjdk" in done.stdout
    assert "memory: " in done.stdout


def test_fast_and_long_runs_exclude_each_other() -> None:
    refused = CliRunner().invoke(test_verb.app, ["--fast", "--slow"])
    assert refused.exit_code == ExitCode.USAGE


def test_paths_names_and_options_are_passed_to_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(test_verb, "succeeds", lambda command: commands.append(command) or True)
    assert CliRunner().invoke(test_verb.app, ["tests/ml", "-k", "naive", "--slow"]).exit_code == 0
    assert commands[0][2:] == ["pytest", "--slow", "-k", "naive", str(settings().called_from / "tests/ml")]
