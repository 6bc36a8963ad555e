"""Schemas of the impact of a price move and of macro indicators."""

from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, Name, TimeRangeQuery, with_examples

Factor = Literal["cuaca", "hama", "distribusi", "oversupply", "musim", "permintaan_nasional"]
Indicator = Literal["inflation", "fuel_coefficient", "fertilizer_trend"]


class ImpactQuery(BaseModel):
    """Parameters of the impact of a price move."""

    model_config = {"extra": "forbid"}
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


class MacroValues(BaseModel):
    """Newest released value of each indicator; null without one."""

    inflation: float | None
    fuel_coefficient: float | None
    fertilizer_trend: float | None


class ImpactReport(BaseModel):
    """How large a price move is for its commodity, and what moved together with it."""

    model_config = with_examples(
        {
            "commodity": "cabai-rawit-merah",
            "market_id": "PASAR-001",
            "price_change": 0.173,
            "impact_score": 38.1,
            "dominant_factor": "permintaan_nasional",
            "factors_with_weights": {
                "cuaca": 12.0,
                "hama": 0.0,
                "distribusi": 20.0,
                "oversupply": 0.0,
                "musim": 8.0,
                "permintaan_nasional": 60.0,
            },
            "unexplained_pct": 41.0,
            "unavailable": ["hama", "oversupply"],
            "assumptions": ["faktor dan harga bergerak bersama; ini bukan bukti sebab"],
            "macro": {"inflation": 2.1, "fuel_coefficient": None, "fertilizer_trend": None},
        }
    )
    commodity: str
    market_id: str
    price_change: float = Field(description="new / prev - 1")
    impact_score: float = Field(
        ge=0, le=100, description="0 for no move, 50 for a large week of the commodity, near 100 beyond"
    )
    dominant_factor: Factor | None = Field(description="null when nothing is known")
    factors_with_weights: FactorWeights
    unexplained_pct: float = Field(
        ge=0, le=100, description="percent of the move that the factors leave unexplained"
    )
    unavailable: list[Factor] = Field(description="factors without data; their weight is 0")
    assumptions: list[str] = Field(description="what the figures rest on, in Indonesian")
    macro: MacroValues
    meta: Meta


class MacroQuery(TimeRangeQuery):
    """Parameters of the list of macro values."""

    indicator: Indicator | None = Field(None, description="only values of this indicator")


class MacroRow(BaseModel):
    """A released value of a macro indicator."""

    model_config = with_examples(
        {
            "indicator": "inflation",
            "period": "2026-10",
            "value": 2.1,
            "unit": "percent a year",
            "source": "BPS",
        }
    )
    indicator: Indicator
    period: str
    value: float
    unit: str
    source: str = Field(description="who published it; the sender where nobody is named")
