"""Schemas of backtests of one's own strategy, and of experiments with models."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from serving_api.schemas.analytics import OptionalDate
from serving_api.schemas.anomalies import strict_date
from serving_api.schemas.envelope import Name, RequestBody, Share
from serving_api.schemas.identity.personal import SymbolName
from serving_api.schemas.trading.market import Interval

OrderedStatus = Literal["queued", "running", "succeeded", "failed"]
Benchmark = Literal["buy_and_hold", "cash", "random"]
LabModel = Literal["ridge", "random_forest", "xgboost"]
Number = int | float
Values = Number | Annotated[list[Number], Field(min_length=1, max_length=20)]


class BacktestBody(RequestBody):
    """A strategy with its parameters, or several with their defaults."""

    model_config = ConfigDict(populate_by_name=True)
    symbol: SymbolName
    strategy: Name = Field(description="its name; several as ma_cross,momentum; or all")
    parameters: dict[Name, Values] = Field(
        {},
        max_length=10,
        description="a number, or a list of which each value is tried; stop_pct, take_profit_pct",
    )
    from_: OptionalDate = Field(None, alias="from", description="first day of the bars; default: the oldest")
    to: OptionalDate = Field(None, description="day after the last; default: the newest")
    interval: Interval | None = Field(
        None, description="length of a bar; default: daily bars where there are any, else the shortest"
    )
    benchmark: Benchmark = Field("buy_and_hold", description="what metrics.benchmark_return_pct is of")


class ReportBar(BaseModel):
    """The account after a bar."""

    time: datetime = Field(description="begin of the bar")
    equity: float
    held: float = Field(description="equity of the account that bought at once and never sold")
    drawdown_pct: float = Field(ge=0, description="percent below the former high, of all bars")


class ReportMonth(BaseModel):
    """What a month (UTC) brought, in percent."""

    month: str = Field(description="YYYY-MM")
    return_pct: float
    held_pct: float = Field(description="that of holding")


class ReportBin(BaseModel):
    """Closed trades within [low, high)."""

    low: float
    high: float
    trades: int


class ReportReason(BaseModel):
    """Trades by what began and ended them: a strategy, stop, take_profit, or end: still open."""

    entry: str
    exit: str
    trades: int
    wins: int
    net_pnl: float


class BacktestTrade(BaseModel):
    """A position from nothing to nothing, or with `exit` end still open and valued at the last close."""

    opened_at: datetime = Field(description="begin of the bar")
    closed_at: datetime = Field(description="begin of the bar")
    bars: int = Field(ge=0, description="bars held")
    quantity: float
    entry_price: float = Field(description="mean, in shares of the end")
    exit_price: float
    fees: float
    net_pnl: float = Field(description="after fees")
    return_pct: float
    entry: str = Field(description="strategy that bought")
    exit: str = Field(description="strategy that sold, stop, take_profit, or end: still open")


class UnknownFigure(BaseModel):
    """What the test cannot know, or a figure that is null."""

    name: str
    reason: str


class BacktestReport(BaseModel):
    """The account by bar and month, and its trades."""

    bars: list[ReportBar] = Field(description="at most 500, the deepest fall among them")
    months: list[ReportMonth]
    pnl_histogram: list[ReportBin] = Field(description="by net_pnl")
    holding_bars: list[ReportBin] = Field(description="by bars held")
    reasons: list[ReportReason]
    trades: list[BacktestTrade] = Field(description="the newest first, at most 1,000")
    trades_total: int
    unknown: list[UnknownFigure]


class BacktestItem(BaseModel):
    """A backtest. Whether its figures could be luck comes before any profit."""

    id: str
    status: OrderedStatus
    symbol: str
    strategy: str
    parameters: dict[str, Any]
    from_: date | None = Field(alias="from")
    to: date | None
    interval: Interval | None = Field(description="length of a bar that was ordered")
    trials: int = Field(
        ge=0, description="variants that the person has tried so far, of every symbol; 0 before the end"
    )
    deflated_sharpe: Share | None = Field(description="probability of skill, given so many trials")
    pbo: Share | None = Field(description="probability of backtest overfitting; null for a single variant")
    profit_claim: bool = Field(
        description="true only with deflated_sharpe > .95, pbo < .2 and more than held"
    )
    verdict: str | None
    metrics: dict[str, Any] | None = Field(description="of the bars that no choice was made on")
    equity: list[float] | None = Field(
        description="of these bars, at most 500 points; null in lists and before the end"
    )
    against_buy_and_hold: dict[str, Any] | None
    report: BacktestReport | None = Field(description="null in lists and before the end")
    run_id: str | None = Field(description="run id in MLflow")
    detail: str | None = Field(description="why it failed")
    created_at: datetime
    finished_at: datetime | None


class ExperimentBody(RequestBody):
    """A model that learns the next bars' direction from features of past ones."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=80)]
    symbol: SymbolName
    model: LabModel
    features: list[Name] = Field(min_length=1, max_length=50, description="names, each once")
    train_from: Annotated[date, BeforeValidator(strict_date)]
    train_to: Annotated[date, BeforeValidator(strict_date)] = Field(
        description="last day to learn from; later bars test what was learned"
    )


class ExperimentItem(BaseModel):
    """An experiment."""

    id: str
    name: str
    symbol: str
    model: LabModel
    features: list[str]
    train_from: date
    train_to: date
    status: OrderedStatus
    metrics: dict[str, Any] | None = Field(description="on the bars after train_to")
    run_id: str | None = Field(description="run id in MLflow")
    detail: str | None = Field(description="why it failed")
    created_at: datetime
