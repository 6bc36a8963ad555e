"""The caller of a request: its bearer (access token, device token, API key) becomes a Principal."""

import hmac
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime

from cachetools import TTLCache
from sqlalchemy import select

from conf.runtime.process import Refused
from conf.settings import secrets, settings
from lakehouse.identity.roles import Principal, Role, Scope, role_named, scopes_of
from lakehouse.identity.tokens import api_key_prefix, digest_of
from lakehouse.io.identity.database import Database, StoreUnavailable
from lakehouse.io.identity.sign_ins import is_valid
from lakehouse.io.identity.tables import ApiKey, Device, SignIn, User
from lakehouse.io.identity.tokens import LOCAL, Claims, TokenFault, TokenSigner
from serving_api.http.messages import message
from serving_api.http.problems import Problem

LEAST_STATIC_LENGTH = 16
MOST_CACHED = 20_000
LIVE_DEVICE = ("approved", "active")


def static_principals() -> dict[bytes, Principal]:
    """The lasting bearers of the environment or the secrets file, while identity.static_tokens is true.

    Raises Refused when one is missing: an empty token would admit everybody.
    """
    if not settings().identity.static_tokens:
        return {}
    tokens = {role: getattr(secrets(), f"token_{role.label}") for role in Role}
    short = [role.name for role, token in tokens.items() if len(token) < LEAST_STATIC_LENGTH]
    if short:
        raise Refused(f"no static token for {', '.join(short)}: run ./run.sh setup")
    return {token.encode(): Principal(role, role.label) for role, token in tokens.items()}


class Authenticator:
    """Turns bearers into principals.

    Rights are read from the store, and again after `identity.rights_seconds`: so long may a changed role or a
    sign-out take to have its effect.
    """

    def __init__(
        self, database: Database, signer: TokenSigner, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._signer = signer
        self._static = static_principals()
        seconds = settings().identity.rights_seconds
        self._cached: TTLCache[str, Principal | None] = TTLCache(MOST_CACHED, seconds, clock)

    async def identify(self, authorization: str | None) -> Principal | None:
        """The caller by its Authorization header, None without one. Raises Problem 401 or 503."""
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Problem("unauthorized")
        for known, principal in self._static.items():
            if hmac.compare_digest(known, token.encode()):
                return principal
        try:
            principal_of_token = await self._principal(token)
        except StoreUnavailable as error:
            raise Problem("warming-up", reason=message("no_accounts")) from error
        if principal_of_token is None:
            raise Problem("token-invalid")
        return principal_of_token

    async def ended(self, principals: Collection[Principal]) -> set[Principal]:
        """Of the people on open connections those who lost their rights, or have others now.

        Signed out, disabled, deleted, of another role or regions; or their token of this machine has ended.
        Raises StoreUnavailable.
        """
        sign_ins = {principal.sign_in for principal in principals if principal.sign_in is not None}
        current = await self._accounts_of(sign_ins) if sign_ins else {}
        now = time.time()
        return {
            principal
            for principal in principals
            if (principal.sign_in is not None and current.get(principal.sign_in) != principal)
            or (principal.ends_at is not None and principal.ends_at <= now)
        }

    async def _principal(self, token: str) -> Principal | None:
        if api_key_prefix(token) is not None:
            digest = digest_of(token)
            return await self._remembered(f"key {digest}", lambda: self._account_of_key(digest))
        try:
            claims = self._signer.verify(token, "access", "device")
        except TokenFault as fault:
            raise Problem(f"token-{fault.reason}") from None
        if claims.sid == LOCAL:
            return local_principal(claims)
        if claims.token_use == "device":  # noqa: S105 (a use, not a password)
            key = f"device {claims.subject} {claims.sid}"
            return await self._remembered(key, lambda: self._device(claims.subject, claims.sid))
        principal = await self._remembered(f"sign-in {claims.sid}", lambda: self._account_of(claims.sid))
        return principal if principal is not None and principal.user_id == claims.subject else None

    async def _remembered(
        self, key: str, read: Callable[[], Awaitable[Principal | None]]
    ) -> Principal | None:
        with suppress(KeyError):
            return self._cached[key]
        principal = self._cached[key] = await read()
        return principal

    async def _account_of(self, sign_in_id: str) -> Principal | None:
        """The owner of a sign-in that has not ended."""
        return (await self._accounts_of([sign_in_id])).get(sign_in_id)

    async def _accounts_of(self, sign_in_ids: Collection[str]) -> dict[str, Principal]:
        """Sign-in -> its owner, of those that have not ended."""
        query = select(User, SignIn).join(SignIn, SignIn.user_id == User.user_id)
        async with self._database.reading() as session:
            rows = await session.execute(query.where(SignIn.sign_in_id.in_(sign_in_ids)))
        now = datetime.now(UTC)
        return {
            row.SignIn.sign_in_id: person(row.User, sign_in=row.SignIn.sign_in_id)
            for row in rows
            if is_valid(row.SignIn, row.User, now)
        }

    async def _account_of_key(self, digest: str) -> Principal | None:
        """The owner of an API key that is not revoked, limited to its scopes."""
        query = select(User, ApiKey).join(ApiKey, ApiKey.user_id == User.user_id)
        async with self._database.reading() as session:
            row = (await session.execute(query.where(ApiKey.digest == digest))).one_or_none()
        if row is None or row.User.disabled or row.ApiKey.revoked_at is not None:
            return None
        return person(row.User, scopes=scopes_of(row.ApiKey.scopes))

    async def _device(self, device_id: str, generation: str) -> Principal | None:
        """The device while it is not revoked, and its secret is the one of the generation."""
        async with self._database.reading() as session:
            device = await session.get(Device, device_id)
        if device is None or device.status not in LIVE_DEVICE:
            return None
        if generation != str(device.secret_generation):
            return None
        return Principal(
            Role.DEVICE,
            device.device_id,
            sign_in=generation,
            device_id=device.device_id,
            market_id=device.market_id,
            kinds_of=role_named(device.role),
        )


def person(user: User, *, sign_in: str | None = None, scopes: frozenset[Scope] | None = None) -> Principal:
    """The account as caller."""
    regions = tuple(user.regions)
    return Principal(role_named(user.role), user.user_id, regions, scopes, user.user_id, sign_in)


def local_principal(claims: Claims) -> Principal | None:
    """The caller of a token that this machine signed for itself."""
    try:
        role = role_named(claims.role)
    except KeyError:
        return None
    device = (role is Role.DEVICE) == (claims.token_use == "device")  # noqa: S105
    if not device or claims.subject != role.label:
        return None
    return Principal(role, role.label, ends_at=claims.expires)
