"""Schemas of what people choose for themselves: preferences, notifications, and alerts on symbols."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from serving_api.http.messages import message
from serving_api.schemas.alerts import RaisedLevel
from serving_api.schemas.envelope import Name, PageQuery, RequestBody

Theme = Literal["light", "dark", "system"]
Condition = Literal["above", "below", "signal"]
AlertedSignal = Literal["BUY", "SELL"]
SymbolName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z0-9._:=^-]{1,32}$"),
    Field(description="stock or coin; GET /api/v1/supported lists them", examples=["BTCUSDT"]),
]
OVER_CHANNEL = "to the address that the person has named and confirmed: /api/v1/users/me/recipients"
ADDRESS = (
    "; null: none. A new one gets a code, and messages only after PUT /api/v1/users/me/recipients with it"
)
Address = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^[1-9][0-9]{4,19}$"),
    Field(
        description="digits alone; Telegram: one's own chat with the bot; WhatsApp: number with country code",
        examples=["6281234567890"],
    ),
]


class Preferences(RequestBody):
    """What the person follows, and the theme of the page."""

    watchlist: list[SymbolName] = Field(max_length=100, description="symbols")
    commodities: list[Name] = Field(
        max_length=100,
        description="ids or aliases; alerts about them become notifications, until commodities are chosen "
        "by PUT /api/v1/users/me/notification-settings",
    )
    theme: Theme


class NotificationSettings(RequestBody):
    """How the person is notified."""

    email: bool = Field(description="to the address of the account, while a mail server is configured")
    telegram: bool = Field(description=OVER_CHANNEL)
    whatsapp: bool = Field(description=OVER_CHANNEL)
    websocket: bool = Field(description="on open pages, as soon as it happens")
    min_level: RaisedLevel = Field(description="lowest level of alerts about commodities")
    commodities: list[Name] = Field(
        max_length=100,
        description="ids or aliases: alerts about them, for a group about its members too; empty: about all. "
        "Before the first PUT: those of /api/v1/users/me/preferences, and no alerts while there are none",
    )
    regions: list[Name] = Field(
        max_length=100,
        description="names or codes of provinces: alerts there and about the whole country; empty: all. "
        "An operator of regions gets none about others",
    )
    digest: Literal["none", "daily", "weekly"] = Field(
        description="none: each message at once. daily, weekly: one message by e-mail, Telegram and WhatsApp "
        "at 07:00 in Jakarta, on Mondays for weekly, about what happened; level kritis still goes at once"
    )
    weekly_sheet: bool = Field(
        False,
        description="on Mondays at 06:00 in Jakarta, by e-mail, Telegram and WhatsApp: the weekly index "
        "of the week before, of Indonesia and of `regions`",
    )
    telegram_chat: Address | None = Field(description=f"one's own chat with the bot{ADDRESS}")
    whatsapp_number: Address | None = Field(description=f"number with country code{ADDRESS}")


class NotificationPreview(BaseModel):
    """How often a choice of alerts would have notified."""

    days: int = Field(description="up to now")
    alerts: int = Field(description="became active in these days, of the chosen levels and places")


class RecipientBody(RequestBody):
    """An address, to which a code goes; the address with the code that arrived there; or none any more."""

    channel: Literal["telegram", "whatsapp"]
    address: Address | None = Field(description="null: no messages go there any more")
    code: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9]{6}$")] | None = Field(
        None, description="six digits, valid for 15 minutes and 5 tries"
    )


class RecipientItem(BaseModel):
    """Where the person wants messages over a channel."""

    address: str
    confirmed: bool = Field(description="false: no message goes there before the code is entered")


class Recipients(BaseModel):
    """The addresses of the person; null: none was named."""

    telegram: RecipientItem | None
    whatsapp: RecipientItem | None


class SymbolAlertBody(RequestBody):
    """A condition on a symbol. It notifies when it becomes true, and again after it was false."""

    symbol: SymbolName
    condition: Condition = Field(description="price above or below `value`, or a signal of this kind")
    value: float | None = Field(None, gt=0, description="currency of the symbol; of above and below")
    signal: AlertedSignal | None = Field(None, description="of condition signal")

    @model_validator(mode="after")
    def _complete(self) -> "SymbolAlertBody":
        """Raises ValueError unless exactly the field of the condition is given."""
        needed, other = ("signal", "value") if self.condition == "signal" else ("value", "signal")
        if getattr(self, needed) is None or getattr(self, other) is not None:
            raise ValueError(message("alert_field", condition=self.condition, needed=needed, other=other))
        return self


class SymbolAlertItem(BaseModel):
    """An alert on a symbol."""

    id: str
    symbol: str
    condition: Condition
    value: float | None
    signal: AlertedSignal | None
    created_at: datetime


class ActivityItem(BaseModel):
    """Something that the person did, as the audit has it."""

    at: datetime
    action: str
    object: str | None


class NotificationsQuery(PageQuery):
    """Parameters of the list of notifications."""

    unread: bool | None = Field(
        None, description="true: only those that are not read; false: only the others"
    )


class NotificationItem(BaseModel):
    """A message to the person."""

    id: str
    kind: Literal["price", "signal", "commodity"]
    title: str
    body: str
    read: bool
    created_at: datetime


class ReadBody(RequestBody):
    """Nothing: the address says it all."""
