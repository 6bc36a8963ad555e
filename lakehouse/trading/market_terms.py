"""What trading costs, and the smallest amount that is traded."""

from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from functools import cache

from lakehouse.trading.exchanges import exchanges

CENT = Decimal("0.01")
BASIS_POINT = Decimal("0.0001")
DOLLARS = ("USD", "USDT", "USDC")  # what an account in US dollars pays with, one for one
QUOTES = ("", "USDT", "USDC", "USD", "-USD")  # BTC means the pair BTCUSDT where no symbol is called BTC


@dataclass(frozen=True)
class MarketTerms:
    """Fees of a side and half spread with slippage, in basis points; `lot`: shares or coins.

    `exchange`: currency of the exchange of shares; None: of coins, which are traded at all times.
    """

    buy_fee: Decimal
    sell_fee: Decimal
    slippage: Decimal
    lot: Decimal
    exchange: str | None = None

    def fee_rate(self, side: str) -> Decimal:
        """Fee of a side as a fraction of the amount."""
        return (self.buy_fee if side == "BUY" else self.sell_fee) * BASIS_POINT

    def fill_price(self, side: str, price: Decimal) -> Decimal:
        """The price after half spread and slippage, against the trader."""
        worse = self.slippage * BASIS_POINT
        return price * (1 + worse if side == "BUY" else 1 - worse)

    @property
    def round_trip(self) -> float:
        """What buying and selling costs together, as a fraction of the amount."""
        return float((self.buy_fee + self.sell_fee + 2 * self.slippage) * BASIS_POINT)

    def whole_lots(self, quantity: Decimal) -> Decimal:
        """The quantity rounded down to lots."""
        return (quantity / self.lot).to_integral_value(ROUND_DOWN) * self.lot


CRYPTO = MarketTerms(Decimal(10), Decimal(10), Decimal(5), Decimal("0.000001"))
# Fees of the Indonesian exchange, tax on sales included; charged on every exchange.
EQUITY = MarketTerms(Decimal(15), Decimal(25), Decimal(10), Decimal(1))


@cache
def market_terms(asset_class: str, currency: str) -> MarketTerms:
    """The terms of a symbol by its class and currency."""
    if asset_class == "crypto":
        return CRYPTO
    exchange = exchanges().get(currency)
    return replace(EQUITY, lot=Decimal(exchange.lot if exchange else 1), exchange=currency)


def cents(amount: Decimal) -> Decimal:
    """The amount rounded to cents, halves to even."""
    return amount.quantize(CENT)
