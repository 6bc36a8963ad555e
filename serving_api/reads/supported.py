"""Names that requests may use: reference lists, symbols with bars, models with current forecasts."""

from collections.abc import Container, Mapping

import pyarrow as pa

from lakehouse.event import Fault
from lakehouse.reference import commodities, provinces
from lakehouse.trading.market_terms import QUOTES
from serving_api.http.messages import message
from serving_api.http.problems import Problem, invalid_fields
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


def require_symbols(symbols: Symbols, names: Mapping[str, str]) -> None:
    """Raises Problem 422 with every unknown symbol of a body. `names`: pointer -> symbol."""
    traded = symbols_with_bars(symbols)
    unknown = [
        Fault(pointer, "unknown_symbol", message("no_symbol", name=name))
        for pointer, name in names.items()
        if name not in traded
    ]
    if unknown:
        raise invalid_fields(unknown)


def meant_symbol(traded: Container[str], name: str) -> str | None:
    """The symbol that a name means, in any case of its letters, or a coin's dollar pair; else None."""
    stripped = name.strip()
    meant = (each for quote in QUOTES for each in (stripped + quote, stripped.upper() + quote))
    return next((each for each in meant if each in traded), None)


def symbols_with_bars(symbols: Symbols) -> set[str]:
    """Every symbol of silver.bars. Blocks while new files are read."""
    return {symbol for pairs in symbols.read()[1].values() for symbol, _ in pairs}


def required_symbol(symbols: Symbols, name: str) -> str:
    """The symbol that `/symbol` of a body means. Raises Problem 422 when there are no bars of it."""
    symbol = meant_symbol(symbols_with_bars(symbols), name)
    if symbol is None:
        raise invalid_fields([Fault("/symbol", "unknown_symbol", message("no_symbol", name=name))])
    return symbol


def supported_names(
    symbols_by_file: Mapping[str, frozenset[tuple[str, str]]], shops: list[str], models: list[str]
) -> dict[str, object]:
    """The lists of names by resource."""
    symbols: set[tuple[str, str]] = set().union(*symbols_by_file.values())
    return {
        "commodities": [
            {"commodity": commodity.id}
            | {name: getattr(commodity, name) for name in ("name", "unit", "aliases", "is_group")}
            for commodity in commodities().values()
        ],
        "regions": [
            {"code": province.code, "name": province.name, "timezone": province.timezone}
            for province in provinces().values()
        ],
        "symbols": [
            {"symbol": symbol, "asset_class": asset_class} for symbol, asset_class in sorted(symbols)
        ],
        "shops": shops,
        "models": models,
    }


def known_symbol(symbols: Symbols, symbol: str) -> str:
    """The symbol as bars name it. Raises Problem 404. Blocks while new files are read."""
    name = meant_symbol(symbols_with_bars(symbols), symbol)
    if name is None:
        raise Problem("unknown-symbol", name=symbol)
    return name
