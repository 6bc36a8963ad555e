"""What the schemas of all resources share: field types, page parameters, provenance and pages."""

from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from serving_api.http.messages import message
from serving_api.http.spreadsheets import ListFormat

Name = Annotated[str, Field(min_length=1, max_length=100)]
TIME_FORMS = "RFC 3339 time with offset, or YYYY-MM-DD for midnight in the time zone of each market"
Time = Annotated[str, Field(max_length=40)]
FIRST_DAY = date(1900, 1, 1)  # both leave room for calendar arithmetic
LAST_DAY = date(2900, 1, 1)


def within_calendar(day: date) -> date:
    """The day. Raises ValueError outside 1900 to 2900."""
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(message("day_range", first=FIRST_DAY, last=LAST_DAY))
    return day


Day = Annotated[date, AfterValidator(within_calendar), Field(examples=["2026-11-21"])]
KNOWN_ON = "as known at the close of this day in Jakarta: what was stored later is left out; default: now"
Share = Annotated[float, Field(ge=0, le=1)]
Item = TypeVar("Item", bound=BaseModel)


class RequestBody(BaseModel):
    """A body as it is sent: its types as they are, no unknown field."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class QueryParameters(BaseModel):
    """Parameters in the address. Unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


FileFormat = Annotated[
    ListFormat | None,
    Field(
        description="csv, xlsx: a file with the same columns, which a client generated for JSON cannot read; "
        "default: what Accept names, else json"
    ),
]


class PageQuery(QueryParameters):
    """Parameters of every list. Unknown parameters are refused."""

    limit: int = Field(100, ge=1, le=1000, description="items per page")
    cursor: str | None = Field(None, max_length=1000, description="`next_cursor` of the previous page")
    format: FileFormat = None


class TimeRangeQuery(PageQuery):
    """Parameters of a list that covers the times [from, to)."""

    from_: Time | None = Field(None, alias="from", description=f"first time; {TIME_FORMS}")
    to: Time | None = Field(None, description=f"time after the last; {TIME_FORMS}")


class ReadRange(BaseModel):
    """The times [from, to) that a list covers."""

    from_: datetime = Field(
        alias="from", description="of a date: midnight of the market or region, in Jakarta without one"
    )
    to: datetime | None = Field(description="as `from`; null: without an end")


class Meta(BaseModel):
    """Provenance of a response: the table versions and the model that it was made from."""

    as_of: datetime | None = Field(
        description="newest event time in the tables that were read; of a forecast, the day its prices end"
    )
    delta_version: dict[str, int] = Field(description="version of each table that was read")
    rule_set: str | None = Field(description="fingerprint of the validation rules in force")
    model: dict[str, Any] | None
    lag_seconds: float | None = Field(
        description="seconds since the tables last held every event that Kafka held"
    )
    range: ReadRange | None = Field(description="the times that a list covers, where it has `from` and `to`")
    demo_data: bool = Field(description="true when simulated events are among the items")
    request_id: str


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None
    meta: Meta


class WholeList(BaseModel):
    """A list that is sent whole in its `items`, as JSON or as a file."""


def sent_as_file(model: Any) -> bool:
    """Whether the items of an answer are also sent as CSV and XLSX."""
    return "next_cursor" in getattr(model, "model_fields", {}) or (
        isinstance(model, type) and issubclass(model, WholeList)
    )


def field_types(page: type[BaseModel]) -> dict[str, Any]:
    """Name -> type of each field of the items of a list."""
    fields = get_args(page.model_fields["items"].annotation)[0].model_fields
    return {field.alias or name: field.annotation for name, field in fields.items()}
