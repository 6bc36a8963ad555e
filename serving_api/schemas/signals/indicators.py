"""Schemas of price indicators."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import KNOWN_ON, Day, Name, TimeRangeQuery, with_examples

ChangeLevel = Literal["normal", "naik", "waspada", "siaga", "kritis"]
AlpsClass = Literal["normal", "stress", "alert", "crisis"]


class IndicatorsQuery(TimeRangeQuery):
    """Parameters of the list of indicators."""

    commodity: Name = Field(
        description="id or alias; a group returns its members too", examples=["beras-medium"]
    )
    region: Name | None = Field(None, description="province name or two-digit code", examples=["Jawa Barat"])
    known_on: Day | None = Field(None, alias="date", description=KNOWN_ON)


class IndicatorRow(BaseModel):
    """Early warning, gap to the reference price and dispersion, of a province's retail price on a day."""

    model_config = with_examples(
        {
            "commodity": "beras-medium",
            "region": "Jawa Barat",
            "level": "province",
            "market_date": "2026-11-20",
            "change_1d_pct": 0.4,
            "change_7d_pct": 3.1,
            "change_30d_pct": 6.0,
            "change_365d_pct": None,
            "change_level": "normal",
            "national_gap_pct": -1.2,
            "ifpa": None,
            "ifpa_reason": "insufficient: 3 years of this month, 5 needed",
            "alps": 0.4,
            "alps_class": "stress",
            "alps_reason": None,
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
    change_1d_pct: float | None = Field(description="to the calendar day before; null without its report")
    change_7d_pct: float | None
    change_30d_pct: float | None
    change_365d_pct: float | None
    change_level: ChangeLevel | None = Field(description="level of the rise in 7 days")
    national_gap_pct: float | None = Field(description="price above the national price of that day, percent")
    ifpa: float | None = Field(
        description="FAO's indicator of price anomalies, of the last whole month; null before five years"
    )
    ifpa_reason: str | None = Field(description="why there is no ifpa")
    alps: float | None = Field(description="WFP's alert for price spikes, of the last whole month")
    alps_class: AlpsClass | None
    alps_reason: str | None = Field(description="why there is no alps")
    reference_price_idr: float | None = Field(description="legal ceiling or reference price of that day")
    gap_pct: float | None = Field(description="price above the reference, percent")
    dispersion_pct: float | None = Field(description="spread over the provinces, percent of their mean")
