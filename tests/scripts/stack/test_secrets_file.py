"""The secrets file: private, one secret per role, never replaced."""

import stat
from datetime import UTC, datetime
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
    tokens = {f"LUMBUNG_TOKEN_{role}" for role in secrets_file.ROLES}
    assert set(named) == tokens | {"LUMBUNG_CURSOR_KEY", "LUMBUNG_DECISION_KEYS"}
    assert len(set(named.values())) == len(named)
    assert all(
        len(bytes.fromhex(value)) >= 32 if "KEY" in name else len(value) >= 32
        for name, value in named.items()
    )


def test_file_of_an_older_home_gets_the_keys_it_lacks_and_the_time_of_the_first_signature(tmp_path: Path):
    """Decisions before that time stay valid: the programs that made them could not sign."""
    file = tmp_path / "secrets.env"
    secrets_file.write(file)
    older = [line for line in file.read_text().splitlines() if "DECISION" not in line]
    file.write_text("\n".join(older))  # the last line is not ended
    begun = datetime.now(UTC)
    added = ["LUMBUNG_DECISION_KEYS", "LUMBUNG_DECISIONS_SIGNED_SINCE"]
    assert secrets_file.complete(file) == added
    lines = file.read_text().splitlines()
    assert lines[:-2] == older
    named = dict(line.split("=", 1) for line in lines)
    assert begun <= datetime.fromisoformat(named[added[1]]) <= datetime.now(UTC)
    assert secrets_file.complete(file) == [] and file.read_text().splitlines() == lines
    file.write_text("\n".join(line for line in lines if added[0] not in line) + "\n")
    assert secrets_file.complete(file) == [added[0]], "the time is that of the first signature"
