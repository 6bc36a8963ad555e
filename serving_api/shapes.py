"""Shapes of questions and answers: questions are checked by them, answers are documented by them."""

from datetime import date, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from lakehouse.contract import kinds

Name = Annotated[str, Field(min_length=1, max_length=100)]
Time = Annotated[str, Field(max_length=40, description="RFC 3339 time with offset, or YYYY-MM-DD: the market's local midnight")]
Kind = Literal[tuple(kinds())]  # type: ignore[valid-type]


class Asked(BaseModel):
    """Every list: unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    limit: int = Field(100, ge=1, le=1000, description="items a page")
    cursor: str | None = Field(None, max_length=1000, description="next_cursor of the page before")


class LiveAsked(Asked):
    commodity: Name = Field(description="id or alias; a group answers with its members", examples=["cabai-rawit-merah"])
    region: Name | None = Field(None, description="province name or two-digit code", examples=["Jawa Barat"])


class HistoryAsked(LiveAsked):
    market_id: Name | None = Field(None, examples=["PASAR-001"])
    from_: Time | None = Field(None, alias="from")
    to: Time | None = None
    format: Literal["json", "csv"] = "json"


class MarketsAsked(Asked):
    region: Name | None = Field(None, description="province name or two-digit code")


class SensorsAsked(Asked):
    market_id: Name | None = None
    metric: Literal["temperature_c", "humidity_pct", "crowd_count"] | None = None


class QuarantineAsked(Asked):
    kind: Kind | None = None
    rule: Name | None = Field(None, description="rows that violate this rule")
    market_id: Name | None = Field(None, description="as given in the event")
    commodity: Name | None = Field(None, description="as given in the event, or a name of the reference list")
    stage: Literal["stream", "door"] | None = None
    state: Literal["open", "released", "corrected", "rejected"] | None = None
    from_: Time | None = Field(None, alias="from")
    to: Time | None = None


class ChainAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")
    chain: Literal["price", "trade"] = "price"


class BlocksAsked(Asked):
    chain: Literal["price", "trade"] = "price"
    event_id: Annotated[str, Field(min_length=1, max_length=600)] | None = Field(None, description="blocks about this event")


class Meta(BaseModel):
    """Where an answer comes from."""

    as_of: datetime | None = Field(description="newest event time in the tables that spoke")
    delta_version: dict[str, int]
    rule_set: str | None
    model: dict[str, Any] | None
    lag_seconds: float | None = Field(description="how long ago the tables last held all that Kafka held")
    demo_data: bool = Field(description="true when simulated events are among the items")
    request_id: str


class LivePrice(BaseModel):
    """The newest valid price of a market."""

    market_id: str
    market_name: str
    region: str
    level: Literal["market", "province"]
    commodity: str
    price_idr: float = Field(gt=0, description="rupiah per unit")
    unit: str
    event_time: datetime
    market_date: date
    change_pct: float | None
    status: Literal["validated", "provisional"]
    impact_score: float | None


class HistoryPrice(BaseModel):
    """One accepted price."""

    event_id: str
    market_id: str
    region: str
    commodity: str
    price_idr: float = Field(gt=0, description="rupiah per unit")
    unit: str
    event_time: datetime
    market_date: date
    warnings: list[str]


class MarketRow(BaseModel):
    """A market and what it reports."""

    market_id: str
    name: str
    level: Literal["market", "province"]
    region: str
    latitude: float | None = Field(ge=-90, le=90)
    longitude: float | None = Field(ge=-180, le=180)
    timezone: str
    commodities: int = Field(ge=0)
    last_event_time: datetime | None


class SensorRow(BaseModel):
    """The newest reading of one metric of one device."""

    market_id: str
    device_id_hash: str
    metric: Literal["temperature_c", "humidity_pct", "crowd_count"]
    value: float
    event_time: datetime


class Reason(BaseModel):
    rule: str
    severity: Literal["error", "warn"]
    message: str


class QuarantineRow(BaseModel):
    """A doubtful event and why."""

    event_id: str
    kind: str
    source: str
    market_id: str | None
    commodity: str | None
    reasons: list[Reason] = Field(min_length=1)
    stage: Literal["stream", "door"]
    state: Literal["open", "released", "corrected", "rejected"]
    generation: int
    rule_set: str
    received_at: datetime
    quarantined_at: datetime


class Block(BaseModel):
    """One record of the ledger."""

    index: int = Field(ge=0)
    hash: str = Field(pattern="^[0-9a-f]{64}$")
    previous_hash: str = Field(pattern="^[0-9a-f]{64}$")
    timestamp: datetime
    kind: str
    event_id: str | None = Field(description="null for a batch of prices and for a merge of files")
    table: str | None
    delta_version: int | None


class Integrity(BaseModel):
    """Whether a chain and the rows that it covers are as they were recorded."""

    valid: bool
    chain: Literal["price", "trade"]
    length: int = Field(ge=0, description="records in the chain")
    head_hash: str | None
    first_invalid_index: int | None
    reason: str | None = Field(
        description="hash, gap, link, payload: a record; rows, root: the rows it covers; truncated, head: the published head; "
        "unreadable: a file"
    )
    first_altered_event_id: str | None = Field(description="null when the row cannot be named")
    checked_at: datetime = Field(description="when this was found; a long check answers with the finding before")
    meta: Meta


Item = TypeVar("Item", bound=BaseModel)


class Many(BaseModel, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    next_cursor: str | None
    meta: Meta


class Receipt(BaseModel):
    """Kafka holds the event."""

    event_id: str
    kinds: list[str]
    status: Literal["accepted"]
    received_at: datetime


class BatchItem(BaseModel):
    index: int
    event_id: str | None
    status: Literal["accepted", "rejected"]
    errors: list[dict[str, str]]


class BatchReceipt(BaseModel):
    """What became of each event of a batch."""

    accepted: int
    rejected: int
    items: list[BatchItem]


PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "trace_id"],
    "properties": {
        "type": {"type": "string", "examples": ["/problems/unknown-commodity"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "in the language of Accept-Language: en or id"},
        "instance": {"type": "string"},
        "trace_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {name: {"type": "string"} for name in ("pointer", "code", "message")}},
        },
    },
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documentation of the errors of a row; those common to all rows are added."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": "a problem", "content": content} for status in sorted({405, 406, 500, *statuses})}
