"""bronze.events -> silver.prices"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.reference import (
    DEFAULT_TIMEZONE,
    commodities,
    commodity_aliases,
    markets,
    provinces,
    region_aliases,
    unit_aliases,
)
from lakehouse.silver.names import lookup, matching_key


def transform(parsed: DataFrame) -> DataFrame:
    """Parsed price events with the columns of silver.prices and those that its rules read; rules judge afterwards."""
    goods = commodities()
    listed = markets()
    named = parsed.withColumns(
        {
            "commodity": lookup(commodity_aliases(), matching_key("p.commodity")),
            "given_unit": lookup(unit_aliases(), matching_key("p.unit")),
            "listed_region_code": lookup({m.market_id: m.region_code for m in listed.values()}, "p.market_id"),
            "given_region_code": lookup(region_aliases(), matching_key("p.region")),
        }
    )
    placed = named.withColumns(
        {
            # A region that is given but unknown stays unknown: it is never replaced by the market's own.
            "region_code": F.expr("case when p.region is null then listed_region_code else given_region_code end"),
            "commodity_unit": lookup({good.id: good.unit for good in goods.values()}, "commodity"),
            "band_low_idr": lookup({good.id: float(good.band_idr[0]) for good in goods.values()}, "commodity"),
            "band_high_idr": lookup({good.id: float(good.band_idr[1]) for good in goods.values()}, "commodity"),
            "commodity_is_group": F.col("commodity").isin([good.id for good in goods.values() if good.is_group]),
        }
    )
    timezone = F.coalesce(
        lookup({place.code: place.timezone for place in provinces().values()}, "region_code"), F.lit(DEFAULT_TIMEZONE)
    )
    market_date = F.to_date(F.from_utc_timestamp("event_time", timezone))
    return placed.withColumns(
        {
            "market_id": F.col("p.market_id"),
            "market_name": F.coalesce(lookup({m.market_id: m.name for m in listed.values()}, "p.market_id"), "p.market_id"),
            "level": F.when(F.col("p.market_id").startswith("PROV-"), "province").otherwise("market"),
            "region": lookup({place.code: place.name for place in provinces().values()}, "region_code"),
            "channel": F.coalesce("p.channel", F.lit("retail")),
            "price_idr": F.col("p.price"),
            "unit": F.coalesce("given_unit", "commodity_unit"),
            "market_date": market_date,
            "market_month": F.date_format(market_date, "yyyy-MM"),
            "device_id": F.col("p.device_id"),
        }
    )
