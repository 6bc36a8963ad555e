"""bronze.events -> silver.prices"""

import pyarrow as pa

from lakehouse.reference import commodities, commodity_aliases, markets, unit_aliases
from lakehouse.verdicts.resolve import PLACE_TYPE, each, entry_of, place_entries, region

COMMODITY_TYPE = pa.struct(
    {
        "id": pa.string(),
        "unit": pa.string(),
        "low": pa.float64(),
        "high": pa.float64(),
        "is_group": pa.bool_(),
    }
)
MARKET_TYPE = pa.struct([("market_name", pa.string()), *PLACE_TYPE])


def _commodities() -> dict[str, dict[str, object]]:
    """Matching key -> COMMODITY_TYPE."""
    entries = {
        entry.id: {
            "id": entry.id,
            "unit": entry.unit,
            "low": float(entry.band_idr[0]),
            "high": float(entry.band_idr[1]),
            "is_group": entry.is_group,
        }
        for entry in commodities().values()
    }
    return {alias: entries[commodity_id] for alias, commodity_id in commodity_aliases().items()}


def _markets() -> dict[str, dict[str, str]]:
    """Market id -> MARKET_TYPE."""
    places = place_entries()
    return {
        market.market_id: {"market_name": market.name, **places[market.region_code]}
        for market in markets().values()
    }


RESOLVED = {
    "listed_commodity": each("commodity", entry_of(_commodities()), COMMODITY_TYPE),
    "given_unit": each("unit", entry_of(unit_aliases())),
    "listed": each("market_id", entry_of(_markets(), key=str), MARKET_TYPE),
    "given": region("region"),
}
# A region that is given but unknown stays unknown: it is never replaced by the market's own.
OF_REGION = "if(p.region is null, listed.{0}, given.{0})"
MARKET_DATE = f"local_day(event_time, {OF_REGION.format('timezone')})"
COLUMNS = {
    "market_name": "coalesce(listed.market_name, p.market_id)",
    "level": "if(starts_with(p.market_id, 'PROV-'), 'province', 'market')",
    "listed_region_code": "listed.code",
    "region_code": OF_REGION.format("code"),
    "region": OF_REGION.format("name"),
    "commodity": "listed_commodity.id",
    "commodity_unit": "listed_commodity.unit",
    "band_low_idr": "listed_commodity.low",
    "band_high_idr": "listed_commodity.high",
    "commodity_is_group": "listed_commodity.is_group",
    "channel": "coalesce(p.channel, 'retail')",
    "price_idr": "p.price",
    "unit": "coalesce(given_unit, listed_commodity.unit)",
    "market_date": MARKET_DATE,
    "market_month": f"month({MARKET_DATE})",
    "provider": "coalesce(p.provider, 'market')",
}
