"""Names that requests may use: reference lists, symbols with bars, models with current forecasts."""

from collections.abc import Mapping

import pyarrow as pa

from lakehouse.reference import commodities, provinces
from serving_api.reads.file_aggregates import FileAggregates
from serving_api.reads.snapshots import Snapshots

Symbols = FileAggregates[frozenset[tuple[str, str]]]  # file -> (symbol, asset class)


def traded_symbols(snapshots: Snapshots) -> Symbols:
    """The symbols in each file of silver.bars."""
    return FileAggregates(snapshots, "silver.bars", ["symbol", "asset_class"], symbols_of)


def symbols_of(rows: pa.Table) -> frozenset[tuple[str, str]]:
    """The symbols of one file."""
    pairs = rows.group_by(["symbol", "asset_class"]).aggregate([])
    return frozenset(zip(pairs["symbol"].to_pylist(), pairs["asset_class"].to_pylist(), strict=True))


def supported_names(
    symbols_by_file: Mapping[str, frozenset[tuple[str, str]]], models: list[str]
) -> dict[str, object]:
    """The lists of names by resource."""
    symbols: set[tuple[str, str]] = set().union(*symbols_by_file.values())
    return {
        "commodities": [
            {
                "commodity": commodity.id,
                "name": commodity.name,
                "unit": commodity.unit,
                "aliases": list(commodity.aliases),
                "is_group": commodity.is_group,
            }
            for commodity in commodities().values()
        ],
        "regions": [
            {"code": province.code, "name": province.name, "timezone": province.timezone}
            for province in provinces().values()
        ],
        "symbols": [
            {"symbol": symbol, "asset_class": asset_class} for symbol, asset_class in sorted(symbols)
        ],
        "models": models,
    }
