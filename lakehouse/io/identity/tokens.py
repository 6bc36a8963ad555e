"""Sign and verify JSON Web Tokens with the secret of this home."""

import secrets as random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from conf.runtime.process import Refused
from conf.settings import secrets
from lakehouse.identity.roles import Role
from lakehouse.identity.tokens import ALGORITHMS, AUDIENCE, ISSUER, REQUIRED_CLAIMS, TokenUse, secret_fault

LOCAL = "local"  # `sid` of tokens that ./run.sh user token signs: their subject is the name of their role
TEXTS = {"subject": "sub", "role": "role", "token_use": "token_use", "jti": "jti", "sid": "sid"}
LONGEST_TOKEN = 4096  # characters
LEEWAY_SECONDS = 30  # by which the clock of another machine that signs may be ahead


class TokenFault(Exception):
    """A token that is not accepted; `reason`: expired or invalid."""

    def __init__(self, reason: Literal["expired", "invalid"]) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Claims:
    """The claims of a verified token. `role`: as signed; rights are read from the store."""

    subject: str
    role: str
    token_use: str
    jti: str
    sid: str
    expires: int


class TokenSigner:
    """Signs and verifies by JWT_SECRET and JWT_ALGORITHM.

    Raises Refused without a secret that can sign, or for an unknown algorithm.
    """

    def __init__(self, secret: str | None = None, algorithm: str | None = None) -> None:
        known = secrets()
        secret = known.jwt_secret if secret is None else secret
        self._algorithm = algorithm or known.jwt_algorithm
        if fault := secret_fault(secret):
            raise Refused(f"JWT_SECRET cannot sign tokens: {fault}; ./run.sh setup writes one")
        if self._algorithm not in ALGORITHMS:
            raise Refused(f"JWT_ALGORITHM must be one of {', '.join(ALGORITHMS)}")
        self._signing: Any = secret
        self._verifying: Any = secret
        if self._algorithm == "EdDSA":
            private = _ed25519_key(secret)
            self._signing = private
            self._verifying = private.public_key()

    def sign(
        self,
        subject: str,
        role: str,
        token_use: TokenUse,
        seconds: int,
        sid: str,
        regions: Sequence[str] = (),
        jti: str | None = None,
    ) -> str:
        """A token that is valid for so many seconds from now. `sid`: what ends it before that."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "role": role,
            "regions": list(regions),
            "token_use": token_use,
            "jti": jti or random.token_hex(16),
            "sid": sid,
            "iat": now,
            "exp": now + seconds,
        }
        return jwt.encode(claims, self._signing, algorithm=self._algorithm)

    def sign_local(self, role: Role, seconds: int) -> str:
        """A token of this machine for a role: for scripts, cron and checks."""
        use: TokenUse = "device" if role is Role.DEVICE else "access"
        return self.sign(role.label, role.label, use, seconds, LOCAL)

    def verify(self, token: str, *uses: TokenUse) -> Claims:
        """The claims of a token for one of the uses. Raises TokenFault."""
        if len(token) > LONGEST_TOKEN:
            raise TokenFault("invalid")
        try:
            claims = jwt.decode(
                token,
                self._verifying,
                algorithms=[self._algorithm],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=LEEWAY_SECONDS,
                options={"require": list(REQUIRED_CLAIMS), "strict_aud": True},
            )
        except jwt.ExpiredSignatureError:
            raise TokenFault("expired") from None
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise TokenFault("invalid") from None
        if claims["exp"] <= time.time():  # without the leeway: it ends when its answer says
            raise TokenFault("expired")
        texts = {field: claims[name] for field, name in TEXTS.items()}
        if claims["token_use"] not in uses or not all(isinstance(text, str) for text in texts.values()):
            raise TokenFault("invalid")
        return Claims(**texts, expires=int(claims["exp"]))


def _ed25519_key(secret: str) -> Ed25519PrivateKey:
    """The key pair that the secret determines, by HKDF (RFC 5869)."""
    seed = HKDF(hashes.SHA256(), length=32, salt=None, info=b"lumbung jwt ed25519").derive(secret.encode())
    return Ed25519PrivateKey.from_private_bytes(seed)
