"""Accounts of people: create, change, export and delete. Each change of rights is a row of the audit."""

import asyncio
import secrets as random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from conf.settings import settings
from lakehouse.identity.roles import Role, role_named
from lakehouse.identity.tokens import digest_of
from lakehouse.io import personal_jobs
from lakehouse.io.identity import personal
from lakehouse.io.identity.audit import record
from lakehouse.io.identity.database import Database, hold
from lakehouse.io.identity.tables import ApiKey, AuditEntry, OneTimeLink, SignIn, User
from lakehouse.times import rfc3339

PROFILE = ("user_id", "email", "full_name", "locale", "role", "regions", "created_at", "last_seen")
ADMIN_LOCK = 7_316_054  # administrators are counted by one writer at a time


class UnknownAccount(Exception):
    """There is no account with this id or address."""


class AccountExists(Exception):
    """There is an account with this address."""


class LastAdmin(Exception):
    """The change would leave no active administrator."""


class RoleTooHigh(Exception):
    """Nobody grants a role above their own, nor changes an account above it."""


async def create(
    database: Database,
    email: str,
    *,
    actor: str | None,
    role: Role = Role.USER,
    password_hash: str | None = None,
    full_name: str | None = None,
    locale: str = "id",
    regions: Sequence[str] = (),
) -> User:
    """The new account. `actor` None: the person itself. Raises AccountExists."""
    user = User(
        user_id=random.token_hex(16),
        email=email,
        full_name=full_name,
        locale=locale,
        role=role.label,
        regions=list(regions),
        password_hash=password_hash,
        followed_link=False,
        disabled=False,
        created_at=datetime.now(UTC),
    )
    try:
        async with database.writing() as session:
            session.add(user)
            await session.flush()
            detail = {"role": role.label, "regions": list(regions)}
            await record(session, actor or user.user_id, "user.create", user.user_id, detail=detail)
    except IntegrityError:
        raise AccountExists from None
    return user


async def invite(
    database: Database,
    email: str,
    *,
    actor: str,
    role: Role,
    full_name: str | None = None,
    regions: Sequence[str] = (),
) -> str:
    """The one-time link of a new account, which replaces one that a stranger may have registered.

    Raises AccountExists for an account that is not `is_unproven`.
    """
    try:
        user = await create(database, email, actor=actor, role=role, full_name=full_name, regions=regions)
    except AccountExists:
        known = await by_email(database, email)
        if not is_unproven(known):
            raise
        await delete_account(database, known.user_id, actor)
        await asyncio.to_thread(personal_jobs.remove_all, known.user_id)
        user = await create(database, email, actor=actor, role=role, full_name=full_name, regions=regions)
    return await one_time_link(database, user.user_id, actor)


async def by_email(database: Database, email: str) -> User:
    """The account of an address. Raises UnknownAccount."""
    async with database.reading() as session:
        return _existing(await session.scalar(select(User).where(User.email == email)))


async def by_id(database: Database, user_id: str) -> User:
    """The account with this id. Raises UnknownAccount."""
    async with database.reading() as session:
        return _existing(await session.get(User, user_id))


async def change_rights(
    database: Database, user_id: str, *, actor: str, granted_by: Role, **changes: Any
) -> tuple[User, str | None]:
    """The account with another role, other regions, or disabled; and a one-time link if it needs one.

    A disabled account is signed out everywhere. So is one that a stranger may have registered (`is_unproven`)
    when it has a role above user: its password is dropped, and the link is for its person. Raises
    UnknownAccount, RoleTooHigh or LastAdmin.
    """
    async with database.writing() as session:
        await hold(session, ADMIN_LOCK)
        user = _existing(await session.get(User, user_id, with_for_update=True))
        highest = max(role_named(user.role), role_named(changes.get("role", user.role)))
        if highest > granted_by:
            raise RoleTooHigh
        before = {name: getattr(user, name) for name in changes}
        was_admin = is_active_admin(user)
        for name, value in changes.items():
            setattr(user, name, value)
        await session.flush()
        if was_admin:
            await _keep_an_admin(session)
        detail: dict[str, Any] = {"before": before, "after": changes}
        link = None
        if user.disabled:
            await end_access(session, user_id)
        elif is_unproven(user) and role_named(user.role) > Role.USER:
            user.password_hash = None
            await personal.remove_all(session, user_id)  # a stranger's addresses for messages among it
            await end_access(session, user_id)
            link = await _issue_link(session, user_id)
            detail["dropped"] = ["password", "sign-ins", "keys"]
        await record(session, actor, "user.change", user_id, detail=detail)
        return user, link


