"""The provider whose prices are the series of a commodity and province: one for all of its days.

Two providers of one series differ by 5 to 15 %. The median of whoever reported would jump where one begins or
ends. So earlier days of another provider are put in front of a series at the level of the chosen one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SERIES = ("commodity", "region_code", "channel", "level")
CURRENT_DAYS = 30  # a provider whose last price is older than that, from the newest of the series, has ended
SEPARATOR = "\x1f"
LEAST_SPLICED = 30  # days that another provider must add
LEAST_OVERLAP = 7  # days in common from which the level is taken; below, the ends are compared
OVERLAP_DAYS = 180  # the first of them: later ones must not change what is stored
END_DAYS = 28  # days of each end, where there is no overlap
SPLICE = (
    pa.field("spliced_from", pa.string()),
    pa.field("splice_day", pa.date32()),
    pa.field("splice_factor", pa.float64()),
)


def chosen_rows(daily: pa.Table, priority: Sequence[str] = (), *, longest: bool = False) -> pa.Table:
    """The rows of gold.daily_prices of the chosen provider of each series.

    Of the providers that have not ended: the first that `priority` names, else the one with the most days, of
    equals the first by name. `longest`: the one with the most days, also when it has ended.
    """
    if not daily.num_rows:
        return daily
    keys = _keys(daily)
    chosen = [_best(rows, priority, longest)["key"] for rows in _providers(daily, keys).values()]
    return daily.filter(pc.is_in(keys, pa.array(chosen)))


def spliced_rows(daily: pa.Table, priority: Sequence[str] = ()) -> pa.Table:
    """The same, with the days before their first one from the provider that has most of them, if 30 or more.

    Those prices are multiplied to the level of the chosen provider: by the median ratio of the first 180 days
    that both have, without such days by the ratio of the medians of the 28 days on both sides of the seam.
    Three columns more, null in rows of the chosen provider: `spliced_from`, whose price it was; `splice_day`,
    the first day of the chosen one; `splice_factor`, by which the price was multiplied.
    """
    keys = _keys(daily)
    parts = [_marked(chosen_rows(daily, priority), None)]
    for rows in _providers(daily, keys).values():
        best = _best(rows, priority) if len(rows) > 1 else rows[0]
        others = [row for row in rows if row["day_min"] < best["day_min"]]
        if others:
            own = _of_key(daily, keys, best["key"])
            earlier = [_of_key(daily, keys, row["key"]) for row in sorted(others, key=lambda row: row["key"])]
            parts += [part for part in [_before(own, earlier, best["day_min"])] if part is not None]
    return pa.concat_tables(parts) if daily.num_rows else parts[0]


def _before(own: pa.Table, earlier: Sequence[pa.Table], first_day: Any) -> pa.Table | None:  # noqa: ANN401
    """The spliced days in front of `own`; None when no other provider has enough of the same unit."""
    longest: pa.Table | None = None
    source = None
    for other in earlier:
        days = other.filter(pc.less(other["market_date"], first_day))
        same_unit = "unit" not in own.column_names or own["unit"][0].as_py() == other["unit"][0].as_py()
        least = LEAST_SPLICED if longest is None else longest.num_rows + 1
        if same_unit and days.num_rows >= least:
            longest, source = days, other
    if longest is None or source is None:
        return None
    factor = level_factor(own, source)
    place = longest.schema.get_field_index("median_price_idr")
    prices = pc.multiply(longest["median_price_idr"], factor)
    adjusted = longest.set_column(place, longest.schema.field(place), prices)
    provider = own["provider"][0]
    place = adjusted.schema.get_field_index("provider")
    names = pa.array([provider.as_py()] * adjusted.num_rows, adjusted.schema.field(place).type)
    seam = (longest["provider"][0].as_py(), first_day, factor)
    return _marked(adjusted.set_column(place, adjusted.schema.field(place), names), seam)


def level_factor(own: pa.Table, other: pa.Table) -> float:
    """By which prices of `other` are multiplied to be at the level of `own`."""
    own_day, own_log = _logs(own)
    other_day, other_log = _logs(other)
    _, at_own, at_other = np.intersect1d(own_day, other_day, return_indices=True)
    if len(at_own) >= LEAST_OVERLAP:
        gap = np.median((own_log[at_own] - other_log[at_other])[:OVERLAP_DAYS])
    else:
        before = other_log[other_day < own_day[0]]
        gap = np.median(own_log[:END_DAYS]) - np.median(before[-END_DAYS:])
    return float(np.exp(gap))


def _logs(rows: pa.Table) -> tuple[Any, Any]:
    """Days since 1970 in order, and the log price of each."""
    day = rows["market_date"].cast(pa.int32()).to_numpy()
    order = np.argsort(day)
    return day[order], np.log(rows["median_price_idr"].to_numpy()[order])


def _marked(rows: pa.Table, seam: tuple[Any, ...] | None) -> pa.Table:
    """The rows with the columns of SPLICE."""
    for field, value in zip(SPLICE, seam or (None,) * len(SPLICE), strict=True):
        rows = rows.append_column(field, pa.array([value] * rows.num_rows, field.type))
    return rows


def _keys(daily: pa.Table) -> pa.ChunkedArray:
    """Series and provider of each row."""
    return pc.binary_join_element_wise(*(_texts(daily[name]) for name in (*SERIES, "provider")), SEPARATOR)


def _of_key(daily: pa.Table, keys: pa.ChunkedArray, key: str) -> pa.Table:
    return daily.filter(pc.equal(keys, key))


def _providers(daily: pa.Table, keys: pa.ChunkedArray) -> dict[str, list[dict[str, Any]]]:
    """Series -> its providers, with their first and last day and number of days."""
    days = pa.table({"key": keys, "day": daily["market_date"]}).group_by("key")
    by_series: dict[str, list[dict[str, Any]]] = {}
    for row in days.aggregate([("day", "min"), ("day", "max"), ("day", "count")]).to_pylist():
        series, _, provider = row["key"].rpartition(SEPARATOR)
        by_series.setdefault(series, []).append(row | {"provider": provider})
    return by_series


def _best(rows: Sequence[dict[str, Any]], priority: Sequence[str], longest: bool = False) -> dict[str, Any]:
    """The provider of a series; `rows`: its providers, with their last day and number of days."""
    newest = max(row["day_max"] for row in rows)

    def order(row: dict[str, Any]) -> tuple[bool, int, int, str]:
        provider = row["provider"]
        if longest:
            return False, 0, -row["day_count"], provider
        has_ended = (newest - row["day_max"]).days > CURRENT_DAYS
        rank = priority.index(provider) if provider in priority else len(priority)
        return has_ended, rank, -row["day_count"], provider

    return min(rows, key=order)


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Plain texts of a column that may be dictionary-encoded; empty where it is null."""
    return pc.fill_null(pc.cast(column, pa.string()), "")
