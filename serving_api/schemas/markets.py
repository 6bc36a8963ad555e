"""Schemas of the market list."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Name, PageQuery, with_examples


class MarketsQuery(PageQuery):
    """Parameters of the market list."""

    region: Name | None = Field(None, description="province name or two-digit code")


class MarketRow(BaseModel):
    """A market and how much it reports."""

    model_config = with_examples(
        {
            "market_id": "PASAR-001",
            "name": "Pasar Baru",
            "level": "market",
            "region": "Jawa Barat",
            "latitude": -6.92,
            "longitude": 107.6,
            "timezone": "Asia/Jakarta",
            "commodities": 13,
            "last_event_time": "2026-11-21T01:00:00Z",
        }
    )
    market_id: str
    name: str
    level: Literal["market", "province"]
    region: str
    latitude: float | None = Field(ge=-90, le=90)
    longitude: float | None = Field(ge=-180, le=180)
    timezone: str
    commodities: int = Field(ge=0)
    last_event_time: datetime | None
