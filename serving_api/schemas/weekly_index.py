"""Schema of the weekly index."""

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from serving_api.http.messages import message
from serving_api.schemas.envelope import Day


def a_monday(day: date) -> date:
    """The day. Raises ValueError for another day of the week."""
    if day.weekday() != 0:
        raise ValueError(message("monday"))
    return day


Monday = Annotated[Day, AfterValidator(a_monday), Field(examples=["2026-11-16"])]
COMPUTED = ("contributions", "highest", "lowest")  # for each page, from the rows of its weeks


class BasketChange(BaseModel):
    """A commodity of the basket."""

    commodity: str
    weight: float = Field(ge=0, description="percent of the consumer price index")
    price_idr: float | None = Field(description="mean from the first of the month to the week's end")
    before_idr: float | None = Field(
        description="mean of the month before; null of the nation, as all prices"
    )
    change_pct: float | None = Field(description="null: not comparable, fewer than half of its usual days")
    contribution_pct: float | None = Field(description="weight * change / sum of the comparable weights")
    cv_pct: float | None = Field(
        description="100 * sd / mean of the daily prices since the first of the month"
    )


class WeeklyIndex(BaseModel):
    """The index of a region and week."""

    week: date = Field(description="Monday of the week")
    week_end: date = Field(description="its Sunday, whose month is compared with the month before")
    is_complete: bool = Field(description="false while the week runs")
    last_day: date = Field(description="the Sunday, or the newest day with a price while the week runs")
    region: str = Field(description="Indonesia: weighted mean of the provinces")
    index_pct: float | None = Field(description="sum of the contributions; null: nothing is comparable")
    rank: int | None = Field(description="place among the provinces, 1: largest rise; null of the nation")
    regions: int = Field(ge=0, description="provinces with an index in the week")
    items: list[BasketChange] = Field(description="largest contribution first, then what is missing")
    contributions: str = Field(description="the same as BPS writes them: commodity(contribution);…")
    highest: list[str] = Field(description="the ten provinces with the highest index of the week")
    lowest: list[str] = Field(description="the ten with the lowest, lowest first")
    up: int = Field(ge=0, description="commodities whose mean rose by more than 0.1 %")
    down: int = Field(ge=0, description="commodities whose mean fell by more than 0.1 %")
    stable: int = Field(ge=0, description="commodities with a smaller change")
    weight_pct: float = Field(ge=0, description="weight of the comparable commodities, percent of the index")
    missing_weight_pct: float = Field(ge=0, description="weight of the others")
    weights: str = Field(description="source and year of the weights")
    region_weights: str = Field(description="name of the provinces' weights in the nation's index")
    bps_index_pct: float | None = Field(description="BPS' own figure, where it was imported; never mixed in")
