"""`doctor`: what it finds in files that a person wrote."""

import re
import sqlite3
import stat
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
import typer

from conf.runtime.exit_codes import ExitCode
from conf.runtime.status_files import write_status
from conf.settings import settings
from lakehouse.io.identity.database import Database
from lakehouse.io.process_status import COLLECTORS, status_file
from producers.collectors.collector import CollectorCounts
from scripts.commands.doctor import app as doctor_app
from scripts.commands.doctor import findings
from scripts.commands.status_text import collected
from scripts.commands.user import in_store
from scripts.stack import lifecycle, secrets_file
from streaming_jobs.startup.checks import Finding

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings(), "home", tmp_path)
    return tmp_path


def test_own_formats_are_named_and_a_faulty_one_has_its_remedy(home: Path):
    (home / "sources").mkdir()
    (home / "sources" / "mine.yml").write_text("description: x\n")
    usable, faulty = [finding for finding in findings() if finding.name == "file formats"]
    assert usable.ok and str(home / "sources" / "mine.yml") in usable.detail
    assert not faulty.ok and "mine.yml: the key 'layout' is missing" in faulty.detail
    assert faulty.remedy == "correct it; every key is in docs/how-to/add-a-file-format.md"


def test_source_that_renamed_a_field_or_does_not_answer_is_a_finding(home: Path):
    usual = asdict(CollectorCounts(events=2, last_success_at="2026-11-21T01:00:00Z"))
    states = {"rss": {}, "x": {"unknown_fields": ["full_text"]}, "bmkg": {"failure": "ShapeChanged: 'data'"}}
    sources = {name: usual | changed for name, changed in states.items()}
    write_status(status_file(COLLECTORS), {"pid": 1, "state": "running", "sources": sources})
    by_name = {finding.name: finding for finding in findings()}
    assert by_name["collector rss"].ok
    assert not by_name["collector bmkg"].ok and "ShapeChanged" in by_name["collector bmkg"].detail
    x = by_name["collector x"]
    assert (x.ok, x.detail) == (False, "the source renamed or added fields: full_text")
    assert "conf/collectors/x.yml" in x.remedy
    assert re.search("x 2 events, last success .* ago, unknown fields: full_text", collected(sources))


def test_doctor_prints_what_is_wrong_and_with_all_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    right, wrong = Finding("java", True, "17"), Finding("disk", False, "full", "make room")
    outcomes = {(): [right], ("x",): [right, wrong]}
    for faults, listed in outcomes.items():
        monkeypatch.setattr("scripts.commands.doctor.findings", lambda deep, listed=listed: listed)
        with pytest.raises(SystemExit) as ended:
            doctor_app([])
        assert ended.value.code == (1 if faults else 0)
        shown = capsys.readouterr().out
        assert "java" not in shown
        assert ("1 of 2 checks failed" if faults else "nothing is wrong") in shown
    assert "FAIL disk: full\n     remedy: make room" in shown
    with pytest.raises(SystemExit):
        doctor_app(["--all"])
    assert "ok   java: 17\n" in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["/proc/no-folder", "a-file"])
def test_home_that_cannot_be_written_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "a-file").write_text("")
    monkeypatch.setattr(settings(), "home", tmp_path / folder)
    (home_finding,) = [finding for finding in findings() if finding.name == "home"]
    assert not home_finding.ok and str(tmp_path / folder) in home_finding.detail
    with pytest.raises(SystemExit) as ended:
        lifecycle.up()
    assert ended.value.code == 3


def test_damaged_database_is_named_with_its_remedy_before_anything_starts(home: Path, capsys: Capture):
    state = home / "state"
    in_store(no_work)
    for name in ("training.sqlite", "answers.sqlite"):
        with closing(sqlite3.connect(state / name)) as sound:
            sound.execute("create table t (x)")
    assert [(each.ok, each.detail) for each in findings() if each.name == "databases"] == [
        (True, "3 can be read")
    ]
    for name in ("training.sqlite", "identity.sqlite"):
        (state / name).write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 16)
    named = {each.name: each for each in findings() if each.name.startswith("database")}
    assert named.keys() == {"database training.sqlite", "database identity.sqlite"}
    assert str(state / "training.sqlite") in named["database training.sqlite"].remedy
    assert "from a backup" in named["database identity.sqlite"].remedy
    with pytest.raises(lifecycle.StackError, match="training.sqlite is damaged") as refused:
        lifecycle.up()
    assert refused.value.code == ExitCode.REFUSED and "identity.sqlite is damaged" in str(refused.value)
    with pytest.raises(typer.Exit) as ended:
        in_store(no_work)
    assert ended.value.exit_code == ExitCode.REFUSED
    assert "is damaged" in capsys.readouterr().err


def test_store_of_accounts_of_another_version_is_named_with_its_remedy(home: Path, capsys: Capture):
    in_store(no_work)
    with closing(sqlite3.connect(home / "state" / "identity.sqlite", isolation_level=None)) as store:
        store.execute("update alembic_version set version_num = '0003'")
    with pytest.raises(
        lifecycle.StackError, match=r"another version of Lumbung wrote it: 0003\).* delete it"
    ):
        lifecycle.up()
    with pytest.raises(typer.Exit) as ended:
        in_store(no_work)
    assert ended.value.exit_code == ExitCode.REFUSED
    assert "another version" in capsys.readouterr().err


async def no_work(database: Database) -> None:
    """Nothing: opening the database is what is tested."""


def test_folders_of_a_home_are_closed_to_other_users(home: Path):
    for name in ("state", "log", "run"):
        (home / name).mkdir(mode=0o755)
    secrets_file.main()
    assert {stat.S_IMODE((home / name).stat().st_mode) for name in ("state", "log", "run")} == {0o700}
