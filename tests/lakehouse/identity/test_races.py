"""Two people at the last administrator, at one refresh token, at one link: one wins. On both databases."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from lakehouse.identity.roles import Role
from lakehouse.io.identity import accounts
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.sign_ins import BadCredentials, RefreshRefused, SignIns
from lakehouse.io.identity.tables import User
from lakehouse.io.identity.tokens import TokenSigner
from tests.lakehouse.identity.test_database import on
from tests.support.identity.passwords import quick_passwords

PASSWORD = "kuda lumping menari di alun-alun"


async def outcomes(*attempts: Awaitable[Any]) -> list[str]:
    """Names of the classes of results and errors, in alphabetical order."""
    results = await asyncio.gather(*attempts, return_exceptions=True)
    return sorted(type(result).__name__ for result in results)


def service(database: Database) -> SignIns:
    return SignIns(database, TokenSigner("0123456789abcdef" * 4, "HS256"), quick_passwords())


async def person(database: Database, email: str, role: Role = Role.USER) -> User:
    hashed = await quick_passwords().hash(PASSWORD)
    return await accounts.create(database, email, actor="test", role=role, password_hash=hashed)


def test_last_administrator_stays_although_two_are_removed_at_once(database_url: str):
    async def work(database: Database) -> list[str]:
        ids = [(await person(database, f"a{number}@example.id", Role.ADMIN)).user_id for number in range(2)]
        return await outcomes(
            accounts.change_rights(database, ids[0], actor="t", granted_by=Role.ADMIN, role="user"),
            accounts.delete_account(database, ids[1], "t"),
        )

    assert on(database_url, work) in (["LastAdmin", "NoneType"], ["LastAdmin", "tuple"])


def test_of_refreshes_at_once_one_gets_tokens_that_stay_valid(database_url: str):
    """The others get the same tokens: two tabs stay signed in."""

    async def work(database: Database) -> None:
        await person(database, "p@example.id")
        sign_ins = service(database)
        token = (await sign_ins.login("p@example.id", PASSWORD)).refresh_token
        (pair,) = set(await asyncio.gather(*(sign_ins.refresh(token) for _ in range(8))))
        await sign_ins.refresh(pair.refresh_token)

    on(database_url, work)


def test_copy_that_is_used_at_once_is_found_at_the_next_refresh(database_url: str):
    async def work(database: Database) -> None:
        await person(database, "p@example.id")
        sign_ins = service(database)
        token = (await sign_ins.login("p@example.id", PASSWORD)).refresh_token
        own, copied = await asyncio.gather(sign_ins.refresh(token), sign_ins.refresh(token))
        newest = await sign_ins.refresh(own.refresh_token)
        for used in (copied.refresh_token, newest.refresh_token):
            with pytest.raises(RefreshRefused):
                await sign_ins.refresh(used)

    on(database_url, work)


def test_spent_refresh_token_ends_its_sign_in(database_url: str):
    async def work(database: Database) -> None:
        await person(database, "p@example.id")
        sign_ins = service(database)
        first = await sign_ins.login("p@example.id", PASSWORD)
        second = await sign_ins.refresh(first.refresh_token)
        for token in (first.refresh_token, second.refresh_token):
            with pytest.raises(RefreshRefused):
                await sign_ins.refresh(token)

    on(database_url, work)


def test_link_is_followed_once_and_sets_the_password(database_url: str):
    async def work(database: Database) -> list[str]:
        user = await person(database, "p@example.id")
        sign_ins = service(database)
        link = await accounts.one_time_link(database, user.user_id, "t")
        new = "becak hijau lewat jembatan"
        results = await outcomes(*(sign_ins.follow_link(link, new) for _ in range(4)))
        await sign_ins.login("p@example.id", new)
        with pytest.raises(BadCredentials):
            await sign_ins.login("p@example.id", PASSWORD)
        return results

    assert on(database_url, work) == ["BadCredentials", "BadCredentials", "BadCredentials", "TokenPair"]


def test_one_address_has_one_account(database_url: str):
    async def work(database: Database) -> list[str]:
        return await outcomes(*(person(database, "same@example.id") for _ in range(4)))

    assert on(database_url, work) == ["AccountExists", "AccountExists", "AccountExists", "User"]
