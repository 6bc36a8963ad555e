"""The secrets file: private, one secret per role, never replaced."""

import stat
from pathlib import Path

from scripts.stack import secrets_file


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
    assert all(
        len(bytes.fromhex(value)) >= 32 if "KEY" in name else len(value) >= 32
        for name, value in named.items()
    )
