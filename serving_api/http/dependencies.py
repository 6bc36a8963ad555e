"""Typed dependencies of routes: the objects of the application and the caller.

They are coroutines, because FastAPI runs plain functions in a thread.
"""

from collections.abc import Callable
from typing import Any

from fastapi import Depends
from starlette.requests import Request

from lakehouse.identity.roles import Principal, Role
from serving_api.http.callers import REQUIREMENTS, principal_of
from serving_api.http.messages import message
from serving_api.http.problems import Problem


def at_least(request: Request, required: Role) -> Principal:
    """The caller, with this role or one above. Raises Problem 401 without one, 403 when it may not.

    An API key may only read, if that is one of its scopes.
    """
    principal = principal_of(request)
    if principal is None:
        raise Problem("unauthorized")
    if principal.role < required:
        raise Problem("forbidden", reason=message("role_required", role=required.label))
    if principal.scopes is not None and (request.method != "GET" or not principal.may("read")):
        raise Problem("forbidden", reason=message("key_may_not"))
    return principal


def anybody(request: Request) -> None:
    """No caller: for signing in, where a token that has expired may still be sent."""


def user(request: Request) -> Principal:
    """A person: user or above. Raises Problem 401 or 403."""
    return at_least(request, Role.USER)


def operator(request: Request) -> Principal:
    """The caller: operator or above. Raises Problem 401 or 403."""
    return at_least(request, Role.OPERATOR)


def central(request: Request) -> Principal:
    """The caller: central or above. Raises Problem 401 or 403."""
    return at_least(request, Role.CENTRAL)


def admin(request: Request) -> Principal:
    """The caller: an administrator. Raises Problem 401 or 403."""
    return at_least(request, Role.ADMIN)


def account_holder(request: Request) -> Principal:
    """A signed-in person with an account, not an API key nor a token of this machine.

    Raises Problem 401 or 403.
    """
    principal = user(request)
    if principal.user_id is None or principal.scopes is not None:
        raise Problem("forbidden", reason=message("sign_in_required"))
    return principal


def sender(request: Request) -> Principal:
    """The caller if it may send events: a device, or an operator and above, by an API key with that scope.

    Raises Problem 401 or 403.
    """
    principal = principal_of(request)
    if principal is None:
        raise Problem("unauthorized")
    if principal.role is Role.USER:
        raise Problem("forbidden", reason=message("sender_required"))
    if not principal.may("read" if request.method == "GET" else "ingest"):
        raise Problem("forbidden", reason=message("key_may_not"))
    return principal


def owner_or_operator(request: Request) -> Principal:
    """The caller: a device, which sees itself alone, or an operator and above. Raises Problem 401 or 403."""
    principal = principal_of(request)
    return principal if principal and principal.device_id else operator(request)


def _caller(identify: Callable[[Request], Principal]) -> Any:
    async def caller(request: Request) -> Principal:
        return identify(request)

    REQUIREMENTS[caller] = identify.__name__
    return Depends(caller)


USER = _caller(user)
OPERATOR = _caller(operator)
CENTRAL = _caller(central)
ADMIN = _caller(admin)
ACCOUNT_HOLDER = _caller(account_holder)
SENDER = _caller(sender)
OWNER_OR_OPERATOR = _caller(owner_or_operator)
