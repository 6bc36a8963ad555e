"""Middleware that identifies the caller of each request and counts it against the rate limits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lakehouse.event import Fault
from lakehouse.identity.passwords import password_fault
from lakehouse.identity.roles import Principal
from lakehouse.io.identity.sign_ins import BadCredentials, Blocked
from serving_api.http.auth import Authenticator
from serving_api.http.messages import message
from serving_api.http.problems import Problem, problem_response
from serving_api.http.rate_limits import (
    Limit,
    LimitState,
    RateLimits,
    account_limit,
    caller_address,
    caller_name,
    expensive_limit,
    header_values,
    limits_of,
)

CALLER = "caller"  # in scope["state"]: the Principal, the Problem of its token, or None
STATES = "rate_limits"
_TURNS: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # by network address


def principal_of(request: Request) -> Principal | None:
    """The known caller, None for an anonymous one. Raises Problem 401 for an unknown token."""
    caller: Principal | Problem | None = request.scope["state"][CALLER]
    if isinstance(caller, Problem):
        raise caller
    return caller


def address_of(scope: Scope) -> str:
    """The network address that the request is counted for."""
    client = scope.get("client")
    peer = client[0] if client else ""
    return caller_address(peer, Headers(scope=scope).get("x-forwarded-for"))


def count_login(request: Request, account: str) -> None:
    """Count a login for an account. Raises Problem 429."""
    _count(request, account_limit(account))


def count_expensive(request: Request) -> None:
    """Count a request that turns out to be expensive; call it in the event loop. Raises Problem 429."""
    _count(request, expensive_limit(caller_name(principal_of(request), address_of(request.scope))))


def _count(request: Request, limit: Limit) -> None:
    limits: RateLimits = request.app.state.shared[RateLimits]
    states = limits.count([limit])
    request.scope["state"][STATES] = [*states, *request.scope["state"][STATES]]
    refuse_excess(states)


@asynccontextmanager
async def password_turn(request: Request) -> AsyncIterator[None]:
    """The turn of the caller's network address to have a password hashed: one at a time, so that others wait
    for one computation of each caller at most.

    Refusals of a password or link are problems: 401, and 429 after too many wrong passwords in a row.
    """
    turn = _TURNS.setdefault(address_of(request.scope), asyncio.Lock())
    try:
        async with turn:
            yield
    except Blocked as blocked:
        headers = {"Retry-After": str(blocked.seconds)}
        raise Problem("rate-limited", headers=headers, seconds=blocked.seconds) from None
    except BadCredentials:
        raise Problem("bad-credentials") from None


def refuse_excess(states: list[LimitState]) -> None:
    """Raises Problem 429 when one of the limits is exceeded."""
    exceeded = next((state for state in states if not state.allowed), None)
    if exceeded is not None:
        headers = {"Retry-After": str(exceeded.reset_seconds)}
        raise Problem("rate-limited", headers=headers, seconds=exceeded.reset_seconds)


class Callers:
    """ASGI middleware inside RequestEnvelope."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state[CALLER] = await self._identify(scope)
        known = state[CALLER] if isinstance(state[CALLER], Principal) else None
        applied = limits_of(scope["path"], scope["method"], known, address_of(scope))
        limits: RateLimits = scope["app"].state.shared[RateLimits]
        state[STATES] = limits.count(applied)

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                headers["RateLimit-Policy"], headers["RateLimit"] = header_values(state[STATES])
            await send(message)

        try:
            refuse_excess(state[STATES])
        except Problem as problem:
            await problem_response(problem, Request(scope))(scope, receive, send_with_limits)
            return
        await self._app(scope, receive, send_with_limits)

    async def _identify(self, scope: Scope) -> Principal | Problem | None:
        try:
            authenticator: Authenticator = scope["app"].state.shared[Authenticator]
            return await authenticator.identify(Headers(scope=scope).get("authorization"))
        except Problem as problem:
            return problem


def require_strong(password: str, email: str = "", field: str = "password") -> None:
    """Raises Problem 422 with the rule that the password breaks. Call it in a thread: up to 0.3 s."""
    rule = password_fault(password, email)
    if rule is not None:
        text = message(rule)
        raise Problem("weak-password", [Fault(f"/{field}", rule, text)], reason=text)
