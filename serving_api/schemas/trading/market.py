"""Schemas of market prices, signals with the indicators behind them, bars, and the oracle."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, Share

AssetClass = Literal["crypto", "equity"]
Direction = Literal["BUY", "SELL", "HOLD"]
Interval = Literal["1m", "5m", "15m", "1d"]


class MarketPrice(BaseModel):
    """The newest close of a stock or coin."""

    symbol: str
    asset_class: AssetClass
    price: float = Field(gt=0, description="close of the newest bar")
    currency: str
    change_24h_pct: float | None = Field(description="percent against the close 24 hours earlier")
    event_time: datetime


class SignalIndicators(BaseModel):
    """Technical indicators at the close of a bar; null where too few bars come before."""

    rsi: float | None = Field(ge=0, le=100, description="relative strength of 14 bars")
    macd: float | None
    macd_signal: float | None
    bollinger_upper: float | None
    bollinger_middle: float | None
    bollinger_lower: float | None
    ma5: float | None
    ma20: float | None
    volatility: float | None = Field(ge=0, description="of 20 log returns, a year")


class SymbolSignal(BaseModel):
    """The newest signal of a symbol."""

    symbol: str
    signal_id: str
    signal: Direction
    confidence: Share = Field(
        description="calibrated probability that the direction pays over the next five bars, after costs"
    )
    risk_score: float = Field(ge=0, le=100)
    position_size: float = Field(ge=0, le=20, description="percent of the portfolio")
    buy_score: float = Field(ge=0, le=100, description="share of the votes for buying")
    sell_score: float = Field(ge=0, le=100, description="share of the votes for selling")
    buy_probability: Share = Field(description="probability that buying pays: confidence of such an order")
    sell_probability: Share = Field(description="probability that selling pays: confidence of such an order")
    indicators: SignalIndicators
    verification: Literal["VERIFIED", "FAILED", "PENDING"]
    bar_time: datetime = Field(description="begin of the bar at whose close it was given")
    meta: Meta


class OracleChecks(BaseModel):
    """The four checks of the oracle; all must hold."""

    confidence_reasonable: bool
    risk_consistent: bool
    data_integrity: bool
    anomaly_free: bool


class OracleVerification(BaseModel):
    """What the oracle found when it computed a signal again."""

    verification_id: str
    signal_id: str
    symbol: str
    result: Literal["VERIFIED", "FAILED"]
    hash: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the stored signal as canonical JSON")
    checks: OracleChecks
    timestamp: datetime


class RuleViolation(BaseModel):
    """A limit that an order breaks."""

    rule: str = Field(
        description="max_position_size_pct, max_daily_loss_pct, min_confidence, max_daily_trades; "
        "max_losing_trades or symbol_locked after losses; cash, holding or quantity for what the account "
        "lacks; unfilled for an order that no bar filled; of the house also position_open, order_waiting and "
        "history, of a signal margin, score and oracle"
    )
    limit: float
    actual: float
    until: datetime | None = Field(
        None, description="when it ends by itself; null where time does not end it"
    )


class SignalOutcome(BaseModel):
    """What became of a signal in the house account."""

    signal_id: str
    symbol: str
    interval: Interval
    bar_time: datetime = Field(description="begin of the bar at whose close it was given")
    signal: Direction
    confidence: Share
    fate: Literal["traded", "refused", "held"] = Field(
        description="traded: the house accepted an order, which waits or was filled; held: HOLD"
    )
    rule: str | None = Field(
        description="the first rule that kept it from being traded: margin or score of HOLD; oracle, "
        "foreign_currency, history; position_open, order_waiting or a limit of the contract; unfilled"
    )
    detail: str = Field(min_length=1, description="the same in words, all rules with their values")
    violations: list[RuleViolation] = Field(description="the rules that have values")


class TechnicalState(BaseModel):
    """Indicators at the close of the newest bar."""

    symbol: str
    bar_time: datetime
    indicators: SignalIndicators
    trend: Literal["up", "down", "flat"] = Field(description="ma5 against ma20")
    meta: Meta
