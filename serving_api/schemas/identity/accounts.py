"""Schemas of accounts, sign-ins, API keys and tickets."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from lakehouse.identity.passwords import LEAST_LENGTH, MOST_LENGTH
from lakehouse.identity.roles import Scope
from serving_api.schemas.envelope import RequestBody

Locale = Literal["id", "en"]
PersonRole = Literal["user", "operator", "central", "admin"]
Email = Annotated[str, Field(max_length=254, description="compared without regard to case")]
FullName = Annotated[str, Field(max_length=100)]
Secret = Annotated[str, Field(min_length=1, max_length=4096)]
GivenPassword = Annotated[str, Field(max_length=MOST_LENGTH)]
NewPassword = Annotated[
    str, Field(max_length=MOST_LENGTH, description=f"{LEAST_LENGTH} to {MOST_LENGTH} characters, any of them")
]
InCookie = Annotated[
    bool, Field(description="for web pages: the refresh token goes to an HttpOnly cookie, not to the answer")
]


class RegistrationBody(RequestBody):
    """A new account."""

    email: Email
    password: NewPassword
    full_name: FullName | None = None
    locale: Locale = "id"


class LoginBody(RequestBody):
    """Credentials of a person."""

    email: Email
    password: GivenPassword
    cookie: InCookie = False


class LinkBody(RequestBody):
    """A one-time link, and the password that the person sets with it."""

    link: Secret = Field(description="what follows the # of the address that ./run.sh user printed")
    password: NewPassword
    cookie: InCookie = False


class RefreshBody(RequestBody):
    """A refresh token, which is spent by it; absent: that of the cookie."""

    refresh_token: Secret | None = None


class LogoutBody(RequestBody):
    """What ends: this sign-in, or all of the person."""

    all: bool = False


class PasswordBody(RequestBody):
    """A new password, confirmed by the current one."""

    current_password: GivenPassword
    new_password: NewPassword


class ProfileBody(RequestBody):
    """Changes of the own account; what is absent stays."""

    full_name: FullName | None = None
    locale: Locale | None = None


class Registered(BaseModel):
    """The same for a known and an unknown address."""

    status: Literal["accepted"]


class Tokens(BaseModel):
    """The tokens of a sign-in."""

    access_token: str
    refresh_token: str | None = Field(
        description="gives the next pair once; used twice, it ends the sign-in; null: it is in the cookie"
    )
    token_type: Literal["bearer"]
    expires_in: int = Field(description="seconds for which the access token is valid")
    role: PersonRole


class Account(BaseModel):
    """The own account."""

    user_id: str
    email: str
    full_name: str | None
    role: PersonRole
    regions: list[str] = Field(description="codes of the provinces of an operator; empty: all")
    locale: Locale
    created_at: datetime


class AccountExport(BaseModel):
    """Everything that is stored about the person, without secrets."""

    account: dict[str, Any]
    sign_ins: list[dict[str, Any]]
    api_keys: list[dict[str, Any]]
    audit: list[dict[str, Any]]
    settings: dict[str, Any]
    alerts: list[dict[str, Any]]
    notifications: list[dict[str, Any]]
    recipients: list[dict[str, Any]]
    jobs: list[dict[str, Any]]


class ConfirmationBody(RequestBody):
    """The password of the caller."""

    password: GivenPassword


class ApiKeyBody(ConfirmationBody):
    """A new API key, and the password of its owner."""

    name: str = Field(min_length=1, max_length=100)
    scopes: list[Scope] = Field(
        min_length=1, max_length=2, description="read: what its owner may read; ingest: send events"
    )


class ApiKeyItem(BaseModel):
    """An API key without its secret."""

    key_id: str
    name: str
    prefix: str = Field(description="the beginning of the key")
    scopes: list[Scope]
    created_at: datetime


class ApiKeyList(BaseModel):
    """The keys of the caller that are not revoked."""

    items: list[ApiKeyItem]


class CreatedApiKey(ApiKeyItem):
    """An API key with its secret, which is shown only here."""

    key: str


class SocketTicket(BaseModel):
    """A ticket for the private channels of a WebSocket."""

    ticket: str
    expires_in: int
