"""Live prices: the newest price of each market and commodity, whoever published it."""

from typing import Any

from conf.settings import settings
from serving_api.http.cursors import Key

RETAIL = "retail"


def newest_by_market(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row of each market and commodity: of its providers that with the newest market day.

    Of equals the one that the knob lake.providers names first, then the newest price.
    """
    rank = {provider: -nth for nth, provider in enumerate(settings().lake.providers)}

    def order(row: dict[str, Any]) -> Key:
        return (row["market_date"], rank.get(row["provider"], -len(rank)), row["event_time"])

    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(rows, key=order):
        newest[row["market_id"], row["commodity"]] = row
    return list(newest.values())
