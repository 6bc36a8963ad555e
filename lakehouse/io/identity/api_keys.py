"""API keys of programs: created, listed and revoked by their owner; shown once, stored as digests."""

import base64
import secrets as random
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import func, select

from lakehouse.identity.tokens import KEY_PREFIX, digest_of
from lakehouse.io.identity.audit import record
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.sign_ins import BadCredentials
from lakehouse.io.identity.tables import ApiKey, User

MOST_KEYS = 50  # of one person that are not revoked


class TooManyKeys(Exception):
    """The person has MOST_KEYS keys already."""


async def create_key(database: Database, user: User, name: str, scopes: Sequence[str]) -> tuple[ApiKey, str]:
    """The new key and its secret, which is stored nowhere.

    `user`: as confirmed by the password. Raises BadCredentials when that has changed since, TooManyKeys.
    """
    user_id = user.user_id
    mark = base64.b32encode(random.token_bytes(5)).decode().lower()
    secret = f"{KEY_PREFIX}{mark}_{random.token_urlsafe(32)}"
    key = ApiKey(
        key_id=random.token_hex(16),
        user_id=user_id,
        name=name,
        prefix=f"{KEY_PREFIX}{mark}",
        digest=digest_of(secret),
        scopes=list(scopes),
        created_at=datetime.now(UTC),
    )
    async with database.writing() as session:
        present = await session.get(User, user_id, with_for_update=True)
        if present is None or present.password_hash != user.password_hash:
            raise BadCredentials
        current = select(func.count()).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
        if (await session.scalar(current) or 0) >= MOST_KEYS:
            raise TooManyKeys
        session.add(key)
        await record(session, user_id, "key.create", key.key_id, detail={"scopes": list(scopes)})
    return key, secret


async def keys_of(database: Database, user_id: str) -> list[ApiKey]:
    """The keys of a person that are not revoked, newest first."""
    query = select(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
    async with database.reading() as session:
        return list(await session.scalars(query.order_by(ApiKey.created_at.desc(), ApiKey.key_id)))


async def revoke_key(database: Database, user_id: str, key_id: str) -> bool:
    """Whether the person had such a key, which is revoked now."""
    async with database.writing() as session:
        key = await session.get(ApiKey, key_id, with_for_update=True)
        if key is None or key.user_id != user_id or key.revoked_at is not None:
            return False
        key.revoked_at = datetime.now(UTC)
        await record(session, user_id, "key.revoke", key_id)
        return True
