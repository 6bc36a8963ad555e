"""Schemas of signals and of the indicators behind them, and of bars."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, PageQuery, Share, with_examples
from serving_api.schemas.identity.personal import SymbolName
from serving_api.schemas.trading.market import INDICATORS_EXAMPLE, AssetClass, Direction, SignalIndicators

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


class SignalsQuery(PageQuery):
    """Parameters of the list of signals."""

    asset_class: AssetClass | None = Field(None, description="only stocks, or only coins")
    symbol: SymbolName | None = Field(None, description="only this stock or coin")


class SignalRow(BaseModel):
    """The signal at the close of a bar. It is computed, and no advice."""

    model_config = with_examples(
        {
            "signal_id": "AAPL-1d-20251231T0000Z",
            "symbol": "AAPL",
            "interval": "1d",
            "signal": "HOLD",
            "confidence": 0.47,
            "risk_score": 41.2,
            "bar_time": "2025-12-31T00:00:00Z",
        }
    )
    signal_id: str
    symbol: str
    interval: str = Field(description="length of the bar: 1m, 5m, 15m or 1d")
    signal: Direction
    confidence: Share = Field(description="calibrated probability that the direction pays after costs")
    risk_score: float = Field(ge=0, le=100)
    bar_time: datetime


class BarsQuery(PageQuery):
    """Parameters of the list of bars."""

    symbol: SymbolName
    interval: Interval | None = Field(
        None, description="length of a bar; default: daily bars where there are any, else those of the newest"
    )


class BarRow(BaseModel):
    """A closed bar."""

    model_config = with_examples(
        {
            "bar_time": "2025-12-31T00:00:00Z",
            "open": 272.9,
            "high": 274.1,
            "low": 271.2,
            "close": 271.9,
            "volume": 27293600.0,
            "no_trade": False,
        }
    )
    bar_time: datetime
    open: float | None
    high: float
    low: float
    close: float
    volume: float
    no_trade: bool | None = Field(description="nothing was traded; such a bar is never filled in")
