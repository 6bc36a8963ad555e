"""The whole pipeline on one screen: which topics, which tables, how often."""

from dataclasses import dataclass

from lakehouse.contract import Contract, contracts, kinds
from lakehouse.event import TOPIC_PREFIX


@dataclass(frozen=True)
class Flow:
    """Tables that are written together; `refresh` of a gold contract says how it follows from what it reads."""

    says: str
    topics: tuple[str, ...] = ()
    appends: tuple[str, ...] = ()
    gold: tuple[str, ...] = ()


HOT = Flow(
    says="every micro-batch, one query: Kafka -> bronze -> silver or quarantine -> the gold that people watch",
    topics=tuple(TOPIC_PREFIX + kind for kind in kinds()),
    appends=("bronze.events", *(contract.table for contract in kinds().values()), "silver.price_verdicts", "silver.quarantine"),
    gold=("gold.live_prices", "gold.sensors_live", "gold.data_quality", "gold.reviews", "gold.balance"),
)
SLOW = Flow(
    says="every stream.slow_trigger_seconds, beside the query: gold that may be seconds old",
    gold=("gold.price_history", "gold.daily_prices", "gold.markets"),
)
HEAVY = Flow(
    says="every stream.heavy_trigger_seconds, in a process of its own (heavy_gold.py): gold that takes its time",
    gold=(
        "gold.indicators",
        "gold.monthly_indicators",
        "gold.ledger",
        "gold.series_stats",
        "gold.silent_series",
        "gold.schema_drift",
        "gold.quality_hourly",
    ),
)
LEARNED = Flow(
    says="after training and with new prices, by the trainer: gold that is judged or forecast",
    gold=(
        "gold.forecasts",
        "gold.model_accuracy",
        "gold.feature_importance",
        "gold.anomalies",
        "gold.weather_prices",
        "gold.sales_model",
        "gold.sales_leaks",
    ),
)


def folded() -> list[Contract]:
    """Gold tables into which the newest rows of a batch are folded."""
    return [contract for name in HOT.gold if (contract := contracts()[name]).refresh == "fold"]
