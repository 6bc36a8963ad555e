"""Secrets, jars, and what run.sh answers before anything is set up."""

import hashlib
import stat
import subprocess
from pathlib import Path

import pytest

from conf.settings import REPO, child_environment
from scripts import jars, secrets_file


def test_secrets_are_private_and_never_replaced(tmp_path: Path):
    file = tmp_path / "secrets.env"
    assert secrets_file.write(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text()
    assert not secrets_file.write(file)
    assert file.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.env"]


def test_every_role_has_a_secret_of_its_own(tmp_path: Path):
    secrets_file.write(tmp_path / "s")
    named = dict(line.split("=", 1) for line in (tmp_path / "s").read_text().splitlines())
    assert set(named) == {f"LUMBUNG_TOKEN_{role}" for role in secrets_file.ROLES} | {"LUMBUNG_CURSOR_KEY"}
    assert len(set(named.values())) == len(named)
    assert all(len(bytes.fromhex(value)) >= 32 if "KEY" in name else len(value) >= 32 for name, value in named.items())


@pytest.fixture
def jar_folder(tmp_path: Path) -> Path:
    digest = hashlib.sha256(b"good").hexdigest()
    lock = f'[[dependencies]]\nartifactId = "thing"\nversion = "1.0"\nsha256 = "{digest}"\n'
    (tmp_path / "jgo.lock.toml").write_text(lock)
    (tmp_path / ".jgo" / "jars").mkdir(parents=True)
    (tmp_path / ".jgo" / "jars" / "thing-1.0.jar").write_bytes(b"good")
    return tmp_path


def test_jars_as_locked_have_no_fault(jar_folder: Path):
    assert jars.faults(jar_folder) == []


@pytest.mark.parametrize(
    ("name", "content", "says"), [("thing-1.0.jar", b"bad", "sha256"), ("other-2.jar", b"good", "not in the lock")]
)
def test_a_wrong_jar_is_named(jar_folder: Path, name: str, content: bytes, says: str):
    (jar_folder / ".jgo" / "jars" / name).write_bytes(content)
    (fault,) = jars.faults(jar_folder)
    assert name in fault and says in fault


def test_a_missing_jar_is_named(jar_folder: Path):
    (jar_folder / ".jgo" / "jars" / "thing-1.0.jar").unlink()
    (fault,) = jars.faults(jar_folder)
    assert "thing-1.0.jar is missing" in fault


def run_sh(*verb: str, cwd: Path = REPO, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(REPO / "run.sh"), *verb], cwd=cwd, env=child_environment(**env), capture_output=True, text=True, timeout=60
    )


def test_an_unknown_verb_is_wrong_usage(tmp_path: Path):
    done = run_sh("frobnicate", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "frobnicate" in done.stderr


def test_help_lists_every_verb_that_run_sh_knows():
    told = run_sh("--help").stdout
    verbs = ["setup", "up", "down", "demo", "test", "status", "query", "reconcile", "doctor", "logs", "lock"]
    verbs += ["replay", "simulate", "rebuild", "chaos", "bench"]
    assert [verb for verb in verbs if f" {verb} " not in told] == []


def test_a_path_is_meant_from_where_the_caller_stands(tmp_path: Path):
    done = run_sh(
        "query", "select 1 as a", "--format", "parquet", "--output", "out.parquet", cwd=tmp_path, LUMBUNG_HOME=str(tmp_path)
    )
    assert (done.returncode, (tmp_path / "out.parquet").exists()) == (0, True)


def test_set_up_in_a_checkout_without_python_or_java_says_what_is_missing(tmp_path: Path):
    """A copy of run.sh with an empty PATH but for the shell's own tools."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "env", "dirname", "sed", "head", "cat", "cut", "sha256sum", "grep", "uname"):
        found = next((Path(folder) / name for folder in ("/usr/bin", "/bin") if (Path(folder) / name).exists()), None)
        if found:
            (tools / name).symlink_to(found)
    (tmp_path / "run.sh").write_text((REPO / "run.sh").read_text().replace("/usr/lib/jvm/", "/nowhere/"))
    (tmp_path / "run.sh").chmod(0o755)
    command = [str(tools / "bash"), str(tmp_path / "run.sh"), "setup"]
    done = subprocess.run(command, env={"PATH": str(tools)}, capture_output=True, text=True, timeout=30)
    assert done.returncode == 3
    assert "Java 17 or 21" in done.stderr and "remedy" in done.stderr
