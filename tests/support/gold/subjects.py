"""Background gold by subject: its jobs, rows of the tables that it follows from, and its recomputation.

A recomputation is a second implementation in plain Python, or the job's own SQL or function over all rows at
once: then the law is about batches, order, restarts and marks, and the figures are tested with the job.
"""

from tests.support.gold.arrivals import arrivals, partition_faults
from tests.support.gold.issued import AccuracyJob, forecasts_and_prices, model_accuracy
from tests.support.gold.learned import anomalies, impact_factors, prices_and_rain, verdicts, weather_prices
from tests.support.gold.posts import posts, sentiment
from tests.support.gold.records import bound_rows, records
from tests.support.gold.senders import (
    collector_freshness,
    device_health,
    drifting,
    events,
    quality_counts,
    quality_hourly,
    schema_drift,
)
from tests.support.gold.series import alerts, prices_and_readings, series_statistics, silent_series
from tests.support.gold.shop_periods import product_supply, promotions, revenue_periods, top_products
from tests.support.gold.shops import (
    customer_satisfaction,
    discount_effect,
    listings,
    price_rating,
    revenue,
)
from tests.support.gold.subject import Subject
from tests.support.gold.supply import chain, routes, stock_days, stocks, supply_transfers
from tests.support.gold.trading import (
    bars_and_orders,
    bars_live,
    portfolio,
    signal_outcomes,
    signals,
    trades,
    verifications,
)
from tests.support.gold.weekly import weekly_index, weeks_of_prices

WRITTEN_AT = ("measured_at", "prices_version", "weather_version", "sentiment_version")
SUBJECTS: dict[str, Subject] = {
    "links and causes": Subject(
        ("ml.weather.job", "ml.impact.job"),
        prices_and_rain,
        {"gold.weather_prices": weather_prices, "gold.impact_factors": impact_factors},
        not_compared=WRITTEN_AT,
    ),
    "alerts": Subject(
        ("daily_prices", "alerts"),
        lambda rng: {"silver.prices": prices_and_readings(rng)["silver.prices"]},
        {"gold.alerts": alerts},
        not_compared=("opened_at",),  # of which batch an alert is
    ),
    "anomalies": Subject(
        ("ml.anomalies.job",), verdicts, {"gold.anomalies": anomalies}, not_compared=("measured_at",)
    ),
    "issued forecasts": Subject(
        (AccuracyJob,),
        forecasts_and_prices,
        {"gold.model_accuracy": model_accuracy},
        not_compared=("measured_at",),
    ),
    "ledger": Subject(
        ("ledger",),
        bound_rows,
        {"gold.ledger": records},
        not_compared=("timestamp", "hash", "previous_hash", "delta_version"),
        keeps_records=True,
    ),
    "quality": Subject(("quality_hourly",), quality_counts, {"gold.quality_hourly": quality_hourly}),
    "senders": Subject(
        ("device_health", "collector_freshness"),
        events,
        {"gold.device_health": device_health, "gold.collector_freshness": collector_freshness},
    ),
    "new fields": Subject(
        ("schema_drift",),
        drifting,
        {"gold.schema_drift": schema_drift},
        not_compared=("first_event_id", "first_source", "first_seen_at"),
    ),
    "partitions": Subject(
        ("partition_faults",),
        arrivals,
        {"gold.partition_faults": partition_faults},
        not_compared=("names", "first_source", "partition", "other_partition"),  # of equals in a batch
    ),
    "series": Subject(
        ("series_stats", "silent_series"),
        prices_and_readings,
        {"gold.series_stats": series_statistics, "gold.silent_series": silent_series},
    ),
    "supply": Subject(
        ("stock_days", "stocks", "routes", "supply_transfers"),
        chain,
        {
            "gold.stock_days": stock_days,
            "gold.stocks": stocks,
            "gold.routes": routes,
            "gold.supply_transfers": supply_transfers,
        },
    ),
    "weekly index": Subject(
        ("daily_prices", "indicators", "weekly_index"),
        weeks_of_prices,
        {"gold.weekly_index": weekly_index},
    ),
    "shops": Subject(
        ("retail",),
        listings,
        {
            "gold.revenue": revenue,
            "gold.revenue_periods": revenue_periods,
            "gold.discount_effect": discount_effect,
            "gold.promotions": promotions,
            "gold.price_rating": price_rating,
            "gold.customer_satisfaction": customer_satisfaction,
            "gold.top_products": top_products,
            "gold.product_supply": product_supply,
        },
    ),
    "posts": Subject(("sentiment",), posts, {"gold.sentiment": sentiment}),
    "trading": Subject(
        ("signals", "trades", "signal_outcomes"),
        bars_and_orders,
        {
            "gold.bars_live": bars_live,
            "gold.signals": signals,
            "gold.verifications": verifications,
            "gold.trades": trades,
            "gold.portfolio": portfolio,
            "gold.signal_outcomes": signal_outcomes,
        },
        in_order=True,
        not_compared=("timestamp", "feed_time"),
    ),
}
