"""Schemas of the impact of a price move and of macro indicators."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, Name, QueryParameters

Factor = Literal["cuaca", "hama", "distribusi", "oversupply", "musim", "permintaan_nasional"]
Direction = Literal["up", "down"]
Indicator = Literal["inflation", "fuel_coefficient", "fertilizer_trend"]


class ImpactQuery(QueryParameters):
    """Parameters of the impact of a price move."""

    commodity: Name = Field(
        description="id or alias; for a group, its representative", examples=["cabai-rawit-merah"]
    )
    market_id: Name = Field(description="the market whose price moved", examples=["PASAR-001"])
    prev_price: float = Field(
        ge=0.01, le=1e9, allow_inf_nan=False, description="rupiah per unit before the move", examples=[52000]
    )
    new_price: float = Field(
        ge=0.01, le=1e9, allow_inf_nan=False, description="rupiah per unit after it", examples=[61000]
    )


class FactorWeights(BaseModel):
    """Percent of each factor; together 100, or all 0 when nothing is known."""

    cuaca: float = Field(ge=0, le=100, description="weather")
    hama: float = Field(ge=0, le=100, description="pest")
    distribusi: float = Field(ge=0, le=100, description="distribution")
    oversupply: float = Field(ge=0, le=100)
    musim: float = Field(ge=0, le=100, description="season")
    permintaan_nasional: float = Field(ge=0, le=100, description="national demand")


class FactorDirections(BaseModel):
    """Which way each factor pulled in the measured week; null: no share of it."""

    cuaca: Direction | None = Field(description="weather")
    hama: Direction | None = Field(description="pest")
    distribusi: Direction | None = Field(description="distribution")
    oversupply: Direction | None
    musim: Direction | None = Field(description="season")
    permintaan_nasional: Direction | None = Field(description="national demand")


class MacroValues(BaseModel):
    """Newest released value of each indicator; null without one."""

    inflation: float | None
    fuel_coefficient: float | None
    fertilizer_trend: float | None


class ImpactReport(BaseModel):
    """How large a price move is for its commodity, and what moved together with it."""

    commodity: str
    market_id: str
    price_change: float = Field(description="new / prev - 1")
    impact_score: float = Field(
        ge=0, le=100, description="0 for no move, 50 for a large week of the commodity, near 100 beyond"
    )
    dominant_factor: Factor | None = Field(description="null when nothing is known")
    factors_with_weights: FactorWeights
    directions: FactorDirections
    unexplained_pct: float = Field(
        ge=0, le=100, description="percent of the move that the factors leave unexplained"
    )
    unavailable: list[Factor] = Field(description="factors without data; their weight is 0")
    assumptions: list[str] = Field(description="what the figures rest on, in Indonesian")
    macro: MacroValues
    meta: Meta


class ImpactWeek(BaseModel):
    """The move of a price over the seven days up to a market day, and what moved together with it."""

    commodity: str
    region: str
    market_date: date
    price_change: float = Field(description="price / price seven days before - 1")
    impact_score: float = Field(ge=0, le=100, description="without the multiplier of macro indicators")
    dominant_factor: Factor | None
    factors_with_weights: FactorWeights
    directions: FactorDirections
    unexplained_pct: float = Field(ge=0, le=100)
    unavailable: list[Factor]


class MacroRow(BaseModel):
    """A released value of a macro indicator."""

    indicator: Indicator
    period: str
    value: float
    unit: str
    source: str = Field(description="who published it; the sender where nobody is named")
