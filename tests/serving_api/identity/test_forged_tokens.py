"""Forged, stale and foreign bearers: none is accepted."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conf.runtime.process import Refused
from lakehouse.identity.roles import Role
from lakehouse.io.identity.tokens import TokenFault, TokenSigner
from tests.conftest import Broker
from tests.support.api import Api, new_stack
from tests.support.identity.people import PASSWORD, add_person, send, sign_in

ME = "/api/v1/users/me"
OTHER_KEY = "fedcba9876543210" * 4


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


@pytest.fixture(scope="module")
def own(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    knobs = {"LUMBUNG_IDENTITY__RIGHTS_SECONDS": "0"}  # nothing is remembered of what was valid a moment ago
    running = Api(new_stack(tmp_path_factory.mktemp("forged"), broker, **knobs))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def forged(own: Api) -> dict[str, str]:
    """Name of the forgery -> Authorization header."""
    lines = (own.stack.home / "secrets.env").read_text().splitlines()
    secret = dict(line.split("=", 1) for line in lines)["JWT_SECRET"]
    user_id = add_person(own.stack, "owner@example.id")
    other_id = add_person(own.stack, "other@example.id", Role.ADMIN)
    tokens = sign_in(own, "owner@example.id")
    assert send(own, "GET", ME, token=tokens["access_token"]).status_code == 200
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    header, payload, signature = tokens["access_token"].split(".")
    raised = {**claims, "role": "admin"}

    def signed(changes: dict[str, Any], key: Any = secret, algorithm: str = "HS256", **headers: str) -> str:
        merged = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode(merged, key, algorithm=algorithm, headers=headers or None)

    ended = sign_in(own, "owner@example.id")
    send(own, "POST", "/api/v1/auth/logout", {}, ended["access_token"])
    named = {"name": "k", "scopes": ["read"], "password": PASSWORD}
    key = send(own, "POST", f"{ME}/keys", named, tokens["access_token"]).json()
    send(own, "DELETE", f"{ME}/keys/{key['key_id']}", token=tokens["access_token"])
    ticket = send(own, "POST", "/api/v1/ws/ticket", token=tokens["access_token"]).json()["ticket"]
    bearers = {
        "algorithm none": f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(raised)}.",
        "algorithm NONE": f"{encoded({'alg': 'NONE', 'typ': 'JWT'})}.{encoded(raised)}.",
        "algorithm none, old signature": f"{encoded({'alg': 'none'})}.{payload}.{signature}",
        "no signature": f"{header}.{payload}.",
        "cut signature": f"{header}.{payload}.{signature[:-4]}",
        "other key": signed({}, OTHER_KEY),
        "empty key": f"{header}.{encoded(raised)}.{'A' * 43}",
        "raised role, old signature": f"{header}.{encoded(raised)}.{signature}",
        "HS512 by the same key": signed({}, secret * 2, "HS512"),
        "EdDSA by an own key": signed({}, Ed25519PrivateKey.generate(), "EdDSA"),
        "kid that names a file": signed({}, OTHER_KEY, kid="/dev/null"),
        "jku of the attacker": signed({}, OTHER_KEY, jku="https://evil.example/keys"),
        "wrong audience": signed({"aud": "another-api"}),
        "list of audiences": signed({"aud": ["another-api", "lumbung-api"]}),
        "no audience": signed({"aud": None}),
        "wrong issuer": signed({"iss": "evil"}),
        "no issuer": signed({"iss": None}),
        "expired": signed({"exp": claims["iat"] - 1}),
        "no expiry": signed({"exp": None}),
        "issued in the future": signed({"iat": claims["exp"] + 3600}),
        "not valid yet": signed({"nbf": claims["exp"] + 3600}),
        "no sign-in": signed({"sid": None}),
        "sign-in that is no text": signed({"sid": 7}),
        "unknown sign-in": signed({"sid": "0" * 32}),
        "sign-in of another account": signed({"sub": other_id}),
        "no id": signed({"jti": None}),
        "unknown use": signed({"token_use": "admin"}),
        "refresh as access": tokens["refresh_token"],
        "device that is not registered": signed({"token_use": "device", "sub": "DEV-1", "sid": "1"}),
        "person as device": signed({"token_use": "device"}),
        "local token for an account": signed({"sid": "local", "role": "admin"}),
        "local token of another role": signed({"sid": "local", "sub": "user", "role": "admin"}),
        "local token of no role": signed({"sid": "local", "sub": "emperor", "role": "emperor"}),
        "local device as administrator": signed(
            {"sid": "local", "sub": "admin", "role": "admin", "token_use": "device"}
        ),
        "signed out": ended["access_token"],
        "revoked API key": key["key"],
        "unknown API key": f"lmb_aaaaaaaa_{'A' * 43}",
        "WebSocket ticket": ticket,
        "five parts": f"{header}.{payload}.{signature}.a.b",
        "too long": f"{header}.{payload}.{'A' * 9000}",
        "user id": user_id,
        "the secret itself": secret,
        "nothing": "",
    }
    return {name: f"Bearer {token}" for name, token in bearers.items()} | {
        "Basic": "Basic b3duZXI6cGFzc3dvcmQ=",
        "token without a scheme": tokens["access_token"],
    }


def test_no_forged_or_stale_bearer_is_accepted(own: Api, forged: dict[str, str]):
    assert len(forged) >= 24
    answers = {
        name: own.get(ME, headers={"Authorization": value}).status_code for name, value in forged.items()
    }
    assert {name: status for name, status in answers.items() if status != 401} == {}


def test_static_bearers_are_off_unless_the_knob_is_on(broker: Broker, tmp_path):
    token = "t" * 40
    static = {f"LUMBUNG_TOKEN_{role.name}": f"{token}{role}" for role in Role}
    for enabled, status in (("false", 401), ("true", 200)):
        knobs = {**static, "LUMBUNG_IDENTITY__STATIC_TOKENS": enabled}
        api = Api(new_stack(tmp_path / enabled, broker, **knobs))
        try:
            bearer = static["LUMBUNG_TOKEN_ADMIN"]
            assert send(api, "GET", "/api/v1/admin/users", token=bearer).status_code == status
        finally:
            api.stop()


@pytest.mark.parametrize("secret", ["", "short", "changeme-changeme-changeme-changeme", "a" * 64])
def test_weak_secret_cannot_sign(secret: str):
    with pytest.raises(Refused, match="JWT_SECRET"):
        TokenSigner(secret, "HS256")


def test_clocks_of_two_machines_may_differ_by_half_a_minute_but_no_token_is_used_after_its_end():
    signer = TokenSigner("0123456789abcdef" * 4, "HS256")
    with time_machine.travel("2026-11-25T00:00:00Z", tick=False) as travel:
        token = signer.sign("u", "user", "access", 60, "s")
        travel.shift(-30)
        assert signer.verify(token, "access").subject == "u"
        travel.shift(-1)
        with pytest.raises(TokenFault, match="invalid"):
            signer.verify(token, "access")
        travel.shift(31 + 60)
        with pytest.raises(TokenFault, match="expired"):
            signer.verify(token, "access")


def test_tokens_by_ed25519_are_not_those_by_hmac():
    secret = "0123456789abcdef" * 4
    ed25519 = TokenSigner(secret, "EdDSA")
    hmac = TokenSigner(secret, "HS256")
    token = ed25519.sign("u", "user", "access", 60, "s")
    assert ed25519.verify(token, "access").subject == "u"
    for signer, other in ((hmac, token), (ed25519, hmac.sign("u", "user", "access", 60, "s"))):
        with pytest.raises(TokenFault, match="invalid"):
            signer.verify(other, "access")
