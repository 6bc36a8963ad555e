"""Claims of JSON Web Tokens (RFC 7519), and the form of secrets that are shown once and stored as digests."""

import hashlib
import re
from typing import Literal

ISSUER = "lumbung"
AUDIENCE = "lumbung-api"
TokenUse = Literal["access", "refresh", "device"]
ALGORITHMS = ("HS256", "EdDSA")
# `sid` names what ends the token before its time: a sign-in, or the number of a device's secret.
REQUIRED_CLAIMS = ("iss", "aud", "sub", "role", "regions", "token_use", "jti", "sid", "iat", "exp")
LEAST_SECRET_BYTES = 32
PLACEHOLDERS = re.compile(r"change|secret|example|placeholder|default|password|your|(.)\1{7}", re.IGNORECASE)
KEY_PREFIX = "lmb_"
API_KEY = re.compile(r"lmb_([a-z2-7]{8})_([A-Za-z0-9_-]{43})")


def secret_fault(secret: str) -> str | None:
    """Why a value cannot sign tokens; None when it can."""
    if len(secret.encode()) < LEAST_SECRET_BYTES:
        return f"it is shorter than {LEAST_SECRET_BYTES} bytes"
    if PLACEHOLDERS.search(secret):
        return "it looks like a placeholder"
    return None


def digest_of(secret: str) -> str:
    """SHA-256 of a random secret, 64 hexadecimal digits. Passwords need Argon2id instead."""
    return hashlib.sha256(secret.encode()).hexdigest()


def api_key_prefix(key: str) -> str | None:
    """The part of an API key that lists show; None for what has not the form of one."""
    match = API_KEY.fullmatch(key)
    return None if match is None else f"{KEY_PREFIX}{match[1]}"
