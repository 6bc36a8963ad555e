"""Schemas of paper orders, their history and blocks, and of the dashboard of an account."""

from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from serving_api.http.messages import message
from serving_api.schemas.envelope import Meta, Name, RequestBody, Share
from serving_api.schemas.trading.market import RuleViolation

Side = Literal["BUY", "SELL"]
Status = Literal["ACCEPTED", "EXECUTED", "REJECTED"]
Oracle = Annotated[
    Literal["VERIFIED", "FAILED"],
    Field(description="FAILED, and refused: no signal of the newest bar that the oracle verified"),
]


class ExecuteBody(RequestBody):
    """A paper order: a quantity, a share of the account, or neither for the size of the signal."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"symbol": "BTC", "side": "BUY", "position_size_pct": 1}]}
    )
    symbol: Name = Field(description="stock or coin")
    side: Side
    quantity: Annotated[float, Field(gt=0, le=1e12)] | None = Field(None, description="shares or coins")
    position_size_pct: Annotated[float, Field(gt=0, le=100)] | None = Field(
        None, description="percent of the account's equity"
    )
    stop_price: Annotated[float, Field(gt=0, le=1e12)] | None = Field(
        None, description="of a purchase: sell all of the symbol once a bar falls to this price"
    )
    take_profit_price: Annotated[float, Field(gt=0, le=1e12)] | None = Field(
        None, description="of a purchase: sell all of the symbol once a bar rises to this price"
    )
    signal_id: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="the signal that it follows; default: the newest"
    )
    client_order_id: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="your own name for it; the same name returns the first answer again"
    )

    @model_validator(mode="after")
    def size_is_given_once(self) -> Self:
        """Raises ValueError for two sizes."""
        if self.quantity is not None and self.position_size_pct is not None:
            raise ValueError(message("size_given_once"))
        return self


class ContractVerdict(BaseModel):
    """Whether the account keeps every limit after the order."""

    result: Literal["VALID", "INVALID"]
    violations: list[RuleViolation]


class TradeDecision(BaseModel):
    """The decision on a paper order, which is recorded whatever it is."""

    trade_id: str
    status: Status = Field(description="ACCEPTED fills at the open of the next bar")
    symbol: str
    side: Side
    quantity: float = Field(ge=0, description="in whole lots")
    price: float | None = Field(gt=0, description="null until it is filled")
    pnl: float | None
    confidence: Share = Field(description="probability that this side pays, of the signal")
    oracle: Oracle
    validation: ContractVerdict
    event_id: str
    decided_at: datetime
    executed_at: datetime | None


class TradeRow(BaseModel):
    """A paper order."""

    trade_id: str
    symbol: str
    side: Side
    quantity: float = Field(ge=0)
    price: float | None
    pnl: float | None = Field(description="of a sale: proceeds less average cost and fee")
    exit_price: float | None = Field(description="at which a stop or take-profit of this purchase sold")
    exited_at: datetime | None
    status: Status
    confidence: Share
    oracle: Oracle
    violations: list[RuleViolation]
    decided_at: datetime
    executed_at: datetime | None
    block_hash: str | None = Field(
        description="hash of its block in chain `trade`; null until it is recorded"
    )


class TradeResult(BaseModel):
    """Closed trades of an account that have something in common."""

    key: str = Field(description="symbol, reason, or period: 2026-11-27, 2026-W48, 2026-11")
    trades: int = Field(ge=1, description="positions from the first purchase until nothing is held")
    wins: int = Field(ge=0, description="trades with a result above 0")
    net_pnl: float = Field(description="their results, fees taken off")
    average_pnl: float
    fees: float = Field(ge=0)


class RecordedTrade(BaseModel):
    """The order that a block is about."""

    trade_id: str
    symbol: str
    side: str
    status: str


class TradeBlock(BaseModel):
    """A block of chain `trade` about an order."""

    block_number: int = Field(ge=0)
    block_hash: str = Field(pattern="^[0-9a-f]{64}$")
    previous_hash: str = Field(pattern="^[0-9a-f]{64}$")
    trade: RecordedTrade
    timestamp: datetime


class HeldPosition(BaseModel):
    """Shares or coins held."""

    symbol: str
    quantity: float
    average_price: float
    market_value: float = Field(description="at the newest close")
    unrealized_pnl: float


class WaitingPart(BaseModel):
    """An accepted order, or the part of it that waits for its fill."""

    symbol: str
    side: Side
    quantity: float
    market_value: float = Field(description="at the newest close")


class HeldSymbol(BaseModel):
    """A symbol since the account first bought it."""

    symbol: str
    since: datetime
    change_pct: float = Field(description="from the price of that purchase with its fee, percent")


class DayOfAccount(BaseModel):
    """A trading day of the account."""

    date: date
    equity: float = Field(description="at its begin")


class BuyAndHold(BaseModel):
    """What the account would have gained had it only bought and held the symbols that it traded.

    The balance at the start in equal parts, each from the account's own first purchase of the symbol on.
    """

    pnl: float
    since: datetime
    symbols: list[HeldSymbol]


class AccountPerformance(BaseModel):
    """Figures of closed trades, net of fees; null without a trade of that sort."""

    total_trades: int = Field(ge=0, description="from the first purchase until nothing is held")
    win_rate: float | None = Field(ge=0, le=1)
    win_rate_low: float | None = Field(description="95 % interval (Wilson)")
    win_rate_high: float | None
    total_pnl: float
    average_profit: float | None
    average_loss: float | None
    payoff: float | None = Field(description="mean profit divided by mean loss")
    expectancy: float | None = Field(description="mean result of a trade")
    best_trade: float | None
    worst_trade: float | None


class AccountLimits(BaseModel):
    """The limits that every order must keep."""

    max_position_size_pct: float = Field(ge=0, le=100)
    max_daily_loss_pct: float = Field(ge=0, le=100)
    min_confidence: Share
    max_daily_trades: int = Field(ge=0)
    max_losing_trades: int = Field(ge=0, description="trades of a trading day that lost; 0: no limit")
    symbol_lock_bars: int = Field(
        ge=0, description="bars for which a symbol is not bought after a trade of it that lost; 0: none"
    )


class AccountLock(RuleViolation):
    """What may not be bought now, after losses."""

    symbol: str | None = Field(description="null: nothing may be bought")


class TradingDashboard(BaseModel):
    """A paper account at the newest closes: the caller's own, without a token that of the house."""

    currency: str
    balance: float = Field(description="cash and positions at their newest close")
    pnl: float = Field(description="balance less what the account began with")
    buy_and_hold: BuyAndHold | None = Field(description="null before the first purchase")
    cash: float
    positions: list[HeldPosition]
    waiting: list[WaitingPart]
    equity_history: list[DayOfAccount] = Field(description="up to 100 trading days, oldest first")
    price_history: dict[str, list[float]] = Field(description="up to 100 closes of a symbol, oldest first")
    trades_today: int = Field(ge=0)
    daily_pnl: float
    performance: AccountPerformance
    limits: AccountLimits
    locks: list[AccountLock] = Field(description="what may not be bought now, after losses; sales pass")
    simulated: Literal[True] = Field(description="no money is at stake")
    meta: Meta
