"""Sign in, refresh, sign out, and tickets for WebSockets."""

from dataclasses import asdict
from typing import Any

from anyio.to_thread import run_sync
from fastapi import Response
from starlette.requests import Request

from lakehouse.identity.passwords import normal_email
from lakehouse.io.identity.sign_ins import RefreshRefused, SignIns, TokenPair
from serving_api.http.callers import count_login, password_turn, require_strong
from serving_api.http.dependencies import AccountHolder, CurrentUser
from serving_api.http.problems import Problem
from serving_api.http.refresh_cookie import (
    cookie_token,
    delete_cookie,
    require_own_origin,
    set_cookie,
)
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.http.tickets import SECONDS, Tickets
from serving_api.reads.responses import PRIVATE, json_response
from serving_api.schemas.identity.accounts import (
    LinkBody,
    LoginBody,
    LogoutBody,
    RefreshBody,
    SocketTicket,
    Tokens,
)
from serving_api.schemas.problem import problems

router = Router(prefix="/api/v1", tags=["accounts"])


# 403 is for pages of other origins, and no bearer is needed.
SIGN_IN: dict[str, Any] = {"responses": problems(401, 403), "openapi_extra": {"security": []}}


def tokens_response(request: Request, pair: TokenPair, in_cookie: bool) -> Response:
    """The tokens; no cache may keep them. `in_cookie`: the refresh token goes to the cookie alone."""
    body = {**asdict(pair), "token_type": "bearer"}
    if not in_cookie:
        return json_response(body, cache=PRIVATE)
    response = json_response(body | {"refresh_token": None}, cache=PRIVATE)
    set_cookie(request, response, pair.refresh_token)
    return response


@router.post(
    "/auth/login", response_model=Tokens, **SIGN_IN, summary="Sign in with e-mail address and password"
)
async def login(
    request: Request,
    body: LoginBody,
    sign_ins: Shared[SignIns],
) -> Response:
    """One answer for an unknown address and a wrong password, after the same work.

    After five wrong passwords in a row an address must wait before the next one is checked: 429.
    """
    if body.cookie:
        require_own_origin(request)
    email = normal_email(body.email) or body.email
    count_login(request, email)
    async with password_turn(request):
        pair = await sign_ins.login(email, body.password)
        return tokens_response(request, pair, body.cookie)


@router.post(
    "/auth/link",
    response_model=Tokens,
    **SIGN_IN,
    summary="Sign in with a one-time link and set the password",
)
async def follow_link(
    request: Request,
    body: LinkBody,
    sign_ins: Shared[SignIns],
) -> Response:
    """A link from `./run.sh user` works once. Earlier sign-ins and API keys of the person end."""
    if body.cookie:
        require_own_origin(request)
    async with password_turn(request):
        await run_sync(require_strong, body.password)
        pair = await sign_ins.follow_link(body.link, body.password)
        return tokens_response(request, pair, body.cookie)


@router.post("/auth/refresh", response_model=Tokens, **SIGN_IN, summary="The next tokens of a sign-in")
async def refresh(
    request: Request,
    body: RefreshBody,
    sign_ins: Shared[SignIns],
) -> Response:
    """The refresh token is spent. One that was spent before ends the sign-in, because it was copied.

    A page of this address sends `{}`: its token is in the cookie, and so is the next one.
    """
    given = body.refresh_token
    try:
        pair = await sign_ins.refresh(given or cookie_token(request))
        return tokens_response(request, pair, in_cookie=given is None)
    except RefreshRefused:
        raise Problem("token-invalid") from None


@router.post("/auth/logout", status_code=204, response_class=Response, summary="Sign out here, or everywhere")
async def logout(
    body: LogoutBody,
    caller: AccountHolder,
    sign_ins: Shared[SignIns],
) -> Response:
    """Tokens of the sign-in are refused after at most 5 s; the cookie of a browser is removed."""
    assert caller.user_id is not None
    await sign_ins.sign_out(caller.user_id, None if body.all else caller.sign_in)
    response = Response(status_code=204)
    delete_cookie(response)
    return response


@router.post(
    "/ws/ticket",
    status_code=201,
    response_model=SocketTicket,
    summary="A ticket for the private channels of a WebSocket",
)
async def issue_ticket(caller: CurrentUser, tickets: Shared[Tickets]) -> Response:
    """It is valid for 30 s and used once: a WebSocket sends no headers, and addresses end up in logs."""
    return json_response({"ticket": tickets.issue(caller), "expires_in": SECONDS}, 201, cache=PRIVATE)
