"""Tables of accounts, API keys, devices and the audit. Secrets are stored as digests only."""

from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import JSON, DateTime, Dialect, ForeignKey, String, TypeDecorator, false
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

DIGEST = String(64)
NAME = String(200)
Id = Annotated[str, mapped_column(String(32), primary_key=True)]
UserId = Annotated[str, mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), index=True)]
Owner = Annotated[str, mapped_column(String(64), index=True)]  # subject of the caller: mostly a user id


class UtcTime(TypeDecorator[datetime]):
    """A time in UTC; SQLite keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class IdentityTable(DeclarativeBase):
    """Base of all tables of the identity store."""

    type_annotation_map = {datetime: UtcTime, dict[str, Any]: JSON, list[str]: JSON}


class User(IdentityTable):
    """A person.

    `password_hash`: None until the person has set a password. `followed_link`: whether one of our links set
    it, so that whoever knows it is whom the address was given to; else anybody may have registered it.
    """

    __tablename__ = "users"
    user_id: Mapped[Id]
    email: Mapped[str] = mapped_column(String(254), unique=True)
    full_name: Mapped[str | None] = mapped_column(String(100))
    locale: Mapped[str] = mapped_column(String(2))
    role: Mapped[str] = mapped_column(String(16), index=True)
    regions: Mapped[list[str]]
    password_hash: Mapped[str | None] = mapped_column(NAME)
    followed_link: Mapped[bool]
    disabled: Mapped[bool]
    created_at: Mapped[datetime]
    last_seen: Mapped[datetime | None]


class SignIn(IdentityTable):
    """A family of refresh tokens: it begins with a login and ends with a sign-out."""

    __tablename__ = "sign_ins"
    sign_in_id: Mapped[Id]
    user_id: Mapped[UserId]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]


class RefreshToken(IdentityTable):
    """A refresh token by its `jti`, which is spent once."""

    __tablename__ = "refresh_tokens"
    jti: Mapped[Id]
    sign_in_id: Mapped[str] = mapped_column(ForeignKey("sign_ins.sign_in_id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime]
    spent_at: Mapped[datetime | None]


class ApiKey(IdentityTable):
    """A key of a program, with the rights of its owner within its scopes."""

    __tablename__ = "api_keys"
    key_id: Mapped[Id]
    user_id: Mapped[UserId]
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(DIGEST, unique=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class OneTimeLink(IdentityTable):
    """A link that signs a person in once."""

    __tablename__ = "one_time_links"
    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    user_id: Mapped[UserId]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class LoginFailure(IdentityTable):
    """Failed logins in a row of an address, known or not, by its digest."""

    __tablename__ = "login_failures"
    account_digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    failures: Mapped[int]
    failed_at: Mapped[datetime] = mapped_column(index=True)
    blocked_until: Mapped[datetime | None]


class Device(IdentityTable):
    """A device. `secret_generation` rises with each new secret; tokens of an earlier one are void."""

    __tablename__ = "devices"
    device_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    market_id: Mapped[str] = mapped_column(String(64), index=True)
    role: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16), index=True)  # pending, approved, active, revoked
    secret_digest: Mapped[str | None] = mapped_column(NAME)
    secret_generation: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[str | None] = mapped_column(String(64))  # subject; None: registered without a token
    created_from: Mapped[str | None] = mapped_column(String(64))  # network address; None: a program here
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str | None] = mapped_column(String(64))
    revoked_at: Mapped[datetime | None]


class DeviceClaim(IdentityTable):
    """A code by which a device gets its secret once."""

    __tablename__ = "device_claims"
    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    device_id: Mapped[str] = mapped_column(ForeignKey("devices.device_id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class PersonalSettings(IdentityTable):
    """What a person has chosen: watch list, commodities, theme, and how to be notified of what.

    `alert_commodities`: of which there are alerts, []: all; None: those that the person follows.
    `alert_regions`: codes of provinces, []: all.
    """

    __tablename__ = "personal_settings"
    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    watchlist: Mapped[list[str]]
    commodities: Mapped[list[str]]
    theme: Mapped[str] = mapped_column(String(8))
    email: Mapped[bool]
    telegram: Mapped[bool]
    whatsapp: Mapped[bool]
    websocket: Mapped[bool]
    min_level: Mapped[str] = mapped_column(String(16))
    alert_commodities: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    alert_regions: Mapped[list[str]]
    digest: Mapped[str] = mapped_column(String(8))  # none, daily, weekly
    weekly_sheet: Mapped[bool] = mapped_column(server_default=false())


class PersonalRecipient(IdentityTable):
    """Where a person wants messages over a channel; "": nowhere. `codes`: sent in a day from `day_began`."""

    __tablename__ = "personal_recipients"
    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    address: Mapped[str] = mapped_column(String(32), index=True)
    code: Mapped[str | None] = mapped_column(String(6))  # that was sent there; None once it is confirmed
    issued_at: Mapped[datetime]
    tries: Mapped[int]
    confirmed: Mapped[bool]
    codes: Mapped[int]
    day_began: Mapped[datetime]


class SymbolAlert(IdentityTable):
    """A condition on a symbol. `is_met`: as of the last look; None before the first one."""

    __tablename__ = "symbol_alerts"
    alert_id: Mapped[Id]
    owner: Mapped[Owner]
    symbol: Mapped[str] = mapped_column(String(32), index=True)
    condition: Mapped[str] = mapped_column(String(8))  # above, below, signal
    value: Mapped[float | None]
    signal: Mapped[str | None] = mapped_column(String(4))  # BUY, SELL
    created_at: Mapped[datetime]
    is_met: Mapped[bool | None]


class Notification(IdentityTable):
    """A message to a person. Its id follows from its cause, so that a cause is notified once.

    `awaits_digest`: it goes out over the channels of the person together with others, and has not yet.
    """

    __tablename__ = "notifications"
    notification_id: Mapped[Id]
    owner: Mapped[Owner]
    kind: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(NAME)
    body: Mapped[str] = mapped_column(String(1000))
    is_read: Mapped[bool]
    awaits_digest: Mapped[bool] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(index=True)


class AuditEntry(IdentityTable):
    """A change of rights, devices or keys. Entries form a hash chain (lakehouse/io/identity/audit.py)."""

    __tablename__ = "audit"
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(String(64), index=True)  # subject of the caller, or `command`
    action: Mapped[str] = mapped_column(String(64), index=True)
    object: Mapped[str | None] = mapped_column(NAME)
    outcome: Mapped[str] = mapped_column(String(32))
    detail: Mapped[dict[str, Any]]
    previous_hash: Mapped[str] = mapped_column(DIGEST)
    hash: Mapped[str] = mapped_column(DIGEST)
