"""The secrets file: private, one secret per role, never replaced."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conf.settings import settings
from scripts.stack import secrets_file


def test_secrets_are_private_and_never_replaced(tmp_path: Path):
    file = tmp_path / "secrets.env"
    assert secrets_file.complete(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text()
    assert not secrets_file.complete(file)
    assert file.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.env"]


KEYS = {"JWT_SECRET", "LUMBUNG_CURSOR_KEY", "LUMBUNG_DECISION_KEYS"}


def test_every_secret_is_its_own_and_long(tmp_path: Path):
    secrets_file.complete(tmp_path / "s")
    named = dict(line.split("=", 1) for line in (tmp_path / "s").read_text().splitlines())
    since = named.pop("LUMBUNG_ACTS_SIGNED_SINCE")
    assert set(named) == KEYS, "lasting bearers are written only where the knob accepts them"
    assert len(set(named.values())) == len(named)
    assert all(len(bytes.fromhex(value)) >= 32 for value in named.values())
    assert datetime.fromisoformat(since) <= datetime.now(UTC), "a new home holds nothing without a signature"


def test_lasting_bearers_are_written_where_the_knob_accepts_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settings().identity, "static_tokens", True)
    assert set(secrets_file.random_secrets()) - {"LUMBUNG_ACTS_SIGNED_SINCE"} == KEYS | {
        f"LUMBUNG_TOKEN_{role}" for role in secrets_file.ROLES
    }


def test_file_that_lacks_variables_gets_them_and_keeps_the_others(tmp_path: Path):
    """Alerts and ledger entries before that time stay valid: the programs that made them could not sign."""
    file = tmp_path / "secrets.env"
    secrets_file.complete(file)
    older = [line for line in file.read_text().splitlines() if "DECISION" not in line and "ACTS" not in line]
    file.write_text("\n".join(older))  # the last line is not ended
    begun = datetime.now(UTC)
    assert secrets_file.complete(file) == ["LUMBUNG_DECISION_KEYS", "LUMBUNG_ACTS_SIGNED_SINCE"]
    lines = file.read_text().splitlines()
    assert lines[:-2] == older
    named = dict(line.split("=", 1) for line in lines)
    assert begun <= datetime.fromisoformat(named["LUMBUNG_ACTS_SIGNED_SINCE"]) <= datetime.now(UTC)
    assert secrets_file.complete(file) == [] and file.read_text().splitlines() == lines
