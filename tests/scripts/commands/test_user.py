"""`user` without a running API: accounts, links and tokens of this machine, and its exit codes."""

from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from lakehouse.io.identity import accounts
from scripts.commands.user import app, in_store
from scripts.stack import secrets_file


@pytest.fixture
def own_home(lone_home: Path) -> Path:
    """A home with secrets."""
    secrets_file.main()
    return lone_home


def run(*words: str) -> tuple[int, str]:
    """(exit code, stdout)."""
    result = CliRunner().invoke(app, words)
    return result.exit_code, result.stdout.strip()


def test_account_is_created_changed_and_reset(own_home: Path):
    code, link = run("create", "Siti@example.id", "--role", "admin")
    assert code == 0 and "/masuk#" in link
    assert run("create", "siti@example.id")[0] == 1
    assert run("role", "siti@example.id", "user")[0] == 1, "the last administrator"
    assert run("create", "budi@example.id", "--role", "operator", "--region", "Jawa Barat")[0] == 0
    assert run("role", "budi@example.id", "admin")[0] == 0
    assert run("disable", "siti@example.id")[0] == 0
    assert run("disable", "siti@example.id", "--undo")[0] == 0
    code, second = run("reset", "siti@example.id")
    assert code == 0 and second not in ("", link)


def test_account_that_a_stranger_registered_gets_no_role_without_a_link(own_home: Path):
    for email in ("created@example.id", "raised@example.id"):
        in_store(
            lambda database, email=email: accounts.create(database, email, actor=None, password_hash="x")
        )
    code, link = run("create", "created@example.id", "--role", "operator")
    assert code == 0 and "/masuk#" in link
    code, link = run("role", "raised@example.id", "central")
    assert code == 0 and "/masuk#" in link
    for email in ("created@example.id", "raised@example.id"):
        user = in_store(lambda database, email=email: accounts.by_email(database, email))
        assert user.password_hash is None
    assert run("create", "raised@example.id")[0] == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("create", "no address"), 2),
        (("create", "x@example.id", "--region", "Atlantis"), 2),
        (("role", "x@example.id", "emperor"), 2),
        (("reset", "nobody@example.id"), 1),
        (("disable", "nobody@example.id"), 1),
        (("token", "operator", "--minutes", "0"), 2),
    ],
)
def test_wrong_usage_and_unknown_accounts_have_exit_codes(own_home: Path, words: tuple[str, ...], code: int):
    assert run(*words)[0] == code


def test_token_is_short_lived_and_needs_the_secret(own_home: Path):
    code, token = run("token", "central", "--minutes", "5")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert code == 0 and (claims["role"], claims["exp"] - claims["iat"]) == ("central", 300)
    (own_home / "secrets.env").unlink()
    assert run("token", "central") == (3, "")
