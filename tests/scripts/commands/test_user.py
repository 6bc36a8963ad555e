"""`user` without a running API: accounts, links and tokens of this machine, and its exit codes."""

import subprocess
import sys
from pathlib import Path

import jwt
import pytest

from conf.settings import REPO
from scripts.stack.throwaway import Stack
from tests.support.api import new_stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return new_stack(tmp_path_factory.mktemp("user"))


def run(stack: Stack, *words: str, **environment: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr)."""
    command = [sys.executable, "-m", "scripts.cli", "user", *words]
    done = subprocess.run(
        command, cwd=REPO, env=stack.env | environment, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout.strip(), done.stderr


def test_account_is_created_changed_and_reset(stack: Stack):
    code, link, _ = run(stack, "create", "Siti@example.id", "--role", "admin")
    assert code == 0 and link.startswith(f"{stack.api_url}/sign-in#")
    assert run(stack, "create", "siti@example.id")[0] == 1
    code, _, reason = run(stack, "role", "siti@example.id", "user")
    assert code == 1 and "last active administrator" in reason
    assert run(stack, "create", "budi@example.id", "--role", "operator", "--region", "Jawa Barat")[0] == 0
    assert run(stack, "role", "budi@example.id", "admin")[0] == 0
    assert run(stack, "disable", "siti@example.id")[0] == 0
    assert run(stack, "disable", "siti@example.id", "--undo")[0] == 0
    code, second, _ = run(stack, "reset", "siti@example.id")
    assert code == 0 and second not in ("", link)


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
def test_wrong_usage_and_unknown_accounts_have_exit_codes(stack: Stack, words: tuple[str, ...], code: int):
    assert run(stack, *words)[0] == code


def test_token_is_short_lived_and_needs_the_secret(stack: Stack, tmp_path: Path):
    code, token, _ = run(stack, "token", "central", "--minutes", "5")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert code == 0 and (claims["role"], claims["exp"] - claims["iat"]) == ("central", 300)
    code, _, reason = run(stack, "token", "central", LUMBUNG_HOME=str(tmp_path))
    assert code == 3 and "./run.sh setup" in reason
