"""Schemas of stocks, transfers between provinces, and delivery routes."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, Name, Share

HolderType = Literal["warehouse", "distributor", "farmer"]
CoverLevel = Literal["red", "amber", "green", "oversupply"]


class HeldStock(BaseModel):
    """What a holder has of one commodity."""

    commodity: str
    quantity_kg: float = Field(ge=0)
    capacity_kg: float | None
    days_of_cover: float | None = Field(
        ge=0, description="stock divided by the mean daily outflow; null without an outflow"
    )
    cover_level: CoverLevel | None = Field(description="red, amber, green or oversupply")
    outflow_basis: Literal["shipments", "depletion"] | None = Field(
        description="what the outflow is measured by: deliveries, or the fall of the stock"
    )
    residual_pct: float | None = Field(
        description="percent of the stock that its deliveries do not explain; below zero: loss"
    )
    event_time: datetime


class HolderStocks(BaseModel):
    """The newest stocks of a warehouse, distributor or farmer."""

    entity_id: str
    entity_type: HolderType
    region: str = Field(description="province; Indonesia when no report names one")
    stocks: list[HeldStock]
    meta: Meta


class RouteQuery(BaseModel):
    """Parameters of the analysis of a route."""

    model_config = {"extra": "forbid"}
    route_id: Name = Field(description="the route, as deliveries name it", examples=["R-BREBES-JKT"])
    distance_km: float = Field(
        ge=0.001, le=10000, allow_inf_nan=False, description="length of the way", examples=[280]
    )


class RouteFactors(BaseModel):
    """Shares of the driving time that are added."""

    weather: Share = Field(description="by the class of yesterday's and today's rain on both ends")
    traffic: Share = Field(description="by the hour at the origin, and the weeks around Idul Fitri")
    disaster: Share = Field(description="by posts of the last days: flood, landslide, closed road")


class RouteReport(BaseModel):
    """Expected time on a route if a delivery left now."""

    route_id: str
    distance_km: float
    base_hours: float = Field(gt=0, description="without any delay")
    delay_hours: float | None = Field(ge=0, description="null: the road is closed")
    total_hours: float | None = Field(gt=0, description="null: the road is closed")
    p90_hours: float | None = Field(
        gt=0, description="nine of ten observed deliveries took less; null for the heuristic"
    )
    basis: Literal["heuristic", "observed"] = Field(
        description="observed: quantiles of at least 50 deliveries that beat the heuristic, "
        "whose numbers are assumptions"
    )
    factors: RouteFactors
    risk: Literal["low", "medium", "high"]
    meta: Meta
