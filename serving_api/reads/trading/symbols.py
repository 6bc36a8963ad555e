"""Symbols as callers write them -> symbols that have bars."""

from serving_api.http.problems import Problem
from serving_api.reads.supported import Symbols, meant_symbol, symbols_with_bars


def known_symbol(symbols: Symbols, symbol: str) -> str:
    """The symbol as bars name it. Raises Problem 404. Blocks while new files are read."""
    name = meant_symbol(symbols_with_bars(symbols), symbol)
    if name is None:
        raise Problem("unknown-symbol", name=symbol)
    return name
