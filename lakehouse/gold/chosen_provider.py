"""The provider whose prices are the series of a commodity and province: one for all of its days.

Two providers of one series differ by 5 to 15 %. The median of whoever reported would jump where one begins or
ends.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

SERIES = ("commodity", "region_code", "channel", "level")
CURRENT_DAYS = 30  # a provider whose last price is older than that, from the newest of the series, has ended
SEPARATOR = "\x1f"


def chosen_rows(daily: pa.Table, priority: Sequence[str] = ()) -> pa.Table:
    """The rows of gold.daily_prices of the chosen provider of each series.

    Of the providers that have not ended: the first that `priority` names, else the one with the most days, of
    equals the first by name.
    """
    if not daily.num_rows:
        return daily
    keys = pc.binary_join_element_wise(*(_texts(daily[name]) for name in (*SERIES, "provider")), SEPARATOR)
    days = pa.table({"key": keys, "day": daily["market_date"]}).group_by("key")
    by_series: dict[str, list[dict[str, Any]]] = {}
    for row in days.aggregate([("day", "max"), ("day", "count")]).to_pylist():
        series, _, provider = row["key"].rpartition(SEPARATOR)
        by_series.setdefault(series, []).append(row | {"provider": provider})
    chosen = [_best(rows, priority)["key"] for rows in by_series.values()]
    return daily.filter(pc.is_in(keys, pa.array(chosen)))


def _best(rows: Sequence[dict[str, Any]], priority: Sequence[str]) -> dict[str, Any]:
    """The provider of a series; `rows`: its providers, with their last day and number of days."""
    newest = max(row["day_max"] for row in rows)

    def order(row: dict[str, Any]) -> tuple[bool, int, int, str]:
        has_ended = (newest - row["day_max"]).days > CURRENT_DAYS
        provider = row["provider"]
        rank = priority.index(provider) if provider in priority else len(priority)
        return has_ended, rank, -row["day_count"], provider

    return min(rows, key=order)


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Plain texts of a column that may be dictionary-encoded; empty where it is null."""
    return pc.fill_null(pc.cast(column, pa.string()), "")
