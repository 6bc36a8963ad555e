"""Schemas of sensor readings."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Name, PageQuery, with_examples

Metric = Literal["temperature_c", "humidity_pct", "crowd_count"]


class SensorsQuery(PageQuery):
    """Parameters of the list of live readings."""

    market_id: Name | None = Field(None, description="the market of the sensor", examples=["PASAR-001"])
    metric: Metric | None = Field(None, description="what was measured")


class SensorReading(BaseModel):
    """The newest reading of one metric of one device."""

    model_config = with_examples(
        {
            "market_id": "PASAR-001",
            "device_id_hash": "9f86d081884c7d65",
            "metric": "temperature_c",
            "value": 28.5,
            "event_time": "2026-11-21T01:00:00Z",
        }
    )
    market_id: str
    device_id_hash: str
    metric: Metric
    value: float
    event_time: datetime
