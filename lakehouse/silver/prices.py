"""bronze.events -> silver.prices"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.reference import (
    DEFAULT_TIMEZONE,
    Province,
    commodities,
    commodity_aliases,
    markets,
    provinces,
    region_aliases,
    unit_aliases,
)
from lakehouse.silver.names import lookup, lookup_row, matching_key


def _commodity_row(commodity_id: str) -> dict[str, object]:
    commodity = commodities()[commodity_id]
    low, high = commodity.band_idr
    return {
        "id": commodity.id,
        "unit": commodity.unit,
        "low": float(low),
        "high": float(high),
        "is_group": commodity.is_group,
    }


def _place(province: Province) -> dict[str, object]:
    return {"code": province.code, "name": province.name, "timezone": province.timezone}


def transform(parsed: DataFrame) -> DataFrame:
    """Parsed price events with the columns of silver.prices and those that its rules read."""
    places = {code: _place(province) for code, province in provinces().items()}
    listed = {
        market.market_id: {"market_name": market.name, **places[market.region_code]}
        for market in markets().values()
    }
    named = parsed.withColumns(
        {
            "listed_commodity": lookup_row(
                {alias: _commodity_row(commodity_id) for alias, commodity_id in commodity_aliases().items()},
                matching_key("p.commodity"),
            ),
            "given_unit": lookup(unit_aliases(), matching_key("p.unit")),
            "listed": lookup_row(listed, "p.market_id"),
            "given": lookup_row(
                {key: places[code] for key, code in region_aliases().items()}, matching_key("p.region")
            ),
        }
    )
    # A region that is given but unknown stays unknown: it is never replaced by the market's own.
    of_region = "if(p.region is null, listed.{0}, given.{0})".format
    timezone = F.coalesce(F.expr(of_region("timezone")), F.lit(DEFAULT_TIMEZONE))
    placed = named.withColumn("market_date", F.to_date(F.from_utc_timestamp("event_time", timezone)))
    return placed.withColumns(
        {
            "market_id": F.col("p.market_id"),
            "market_name": F.coalesce("listed.market_name", "p.market_id"),
            "level": F.when(F.col("p.market_id").startswith("PROV-"), "province").otherwise("market"),
            "listed_region_code": F.col("listed.code"),
            "region_code": F.expr(of_region("code")),
            "region": F.expr(of_region("name")),
            "commodity": F.col("listed_commodity.id"),
            "commodity_unit": F.col("listed_commodity.unit"),
            "band_low_idr": F.col("listed_commodity.low"),
            "band_high_idr": F.col("listed_commodity.high"),
            "commodity_is_group": F.col("listed_commodity.is_group"),
            "channel": F.coalesce("p.channel", F.lit("retail")),
            "price_idr": F.col("p.price"),
            "unit": F.coalesce("given_unit", "listed_commodity.unit"),
            "market_month": F.substring(F.col("market_date").cast("string"), 1, 7),
            "provider": F.coalesce("p.provider", F.lit("market")),
            "device_id": F.col("p.device_id"),
        }
    )
