"""A name of a stock or coin means the same symbol in every request."""

import pytest

from serving_api.reads.supported import meant_symbol

TRADED = {"AAPL", "BTCUSDT", "ETH", "ETHUSDT", "SOL-USD"}
NAMES = [
    ("AAPL", "AAPL"),
    (" aapl ", "AAPL"),
    ("BTC", "BTCUSDT"),
    ("btcusdt", "BTCUSDT"),
    ("ETH", "ETH"),
    ("sol", "SOL-USD"),
    ("DOGE", None),
    ("", None),
]


@pytest.mark.parametrize(("name", "symbol"), NAMES)
def test_name_means_a_traded_symbol_or_the_dollar_pair_of_a_coin(name: str, symbol: str | None) -> None:
    assert meant_symbol(TRADED, name) == symbol
