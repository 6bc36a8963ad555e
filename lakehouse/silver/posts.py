"""bronze.events -> silver.posts"""

import pyarrow as pa

from lakehouse.reference import DEFAULT_TIMEZONE, commodity_aliases
from lakehouse.verdicts.resolve import each, entry_of

TEXTS = pa.list_(pa.string())
COMMODITIES = pa.struct({"listed": TEXTS, "unknown": TEXTS})


def symbols(given: list[str | None] | None) -> list[str | None]:
    """Upper case, each once."""
    return list(dict.fromkeys(name and name.strip(" ").upper() for name in given or []))


def commodities(given: list[str | None] | None) -> dict[str, list[str | None]]:
    """Ids of the listed ones, each once, and the names that are not in the list."""
    find = entry_of(commodity_aliases())
    ids = [(name, name and find(name)) for name in given or []]
    return {
        "listed": list(dict.fromkeys(known for _, known in ids if known)),
        "unknown": [name for name, known in ids if not known],
    }


RESOLVED = {
    "lang": each("lang", str.lower),
    "symbols": each("symbols", symbols, TEXTS),
    "named": each("commodities", commodities, COMMODITIES),
}
MARKET_DATE = f"local_day(event_time, '{DEFAULT_TIMEZONE}')"
COLUMNS = {
    "origin": "p.source",
    "content": "p.text",
    "commodities": "named.listed",
    "unknown_commodities": "named.unknown",
    "market_date": MARKET_DATE,
    "event_month": f"month({MARKET_DATE})",
}
