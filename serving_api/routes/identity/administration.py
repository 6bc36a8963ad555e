"""Accounts and the audit, for administrators."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import Path, Query, Response
from pydantic import BaseModel, Field

from lakehouse.identity.passwords import normal_email
from lakehouse.identity.roles import Principal
from lakehouse.io.identity import accounts
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.listings import account_item, page_of_accounts, page_of_audit
from lakehouse.reference import DEFAULT_TIMEZONE
from serving_api.http.cursors import time_range
from serving_api.http.dependencies import ADMIN
from serving_api.http.messages import message
from serving_api.http.problems import Problem, invalid
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.names import region_codes_in_body
from serving_api.reads.responses import PRIVATE, CurrentResponses, json_response
from serving_api.schemas.envelope import Name, Page, PageQuery, RequestBody, TimeRangeQuery
from serving_api.schemas.identity.accounts import Email, PersonRole
from serving_api.schemas.problem import problems
from serving_api.writes.verification import Verification

router = Router(prefix="/api/v1/admin", tags=["administration"])
UserIdInPath = Annotated[str, Path(max_length=64, description="`user_id`", examples=["5f0c2b7e9d1a4c38"])]


class UsersQuery(PageQuery):
    """Parameters of the list of accounts."""

    role: PersonRole | None = Field(None, description="accounts of this role")
    email: Email | None = Field(None, description="the account of this address")


class AuditQuery(TimeRangeQuery):
    """Parameters of the audit. Without `from` and `to` it covers all times."""

    actor: Name | None = Field(None, description="user id, role of a local token, or `command`")
    action: Name | None = Field(None, description="such as user.change")


class RightsBody(RequestBody):
    """Changes of an account; what is absent stays."""

    role: PersonRole | None = None
    regions: list[Name] | None = Field(
        None, max_length=50, description="names or codes of provinces that limit an operator; empty: all"
    )
    disabled: bool | None = None


class UserRow(BaseModel):
    """An account."""

    user_id: str
    email: str
    role: PersonRole
    regions: list[str]
    disabled: bool
    last_seen: datetime | None = Field(description="of the last login or refresh")


class ChangedUser(UserRow):
    """An account after a change."""

    link: str | None = Field(
        description="signs its person in once and sets the password; null where the password stays"
    )


class AuditRow(BaseModel):
    """A change of rights, devices, keys or knobs, a decision, or what a person did about an alert."""

    at: datetime
    actor: str
    action: str
    object: str | None
    outcome: str
    hash: str = Field(description="covers this entry and the one before it")


@router.get("/users", response_model=Page[UserRow], summary="Accounts", dependencies=[ADMIN])
async def list_users(
    query: Annotated[UsersQuery, Query()], database: Shared[Database], responses: CurrentResponses
) -> Response:
    """The newest account first."""
    email = None if query.email is None else normal_email(query.email) or query.email
    return await responses.stored(query, partial(page_of_accounts, database, role=query.role, email=email))


@router.patch(
    "/users/{user_id}",
    response_model=ChangedUser,
    responses=problems(409),
    summary="Change role or regions of an account, or disable it",
)
async def change_user(
    user_id: UserIdInPath,
    body: RightsBody,
    caller: Annotated[Principal, ADMIN],
    database: Shared[Database],
    verification: Shared[Verification],
) -> Response:
    """It has its effect after at most 5 s. A disabled person is signed out everywhere.

    Whoever registered an address may not be its owner. With a role above `user` such an account loses its
    password, sign-ins and API keys, and `link` is for the person: it sets a password, once.
    """
    given = body.model_dump(exclude_none=True)
    if not given:
        raise invalid("", "field_required", message("nothing_to_change"))
    if "regions" in given:
        given["regions"] = region_codes_in_body(given["regions"])
    try:
        user, link = await accounts.change_rights(
            database, user_id, actor=caller.subject, granted_by=caller.role, **given
        )
    except accounts.UnknownAccount:
        raise Problem("not-found", reason=message("no_user", name=user_id)) from None
    except accounts.LastAdmin:
        raise Problem("last-admin") from None
    item = account_item(user) | {"link": link and verification.link_address(link)}
    return json_response(item, cache=PRIVATE)


@router.get(
    "/audit",
    response_model=Page[AuditRow],
    summary="Changes of rights, devices and keys",
    dependencies=[ADMIN],
)
async def list_audit(
    query: Annotated[AuditQuery, Query()], database: Shared[Database], responses: CurrentResponses
) -> Response:
    """The newest entry first. Each hash covers the entry and the one before it."""
    given = query.from_ or query.to
    times = time_range(query.from_, query.to, zone=DEFAULT_TIMEZONE) if given else None

    start, end = (times.start, times.end) if times else (None, None)
    chosen: dict[str, Any] = {"actor": query.actor, "action": query.action, "start": start, "end": end}
    return await responses.stored(query, partial(page_of_audit, database, **chosen))
