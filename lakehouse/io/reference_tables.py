"""The reference lists as tables for the SQL of contracts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from conf.collected_sources import collected_sources
from lakehouse.reference import basket, commodities, markets, provinces, region_weights

MARKET_COLUMNS = ("market_id", "name", "region_code", "latitude", "longitude", "level")
PROVINCE_COLUMNS = ("code", "name", "timezone", "latitude", "longitude")
PERISHABLE = ("chilli", "allium", "protein", "fish")  # groups of commodities


def reference_tables(sql: str | None = None) -> dict[str, pa.Table]:
    """The reference lists as tables for SQL; with `sql` those that it names."""
    return {
        name: pa.Table.from_pylist(listed()) for name, listed in LISTS.items() if sql is None or name in sql
    }


def _attributes(entries: Mapping[str, object], names: Sequence[str]) -> list[dict[str, Any]]:
    return [{name: getattr(entry, name) for name in names} for entry in entries.values()]


LISTS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "reference_markets": lambda: _attributes(markets(), MARKET_COLUMNS),
    "reference_provinces": lambda: _attributes(provinces(), PROVINCE_COLUMNS),
    "reference_commodities": lambda: [
        {"id": entry.id, "perishable": entry.group in PERISHABLE} for entry in commodities().values()
    ],
    "reference_weights": lambda: [
        {
            "item": item,
            "commodity": commodity,
            "weight": entry.weight_pct,
            "named": commodity == entry.commodities[0],
        }
        for item, entry in basket().items.items()
        for commodity in entry.commodities
    ],
    "reference_basket": lambda: [{"weights": basket().text, "regions": region_weights().name}],
    "reference_regions": lambda: [
        {"code": code, "weight": region_weights().by_region.get(code, 1.0)} for code in provinces()
    ],
    "reference_sources": lambda: [
        {"collector": name, "fresh_hours": about.fresh_hours} for name, about in collected_sources().items()
    ],
}
