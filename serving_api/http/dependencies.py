"""Who may call an endpoint: dependencies that return the caller.

They are coroutines, because FastAPI runs plain functions in a thread.
"""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from lakehouse.identity.roles import Principal, Role
from serving_api.http.callers import principal_of
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


async def user(request: Request) -> Principal:
    """A person: user or above. Raises Problem 401 or 403."""
    return at_least(request, Role.USER)


async def operator(request: Request) -> Principal:
    """The caller: operator or above. Raises Problem 401 or 403."""
    return at_least(request, Role.OPERATOR)


async def central(request: Request) -> Principal:
    """The caller: central or above. Raises Problem 401 or 403."""
    return at_least(request, Role.CENTRAL)


async def admin(request: Request) -> Principal:
    """The caller: an administrator. Raises Problem 401 or 403."""
    return at_least(request, Role.ADMIN)


async def account_holder(request: Request) -> Principal:
    """A signed-in person with an account, not an API key nor a token of this machine.

    Raises Problem 401 or 403.
    """
    principal = at_least(request, Role.USER)
    if principal.user_id is None or principal.scopes is not None:
        raise Problem("forbidden", reason=message("sign_in_required"))
    return principal


async def sender(request: Request) -> Principal:
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


async def owner_or_operator(request: Request) -> Principal:
    """The caller: a device, which sees itself alone, or an operator and above. Raises Problem 401 or 403."""
    principal = principal_of(request)
    return principal if principal and principal.device_id else at_least(request, Role.OPERATOR)


async def known_caller(request: Request) -> Principal | None:
    """The caller, None for an anonymous one. Raises Problem 401 for an unknown token."""
    return principal_of(request)


KNOWN_CALLER = Depends(known_caller)
USER = Depends(user)
OPERATOR = Depends(operator)
CENTRAL = Depends(central)
ADMIN = Depends(admin)
ACCOUNT_HOLDER = Depends(account_holder)
SENDER = Depends(sender)
OWNER_OR_OPERATOR = Depends(owner_or_operator)
CurrentUser = Annotated[Principal, USER]
CurrentOperator = Annotated[Principal, OPERATOR]
CurrentSender = Annotated[Principal, SENDER]
AccountHolder = Annotated[Principal, ACCOUNT_HOLDER]
CHECKS = (account_holder, user, operator, central, admin, sender, owner_or_operator)