async def change_profile(database: Database, user_id: str, changes: dict[str, Any]) -> User:
    """The account with another name or language. Raises UnknownAccount."""
    async with database.writing() as session:
        user = _existing(await session.get(User, user_id))
        for name, value in changes.items():
            setattr(user, name, value)
        return user


async def delete_account(database: Database, user_id: str, actor: str) -> None:
    """Remove the account with everything that belongs to it.

    The audit keeps its id, which no longer leads to a person. Raises UnknownAccount or LastAdmin.
    """
    async with database.writing() as session:
        await hold(session, ADMIN_LOCK)
        user = _existing(await session.get(User, user_id))
        was_admin = is_active_admin(user)
        await session.execute(delete(User).where(User.user_id == user_id))
        await personal.remove_all(session, user_id)
        if was_admin:
            await _keep_an_admin(session)
        await record(session, actor, "user.delete", user_id)


async def export_account(database: Database, user_id: str) -> dict[str, Any]:
    """Everything that is stored about a person, without secrets. Raises UnknownAccount."""
    user = await by_id(database, user_id)
    async with database.reading() as session:
        sign_ins = await session.scalars(select(SignIn).where(SignIn.user_id == user_id))
        keys = await session.scalars(select(ApiKey).where(ApiKey.user_id == user_id))
        entries = await session.scalars(
            select(AuditEntry)
            .where((AuditEntry.actor == user_id) | (AuditEntry.object == user_id))
            .order_by(AuditEntry.index)
        )
        return {
            "account": plain(user, *PROFILE),
            "sign_ins": [plain(row, "created_at", "expires_at", "ended_at") for row in sign_ins],
            "api_keys": [plain(row, "name", "prefix", "scopes", "created_at", "revoked_at") for row in keys],
            "audit": [plain(row, "at", "action", "object", "outcome") for row in entries],
            **await personal.export(session, user_id),
        }


async def one_time_link(database: Database, user_id: str, actor: str) -> str:
    """A secret that signs the person in once, within `identity.link_minutes`. Earlier ones end."""
    async with database.writing() as session:
        secret = await _issue_link(session, user_id)
        await record(session, actor, "user.link", user_id)
    return secret


async def _issue_link(session: AsyncSession, user_id: str) -> str:
    secret = random.token_urlsafe(32)
    expires_at = datetime.now(UTC) + timedelta(minutes=settings().identity.link_minutes)
    await session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user_id))
    session.add(OneTimeLink(digest=digest_of(secret), user_id=user_id, expires_at=expires_at))
    return secret


async def without_password(database: Database, email: str, full_name: str | None, locale: str) -> User | None:
    """The account of a person who has yet to set a password, created when there is none.

    None when it needs no link: it has a password, is disabled, or has a link that is valid.
    """
    try:
        return await create(database, email, actor=None, full_name=full_name, locale=locale)
    except AccountExists:
        user = await by_email(database, email)
    valid = select(OneTimeLink.digest).where(
        OneTimeLink.user_id == user.user_id,
        OneTimeLink.used_at.is_(None),
        OneTimeLink.expires_at > datetime.now(UTC),
    )
    async with database.reading() as session:
        has_link = await session.scalar(valid) is not None
    return None if user.password_hash or user.disabled or has_link else user


async def withdraw_links(database: Database, user_id: str) -> None:
    """Remove the one-time links of a person, which did not reach it."""
    async with database.writing() as session:
        await session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user_id))


async def end_access(session: AsyncSession, user_id: str) -> None:
    """Sign the person out everywhere and revoke all API keys."""
    await end_sign_ins(session, user_id=user_id)
    current = update(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
    await session.execute(current.values(revoked_at=datetime.now(UTC)))


async def end_sign_ins(session: AsyncSession, **of: str) -> None:
    """End the sign-ins of a `user_id`, or that of a `sign_in_id`."""
    ended = update(SignIn).filter_by(**of, ended_at=None)
    await session.execute(ended.values(ended_at=datetime.now(UTC)))


def is_unproven(user: User) -> bool:
    """Whether the account has a password that whoever registered the address has chosen."""
    return user.password_hash is not None and not user.followed_link


def is_active_admin(user: User) -> bool:
    """Whether the account is an administrator that may sign in."""
    return user.role == Role.ADMIN.label and not user.disabled


def plain(row: Any, *names: str) -> dict[str, Any]:
    """The columns as JSON holds them."""
    values = {name: getattr(row, name) for name in names}
    return {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _existing(user: User | None) -> User:
    """The account. Raises UnknownAccount without one."""
    if user is None:
        raise UnknownAccount
    return user


async def _keep_an_admin(session: AsyncSession) -> None:
    """Raises LastAdmin when no active administrator is left."""
    active = select(func.count()).where(User.role == Role.ADMIN.label, User.disabled.is_(False))
    if not await session.scalar(active):
        raise LastAdmin
