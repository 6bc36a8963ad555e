"""Schemas of signals and of the indicators behind them, and of bars."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, with_examples
from serving_api.schemas.trading.market import INDICATORS_EXAMPLE, SignalIndicators

Interval = Literal["1m", "5m", "15m", "1d"]


class TechnicalState(BaseModel):
    """Indicators at the close of the newest bar."""

    model_config = with_examples(
        {
            "symbol": "AAPL",
            "bar_time": "2025-12-31T00:00:00Z",
            "indicators": INDICATORS_EXAMPLE,
            "trend": "down",
        }
    )
    symbol: str
    bar_time: datetime
    indicators: SignalIndicators
    trend: Literal["up", "down", "flat"] = Field(description="ma5 against ma20")
    meta: Meta
