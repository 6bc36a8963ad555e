"""Schemas of accounts and the audit as administrators see them."""

from datetime import datetime

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Name, PageQuery, RequestBody, TimeRangeQuery
from serving_api.schemas.identity.accounts import Email, PersonRole


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
