"""Jars on disk against their lock file."""

import hashlib
from pathlib import Path

import pytest

from scripts.stack import jars


@pytest.fixture
def jar_folder(tmp_path: Path) -> Path:
    digest = hashlib.sha256(b"as locked").hexdigest()
    lock = f'[[dependencies]]\nartifactId = "library"\nversion = "1.0"\nsha256 = "{digest}"\n'
    (tmp_path / "jgo.lock.toml").write_text(lock)
    (tmp_path / ".jgo" / "jars").mkdir(parents=True)
    (tmp_path / ".jgo" / "jars" / "library-1.0.jar").write_bytes(b"as locked")
    return tmp_path


def test_locked_jars_have_no_fault(jar_folder: Path):
    assert jars.faults(jar_folder) == []


@pytest.mark.parametrize(
    ("name", "content", "fault_text"),
    [("library-1.0.jar", b"altered", "sha256"), ("other-2.jar", b"as locked", "not in the lock")],
)
def test_wrong_jar_is_named(jar_folder: Path, name: str, content: bytes, fault_text: str):
    (jar_folder / ".jgo" / "jars" / name).write_bytes(content)
    (fault,) = jars.faults(jar_folder)
    assert name in fault and fault_text in fault


def test_missing_jar_is_named(jar_folder: Path):
    (jar_folder / ".jgo" / "jars" / "library-1.0.jar").unlink()
    (fault,) = jars.faults(jar_folder)
    assert "library-1.0.jar is missing" in fault
