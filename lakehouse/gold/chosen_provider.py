"""The provider whose prices are the series of a commodity and province: one for all of its days.

Two providers of one series differ by 5 to 15 %. The median of whoever reported would jump where one begins or
ends. So earlier days of another provider are put in front of a series at the level of the chosen one.
"""

from collections.abc import Sequence
from datetime import date
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
    parts = [_marked(chosen_rows(daily, priority), None, None, None)]
    for rows in _providers(daily, keys).values():
        best = _best(rows, priority)
        others = sorted(row["key"] for row in rows if row["day_min"] < best["day_min"])
        if others:
            own, *earlier = (daily.filter(pc.equal(keys, key)) for key in (best["key"], *others))
            parts += _days_in_front(own, earlier, best["day_min"])
    return pa.concat_tables(parts)


def _days_in_front(own: pa.Table, others: Sequence[pa.Table], first: date) -> list[pa.Table]:
    """The days before `first` of the one of `others` that has most of them; none if too few."""
    same_unit = [other for other in others if other["unit"][0].as_py() == own["unit"][0].as_py()]
    sizes = [pc.sum(pc.less(other["market_date"], first)).as_py() for other in same_unit]
    if max(sizes, default=0) < LEAST_SPLICED:
        return []
    source = same_unit[sizes.index(max(sizes))]
    factor = level_factor(own, source)
    days = source.filter(pc.less(source["market_date"], first))
    replaced = {
        "median_price_idr": pc.multiply(days["median_price_idr"], factor),
        "provider": pa.array(own["provider"][:1].to_pylist() * days.num_rows, own["provider"].type),
    }
    for name, values in replaced.items():
        place = days.schema.get_field_index(name)
        days = days.set_column(place, days.schema.field(place), values)
    return [_marked(days, source["provider"][0].as_py(), first, factor)]


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


def _marked(rows: pa.Table, provider: str | None, day: date | None, factor: float | None) -> pa.Table:
    """The rows with the columns of SPLICE."""
    for field, value in zip(SPLICE, (provider, day, factor), strict=True):
        rows = rows.append_column(field, pa.repeat(pa.scalar(value, field.type), rows.num_rows))
    return rows


def _keys(daily: pa.Table) -> pa.ChunkedArray:
    """Series and provider of each row."""
    return pc.binary_join_element_wise(*(_texts(daily[name]) for name in (*SERIES, "provider")), SEPARATOR)


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
