"""Schemas of signals and of the indicators behind them, and of bars."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta
from serving_api.schemas.trading.market import SignalIndicators

Interval = Literal["1m", "5m", "15m", "1d"]


class TechnicalState(BaseModel):
    """Indicators at the close of the newest bar."""

    symbol: str
    bar_time: datetime
    indicators: SignalIndicators
    trend: Literal["up", "down", "flat"] = Field(description="ma5 against ma20")
    meta: Meta
