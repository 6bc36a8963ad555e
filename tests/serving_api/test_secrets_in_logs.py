"""What a running API writes to its log holds no secret and no e-mail address, also in full detail."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from conf.settings import REPO
from tests.conftest import Broker
from tests.support.api import ApiProcess, new_stack
from tests.support.identity.people import PASSWORD, add_person, send, sign_in


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the next process of the tests writes to."""
    file = tmp_path / "api.log"
    start = subprocess.Popen
    monkeypatch.setattr(
        "tests.support.api.subprocess.Popen",
        lambda *command, **options: start(
            *command, **options, stdout=file.open("ab"), stderr=subprocess.STDOUT
        ),
    )
    return file


def test_log_of_a_run_holds_no_secret(broker: Broker, tmp_path: Path, log: Path):
    stack = new_stack(tmp_path / "home", broker, LUMBUNG_LOG_LEVEL="DEBUG")
    email = "discreet@example.id"
    add_person(stack, email)
    link = (
        subprocess.run(
            [sys.executable, "-m", "scripts.cli", "user", "reset", email],
            cwd=REPO,
            env=stack.env,
            capture_output=True,
            text=True,
            check=True,
        )
        .stdout.strip()
        .partition("#")[2]
    )
    api = ApiProcess(stack)
    try:
        tokens = sign_in(api, email)
        wrong = {"email": email, "password": "wrong wrong wrong wrong"}
        assert send(api, "POST", "/api/v1/auth/login", wrong).status_code == 401
        key = send(
            api, "POST", "/api/v1/users/me/keys", {"name": "k", "scopes": ["read"]}, tokens["access_token"]
        )
        ticket = send(api, "POST", "/api/v1/ws/ticket", token=tokens["access_token"])
        assert send(api, "GET", "/api/v1/quarantine", token=key.json()["key"]).status_code == 403
        renewed = send(api, "POST", "/api/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]}).json()
        by_link = send(api, "POST", "/api/v1/auth/link", {"link": link, "password": PASSWORD + "!"})
        assert by_link.status_code == 200, by_link.text
    finally:
        api.stop()
    secrets = dict(line.split("=", 1) for line in (stack.home / "secrets.env").read_text().splitlines())
    known = {
        **secrets,
        "email": email,
        "password": PASSWORD,
        "wrong password": wrong["password"],
        "link": link,
        "key": key.json()["key"],
        "ticket": ticket.json()["ticket"],
        "access": tokens["access_token"],
        "refresh": tokens["refresh_token"],
        "next access": renewed["access_token"],
        "hash": "argon2id",
    }
    text = log.read_text()
    assert logging.getLevelName(logging.DEBUG) in text, "the run logs in detail"
    assert [name for name, secret in known.items() if secret in text] == []
