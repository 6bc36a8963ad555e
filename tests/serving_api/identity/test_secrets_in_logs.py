"""What a running API writes to its log holds no secret and no e-mail address, also in full detail."""

from pathlib import Path

from lakehouse.io.identity.accounts import one_time_link
from tests.conftest import Broker
from tests.support.api import ApiProcess, new_stack
from tests.support.identity.people import PASSWORD, add_person, in_store, send, sign_in


def test_log_of_a_run_holds_no_secret(broker: Broker, tmp_path: Path):
    stack = new_stack(tmp_path / "home", broker, LUMBUNG_LOG_LEVEL="DEBUG")
    log = tmp_path / "api.log"
    email = "discreet@example.id"
    user_id = add_person(stack, email)
    link = in_store(stack, lambda database: one_time_link(database, user_id, "test"))
    api = ApiProcess(stack, log)
    try:
        tokens = sign_in(api, email)
        wrong = {"email": email, "password": "wrong wrong wrong wrong"}
        assert send(api, "POST", "/api/v1/auth/login", wrong).status_code == 401
        named = {"name": "k", "scopes": ["read"], "password": PASSWORD}
        key = send(api, "POST", "/api/v1/users/me/keys", named, tokens["access_token"])
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
    assert "Uvicorn running" in text, "the log of the run"
    assert [name for name, secret in known.items() if secret in text] == []
