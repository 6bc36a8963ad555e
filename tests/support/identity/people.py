"""Accounts in the store of a home, and requests made as a person."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import update

from lakehouse.identity.roles import Role
from lakehouse.io.identity import accounts
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.tables import User
from scripts.stack.throwaway import Stack
from tests.support.api import Api
from tests.support.identity.passwords import quick_passwords

PASSWORD = "kuda lumping menari di alun-alun"
JSON = {"Content-Type": "application/json"}


def in_store(stack: Stack, work: Callable[[Database], Awaitable[Any]]) -> Any:
    """The result of the work on the store of a home."""

    async def run() -> Any:
        database = Database(stack.identity_url)
        try:
            await database.migrate()
            return await work(database)
        finally:
            await database.close()

    with ThreadPoolExecutor(1) as pool:  # a test may have a loop of its own in this thread
        return pool.submit(asyncio.run, run()).result()


def add_person(stack: Stack, email: str, role: Role = Role.USER, regions: Sequence[str] = ()) -> str:
    """The id of a new account with PASSWORD, as if a one-time link had set it."""

    async def create(database: Database) -> str:
        hashed = await quick_passwords().hash(PASSWORD)
        user = await accounts.create(
            database, email, actor="test", role=role, password_hash=hashed, regions=regions
        )
        async with database.writing() as session:
            await session.execute(update(User).where(User.user_id == user.user_id).values(followed_link=True))
        return user.user_id

    user_id: str = in_store(stack, create)
    return user_id


def send(api: Api, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
    """The response to a request with a JSON body and a token."""
    headers = dict(JSON) if body is not None else {}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    more = {} if body is None else {"json": body}
    return api.request(method, path, headers=headers, **more)


def sign_in(api: Api, email: str, password: str = PASSWORD) -> dict[str, Any]:
    """The tokens of a new sign-in."""
    response = send(api, "POST", "/api/v1/auth/login", {"email": email, "password": password})
    assert response.status_code == 200, response.text
    tokens: dict[str, Any] = response.json()
    return tokens
