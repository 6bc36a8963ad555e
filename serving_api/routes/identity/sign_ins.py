"""Sign in, refresh, sign out, and tickets for WebSockets."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Response
from starlette.requests import Request

from lakehouse.identity.passwords import normal_email
from lakehouse.identity.roles import Principal
from lakehouse.io.identity.sign_ins import BadCredentials, Blocked, RefreshRefused, TokenPair
from serving_api.http.callers import count_login
from serving_api.http.dependencies import (
    USER,
    CurrentLimits,
    CurrentSignIns,
    CurrentTickets,
    account_holder,
    anybody,
)
from serving_api.http.new_passwords import require_strong
from serving_api.http.openapi import request_body
from serving_api.http.problems import Problem
from serving_api.http.request_bodies import JsonBody, json_body
from serving_api.http.request_checks import NO_QUERY_PARAMETERS
from serving_api.http.tickets import SECONDS
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


def tokens_response(pair: TokenPair) -> Response:
    """The tokens; no cache may keep them."""
    return json_response({**asdict(pair), "token_type": "bearer"}, cache=PRIVATE)


@router.post(
    "/auth/login",
    response_model=Tokens,
    responses=problems(400, 401, 413, 415, 422, 503),
    openapi_extra=request_body(LoginBody),
    summary="Sign in with e-mail address and password",
)
async def login(
    request: Request,
    body: Annotated[JsonBody[None, LoginBody], json_body(LoginBody, anybody)],
    sign_ins: CurrentSignIns,
    limits: CurrentLimits,
) -> Response:
    """One answer for an unknown address and a wrong password, after the same work.

    After five wrong passwords in a row an address must wait before the next one is checked: 429.
    """
    email = normal_email(body.value.email) or body.value.email
    count_login(request, limits, email)
    try:
        return tokens_response(await sign_ins.login(email, body.value.password))
    except Blocked as blocked:
        headers = {"Retry-After": str(blocked.seconds)}
        raise Problem("rate-limited", headers=headers, seconds=blocked.seconds) from None
    except BadCredentials:
        raise Problem("bad-credentials") from None


@router.post(
    "/auth/link",
    response_model=Tokens,
    responses=problems(400, 401, 413, 415, 422, 503),
    openapi_extra=request_body(LinkBody),
    summary="Sign in with a one-time link and set the password",
)
async def follow_link(
    body: Annotated[JsonBody[None, LinkBody], json_body(LinkBody, anybody)], sign_ins: CurrentSignIns
) -> Response:
    """A link from `./run.sh user` works once. Earlier sign-ins of the person end."""
    require_strong(body.value.password)
    try:
        return tokens_response(await sign_ins.follow_link(body.value.link, body.value.password))
    except BadCredentials:
        raise Problem("bad-credentials") from None


@router.post(
    "/auth/refresh",
    response_model=Tokens,
    responses=problems(400, 401, 413, 415, 422, 503),
    openapi_extra=request_body(RefreshBody),
    summary="The next tokens of a sign-in",
)
async def refresh(
    body: Annotated[JsonBody[None, RefreshBody], json_body(RefreshBody, anybody)], sign_ins: CurrentSignIns
) -> Response:
    """The refresh token is spent. One that was spent before ends the sign-in, because it was copied."""
    try:
        return tokens_response(await sign_ins.refresh(body.value.refresh_token))
    except RefreshRefused:
        raise Problem("token-invalid") from None


@router.post(
    "/auth/logout",
    status_code=204,
    response_class=Response,
    responses=problems(400, 401, 403, 413, 415, 422, 503),
    openapi_extra=request_body(LogoutBody),
    summary="Sign out here, or everywhere",
)
async def logout(
    body: Annotated[JsonBody[Principal, LogoutBody], json_body(LogoutBody, account_holder)],
    sign_ins: CurrentSignIns,
) -> Response:
    """Tokens of the sign-in are refused after at most 5 s."""
    caller = body.caller
    assert caller.user_id is not None
    await sign_ins.sign_out(caller.user_id, None if body.value.all else caller.sign_in)
    return Response(status_code=204)


@router.post(
    "/ws/ticket",
    status_code=201,
    response_model=SocketTicket,
    responses=problems(401, 403, 422, 503),
    summary="A ticket for the private channels of a WebSocket",
    dependencies=[USER, NO_QUERY_PARAMETERS],
)
async def issue_ticket(caller: Annotated[Principal, USER], tickets: CurrentTickets) -> Response:
    """It is valid for 30 s and used once: a WebSocket sends no headers, and addresses end up in logs."""
    return json_response({"ticket": tickets.issue(caller), "expires_in": SECONDS}, 201, cache=PRIVATE)
