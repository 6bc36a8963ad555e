"""Sign in, refresh, sign out, and tickets for WebSockets."""

from dataclasses import asdict
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Response
from pydantic import BaseModel
from starlette.requests import Request

from lakehouse.identity.passwords import normal_email
from lakehouse.identity.roles import Principal
from lakehouse.io.identity.sign_ins import RefreshRefused, SignIns, TokenPair
from serving_api.http.callers import count_login, password_turn
from serving_api.http.dependencies import USER, account_holder, anybody
from serving_api.http.new_passwords import require_strong
from serving_api.http.openapi import takes_json
from serving_api.http.problems import Problem
from serving_api.http.rate_limits import RateLimits
from serving_api.http.refresh_cookie import (
    cookie_token,
    delete_cookie,
    require_own_origin,
    set_cookie,
)
from serving_api.http.request_bodies import JsonBody, json_body
from serving_api.http.request_checks import NO_QUERY_PARAMETERS
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

router = APIRouter(prefix="/api/v1", tags=["accounts"])


def sign_in_body(model: type[BaseModel]) -> dict[str, Any]:
    """What `takes_json` gives: 403 is for pages of other origins, and no bearer is needed."""
    taken = takes_json(model, 401, 403)
    return taken | {"openapi_extra": {**taken["openapi_extra"], "security": []}}


def tokens_response(request: Request, pair: TokenPair, in_cookie: bool) -> Response:
    """The tokens; no cache may keep them. `in_cookie`: the refresh token goes to the cookie alone."""
    body = {**asdict(pair), "token_type": "bearer"}
    if not in_cookie:
        return json_response(body, cache=PRIVATE)
    response = json_response(body | {"refresh_token": None}, cache=PRIVATE)
    set_cookie(request, response, pair.refresh_token)
    return response


@router.post(
    "/auth/login",
    response_model=Tokens,
    **sign_in_body(LoginBody),
    summary="Sign in with e-mail address and password",
)
async def login(
    request: Request,
    body: Annotated[JsonBody[None, LoginBody], json_body(LoginBody, anybody)],
    sign_ins: Shared[SignIns],
    limits: Shared[RateLimits],
) -> Response:
    """One answer for an unknown address and a wrong password, after the same work.

    After five wrong passwords in a row an address must wait before the next one is checked: 429.
    """
    if body.value.cookie:
        require_own_origin(request)
    email = normal_email(body.value.email) or body.value.email
    count_login(request, limits, email)
    async with password_turn(request):
        pair = await sign_ins.login(email, body.value.password)
        return tokens_response(request, pair, body.value.cookie)


@router.post(
    "/auth/link",
    response_model=Tokens,
    **sign_in_body(LinkBody),
    summary="Sign in with a one-time link and set the password",
)
async def follow_link(
    request: Request,
    body: Annotated[JsonBody[None, LinkBody], json_body(LinkBody, anybody)],
    sign_ins: Shared[SignIns],
) -> Response:
    """A link from `./run.sh user` works once. Earlier sign-ins and API keys of the person end."""
    if body.value.cookie:
        require_own_origin(request)
    async with password_turn(request):
        await run_sync(require_strong, body.value.password)
        pair = await sign_ins.follow_link(body.value.link, body.value.password)
        return tokens_response(request, pair, body.value.cookie)


@router.post(
    "/auth/refresh",
    response_model=Tokens,
    **sign_in_body(RefreshBody),
    summary="The next tokens of a sign-in",
)
async def refresh(
    request: Request,
    body: Annotated[JsonBody[None, RefreshBody], json_body(RefreshBody, anybody)],
    sign_ins: Shared[SignIns],
) -> Response:
    """The refresh token is spent. One that was spent before ends the sign-in, because it was copied.

    A page of this address sends `{}`: its token is in the cookie, and so is the next one.
    """
    given = body.value.refresh_token
    try:
        pair = await sign_ins.refresh(given or cookie_token(request))
        return tokens_response(request, pair, in_cookie=given is None)
    except RefreshRefused:
        raise Problem("token-invalid") from None


@router.post(
    "/auth/logout",
    status_code=204,
    response_class=Response,
    **takes_json(LogoutBody, 401, 403),
    summary="Sign out here, or everywhere",
)
async def logout(
    body: Annotated[JsonBody[Principal, LogoutBody], json_body(LogoutBody, account_holder)],
    sign_ins: Shared[SignIns],
) -> Response:
    """Tokens of the sign-in are refused after at most 5 s; the cookie of a browser is removed."""
    caller = body.caller
    assert caller.user_id is not None
    await sign_ins.sign_out(caller.user_id, None if body.value.all else caller.sign_in)
    response = Response(status_code=204)
    delete_cookie(response)
    return response


@router.post(
    "/ws/ticket",
    status_code=201,
    response_model=SocketTicket,
    responses=problems(401, 403, 422, 503),
    summary="A ticket for the private channels of a WebSocket",
    dependencies=[USER, NO_QUERY_PARAMETERS],
)
async def issue_ticket(caller: Annotated[Principal, USER], tickets: Shared[Tickets]) -> Response:
    """It is valid for 30 s and used once: a WebSocket sends no headers, and addresses end up in logs."""
    return json_response({"ticket": tickets.issue(caller), "expires_in": SECONDS}, 201, cache=PRIVATE)
