"""Jars on disk against their lock file, and fetched from a Maven repository on loopback."""

import hashlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from jgo.maven import MavenContext

from conf.runtime.exit_codes import ExitCode
from scripts.stack import jars


@pytest.fixture
def jar_folder(tmp_path: Path) -> Path:
    digest = hashlib.sha256(b"as locked").hexdigest()
    names = 'groupId = "org.example"\nartifactId = "library"\nversion = "1.0"'
    lock = f'[[dependencies]]\n{names}\nsha256 = "{digest}"\n'
    folder = tmp_path / "library"
    (folder / ".jgo" / "jars").mkdir(parents=True)
    (folder / "jgo.lock.toml").write_text(lock)
    (folder / ".jgo" / "jars" / "library-1.0.jar").write_bytes(b"as locked")
    return folder


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The jar of the lock as a Maven repository holds it."""
    jar = tmp_path / "repository" / "org" / "example" / "library" / "1.0" / "library-1.0.jar"
    jar.parent.mkdir(parents=True)
    jar.write_bytes(b"as locked")
    return jar


@pytest.fixture
def maven(tmp_path: Path, published: Path) -> Iterator[MavenContext]:
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "repository")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        address = f"http://127.0.0.1:{server.server_port}"
        yield MavenContext(repo_cache=tmp_path / "downloads", local_repos=[], remote_repos={"local": address})
        server.shutdown()


def test_fetch_replaces_what_differs_and_removes_what_is_not_locked(jar_folder: Path, maven: MavenContext):
    """Such as a jar that a set-up cut off had left, or one of an older lock."""
    place = jar_folder / ".jgo" / "jars"
    (place / "library-1.0.jar").write_bytes(b"as lo")
    (place / "older-0.9.jar").write_bytes(b"as locked before")
    jars.fetch(jar_folder, maven)
    assert jars.faults(jar_folder) == []
    assert [jar.name for jar in place.iterdir()] == ["library-1.0.jar"]


def test_altered_jar_of_the_source_is_refused(jar_folder: Path, published: Path, maven: MavenContext):
    published.write_bytes(b"altered")
    (jar_folder / ".jgo" / "jars" / "library-1.0.jar").unlink()
    with pytest.raises(ValueError, match="sha256"):
        jars.fetch(jar_folder, maven)
    assert list((jar_folder / ".jgo").rglob("*.jar")) == []


def test_interrupted_fetch_leaves_no_download(jar_folder: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(folder: Path, maven: MavenContext) -> None:
        maven.repo_cache.mkdir(exist_ok=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(jars, "SETS", (jar_folder,))
    monkeypatch.setattr(jars, "fetch", interrupted)
    with pytest.raises(SystemExit) as ended:
        jars.main()
    assert ended.value.code == ExitCode.INTERRUPTED
    assert not (jar_folder.parent / ".jgo").exists()
    assert jars.faults(jar_folder) == []


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
