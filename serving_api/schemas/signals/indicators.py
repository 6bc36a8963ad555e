"""Schemas of price indicators."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Name, TimeRangeQuery, with_examples

AlpsClass = Literal["normal", "stress", "alert", "crisis"]


class IndicatorsQuery(TimeRangeQuery):
    """Parameters of the list of indicators."""

    commodity: Name = Field(
        description="id or alias; a group returns its members too", examples=["beras-medium"]
    )
    region: Name | None = Field(None, description="province name or two-digit code", examples=["Jawa Barat"])


class IndicatorRow(BaseModel):
    """Early warning, gap to the reference price and dispersion, of a province's retail price on a day."""

    model_config = with_examples(
        {
            "commodity": "beras-medium",
            "region": "Jawa Barat",
            "level": "province",
            "market_date": "2026-11-20",
            "ifpa": None,
            "alps": 0.4,
            "alps_class": "stress",
            "reference_price_idr": 13500,
            "gap_pct": 6.2,
            "dispersion_pct": 4.8,
        }
    )
    commodity: str
    region: str
    level: Literal["market", "province"] = Field(
        description="of reports of markets, or of the whole province"
    )
    market_date: date
    ifpa: float | None = Field(
        description="FAO's indicator of price anomalies, of the last whole month; null before five years"
    )
    alps: float | None = Field(description="WFP's alert for price spikes, of the last whole month")
    alps_class: AlpsClass | None
    reference_price_idr: float | None = Field(description="legal ceiling or reference price of that day")
    gap_pct: float | None = Field(description="price above the reference, percent")
    dispersion_pct: float | None = Field(description="spread over the provinces, percent of their mean")
