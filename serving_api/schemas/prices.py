"""Schemas of live prices and price history."""

from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from serving_api.http.messages import message
from serving_api.schemas.envelope import KNOWN_ON, Day, Name, PageQuery

LiveOrder = Literal["newest", "price", "age", "change", "name"]
COMMODITY = "id or alias; a group returns its members too"
Region = Annotated[Name | None, Field(description="province name or two-digit code", examples=["Jawa Barat"])]


class LivePricesQuery(PageQuery):
    """Parameters of the list of live prices."""

    commodity: Name | None = Field(
        None, description=f"{COMMODITY}; required without a region", examples=["cabai-rawit-merah"]
    )
    region: Region = None
    sort: LiveOrder = Field(
        "newest",
        description="newest: by time; price: cheapest first, current prices before old ones; "
        "age: newest market day first; change: largest rise first; name: by name of the market",
    )

    known_on: Day | None = Field(None, alias="date", description=KNOWN_ON)

    @model_validator(mode="after")
    def _is_limited(self) -> Self:
        if self.commodity is None and self.region is None:
            raise ValueError(message("commodity_or_region"))
        return self


class LivePrice(BaseModel):
    """The newest valid price of a commodity at a market."""

    market_id: str
    market_name: str
    region: str
    level: Literal["market", "province"]
    commodity: str
    price_idr: float = Field(ge=1, description="rupiah per unit")
    unit: str
    provider: str | None = Field(description="who published it; the change is from the same provider")
    event_time: datetime
    market_date: date
    change_pct: float | None
    status: Literal["validated", "provisional", "released", "corrected"] = Field(
        description="released or corrected: a decision let the price pass"
    )
    age_days: int = Field(ge=0, description="days between its market day and the newest of all live prices")
    is_current: bool = Field(description="at most 7 days old by `age_days`")
    impact_score: float | None = Field(
        ge=0,
        le=100,
        description="size of the move since the market day before, as in the impact of a price move; null "
        "without an earlier price, and with `known_on`",
    )


class HistoryPrice(BaseModel):
    """One accepted price."""

    event_id: str
    market_id: str
    region: str
    commodity: str
    level: Literal["market", "province"]
    channel: str = Field(description="retail, modern, wholesale or producer")
    provider: str | None = Field(description="who published it; null: stored before this was kept")
    price_idr: float = Field(gt=0, description="rupiah per unit")
    unit: str
    event_time: datetime
    market_date: date
    warnings: list[str]
