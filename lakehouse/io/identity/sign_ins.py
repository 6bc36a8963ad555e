"""Sign in, refresh and sign out: access tokens of minutes, refresh tokens that are spent once."""

import asyncio
import secrets as random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from conf.settings import settings
from lakehouse.identity.tokens import digest_of
from lakehouse.io.identity.accounts import end_access, end_sign_ins
from lakehouse.io.identity.audit import record
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.passwords import Passwords
from lakehouse.io.identity.tables import LoginFailure, OneTimeLink, RefreshToken, SignIn, User
from lakehouse.io.identity.tokens import Claims, TokenFault, TokenSigner

FORGOTTEN_AFTER = timedelta(days=1)
MOST_DOUBLINGS = 30


class BadCredentials(Exception):
    """Unknown address, wrong password, disabled account, or a link that is used or expired: one answer."""


class RefreshRefused(Exception):
    """The refresh token is not valid, or no longer."""


class Blocked(Exception):
    """Too many wrong passwords in a row; `seconds`: until the next one is checked."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"blocked for {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True)
class TokenPair:
    """What a login or refresh returns. `expires_in`: seconds of the access token."""

    access_token: str
    refresh_token: str
    expires_in: int
    role: str


class SignIns:
    """Begins, continues and ends sign-ins."""

    def __init__(self, database: Database, signer: TokenSigner, passwords: Passwords) -> None:
        self._database = database
        self._signer = signer
        self._passwords = passwords
        self._under_way: dict[str, asyncio.Task[TokenPair]] = {}  # by the refresh token that is spent

    async def login(self, email: str, password: str) -> TokenPair:
        """Tokens of a new sign-in. Raises Blocked, or BadCredentials after equal work for any address."""
        account = digest_of(email)
        await self._refuse_blocked(account)
        async with self._database.reading() as session:
            user = await session.scalar(select(User).where(User.email == email))
        matches = await self._passwords.verify(password, user.password_hash if user else None)
        if user is None or not matches or user.disabled:
            await self._count_failure(account)
            raise BadCredentials
        async with self._database.writing() as session:
            current = await session.get(User, user.user_id, with_for_update=True)
            if current is None or current.disabled or current.password_hash != user.password_hash:
                raise BadCredentials
            await session.execute(delete(LoginFailure).where(LoginFailure.account_digest == account))
            return await self._begin(session, current)

    async def follow_link(self, secret: str, password: str) -> TokenPair:
        """Tokens of a new sign-in by a one-time link, which sets the password and ends earlier sign-ins.

        Raises BadCredentials.
        """
        now = datetime.now(UTC)
        unused = OneTimeLink.used_at.is_(None) & (OneTimeLink.expires_at > now)
        async with self._database.reading() as session:
            known = select(OneTimeLink.digest).where(OneTimeLink.digest == digest_of(secret), unused)
            if await session.scalar(known) is None:
                raise BadCredentials  # before the work of a hash, which a guess shall not cause
        hashed = await self._passwords.hash(password)
        async with self._database.writing() as session:
            use = update(OneTimeLink).where(OneTimeLink.digest == digest_of(secret), unused)
            user_id = await session.scalar(use.values(used_at=now).returning(OneTimeLink.user_id))
            user = await session.get(User, user_id) if user_id else None
            if user is None or user.disabled:
                raise BadCredentials
            user.password_hash = hashed
            user.followed_link = True
            await session.flush()
            await end_access(session, user.user_id)
            await record(session, user.user_id, "user.password", user.user_id)
            return await self._begin(session, user)

    async def refresh(self, token: str) -> TokenPair:
        """The next tokens of a sign-in. A token that was spent before ends it: somebody has a copy.

        Requests with one token that are under way at once, as of two tabs, get the same next tokens: if one
        of them used a copy, their next refreshes show it. Raises RefreshRefused.
        """
        try:
            claims = self._signer.verify(token, "refresh")
        except TokenFault:
            raise RefreshRefused from None
        refreshing = self._under_way.get(claims.jti)
        if refreshing is None:
            refreshing = asyncio.create_task(self._refresh(claims))
            self._under_way[claims.jti] = refreshing
            refreshing.add_done_callback(lambda _: self._under_way.pop(claims.jti))
        return await asyncio.shield(refreshing)  # goes on when one of the callers is gone

    async def _refresh(self, claims: Claims) -> TokenPair:
        now = datetime.now(UTC)
        async with self._database.writing() as session:
            spent = await self._spend(session, claims.jti)
            sign_in = await session.get(SignIn, claims.sid) if spent else None
            user = await session.get(User, sign_in.user_id) if sign_in else None
            if sign_in is not None and user is not None and is_valid(sign_in, user, now):
                return await self._continue(session, user, sign_in)
            if not spent:
                await end_sign_ins(session, sign_in_id=claims.sid)
        raise RefreshRefused

    async def confirm(self, user: User, password: str) -> None:
        """Check the password of somebody who has signed in. A wrong one counts like one of a login.

        Raises Blocked, or BadCredentials for a wrong one.
        """
        account = digest_of(user.email)
        await self._refuse_blocked(account)
        if not await self._passwords.verify(password, user.password_hash):
            await self._count_failure(account)
            raise BadCredentials

    async def change_password(self, user: User, current: str, new: str) -> None:
        """Set another password, end all sign-ins and revoke all keys.

        Raises Blocked, or BadCredentials for a wrong one.
        """
        await self.confirm(user, current)
        hashed = await self._passwords.hash(new)
        async with self._database.writing() as session:
            unchanged = (User.user_id == user.user_id) & (User.password_hash == user.password_hash)
            change = update(User).where(unchanged).values(password_hash=hashed)
            if await session.scalar(change.returning(User.user_id)) is None:
                raise BadCredentials
            await end_access(session, user.user_id)
            await record(session, user.user_id, "user.password", user.user_id)

    async def sign_out(self, user_id: str, sign_in_id: str | None) -> None:
        """End one sign-in, or all of the person."""
        async with self._database.writing() as session:
            if sign_in_id is None:
                await end_sign_ins(session, user_id=user_id)
                await record(session, user_id, "user.sign-out-everywhere", user_id)
            else:
                await end_sign_ins(session, sign_in_id=sign_in_id)

    async def _spend(self, session: AsyncSession, jti: str) -> bool:
        """Whether this request is the first one that spends the token."""
        fresh = (RefreshToken.jti == jti) & RefreshToken.spent_at.is_(None)
        spend = update(RefreshToken).where(fresh).values(spent_at=datetime.now(UTC))
        return await session.scalar(spend.returning(RefreshToken.jti)) is not None

    async def _begin(self, session: AsyncSession, user: User) -> TokenPair:
        now = datetime.now(UTC)
        await session.execute(delete(SignIn).where(SignIn.expires_at < now - FORGOTTEN_AFTER))
        expires_at = now + timedelta(days=settings().identity.refresh_days)
        sign_in = SignIn(
            sign_in_id=random.token_hex(16), user_id=user.user_id, created_at=now, expires_at=expires_at
        )
        session.add(sign_in)
        await session.flush()
        return await self._continue(session, user, sign_in)

    async def _continue(self, session: AsyncSession, user: User, sign_in: SignIn) -> TokenPair:
        """The next pair of tokens. The refresh token ends with the sign-in."""
        now = datetime.now(UTC)
        user.last_seen = now
        jti = random.token_hex(16)
        session.add(RefreshToken(jti=jti, sign_in_id=sign_in.sign_in_id, expires_at=sign_in.expires_at))
        minutes = settings().identity.access_minutes
        left = max(int((sign_in.expires_at - now).total_seconds()), 1)
        seconds = min(minutes * 60, left)
        rights = (user.user_id, user.role)
        access = self._signer.sign(*rights, "access", seconds, sign_in.sign_in_id, user.regions)
        refresh = self._signer.sign(*rights, "refresh", left, sign_in.sign_in_id, user.regions, jti)
        return TokenPair(access, refresh, seconds, user.role)

    async def _refuse_blocked(self, account: str) -> None:
        async with self._database.reading() as session:
            failure = await session.get(LoginFailure, account)
        if failure is not None and failure.blocked_until is not None:
            seconds = (failure.blocked_until - datetime.now(UTC)).total_seconds()
            if seconds > 0:
                raise Blocked(int(seconds) + 1)

    async def _count_failure(self, account: str) -> None:
        now = datetime.now(UTC)
        async with self._database.writing() as session:
            await session.execute(delete(LoginFailure).where(LoginFailure.failed_at < now - FORGOTTEN_AFTER))
            failure = await session.get(LoginFailure, account, with_for_update=True)
            if failure is None:
                failure = LoginFailure(account_digest=account, failures=0, failed_at=now)
                session.add(failure)
            failure.failures += 1
            failure.failed_at = now
            failure.blocked_until = now + wait_after(failure.failures)


def wait_after(failures: int) -> timedelta:
    """How long an account waits after so many wrong passwords in a row."""
    knobs = settings().identity
    beyond = failures - knobs.free_failures
    if beyond < 0:
        return timedelta()
    doubled = knobs.back_off_seconds * 2 ** min(beyond, MOST_DOUBLINGS)
    return timedelta(seconds=min(doubled, knobs.longest_back_off_seconds))


def is_valid(sign_in: SignIn, user: User, now: datetime) -> bool:
    """Whether a sign-in has not ended and its person may sign in."""
    return sign_in.ended_at is None and sign_in.expires_at > now and not user.disabled
