"""The provider whose prices are the series of a commodity and province: one for all of its days.

Two providers of one series differ by 5 to 15 %. The median of whoever reported would jump where one begins or
ends.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
SERIES = ("commodity", "region_code", "channel", "level")
CURRENT_DAYS = 30  # a provider whose last price is older than that, from the newest of the series, has ended


def chosen_rows(daily: pa.Table, priority: Sequence[str] = ()) -> pa.Table:
    """The rows of gold.daily_prices of the chosen provider of each series.

    Of the providers that have not ended: the first that `priority` names, else the one with the most days, of
    equals the first by name.
    """
    if not daily.num_rows:
        return daily
    names = set(_texts(daily["provider"]).unique().to_pylist())
    providers = [*priority, *sorted(names - set(priority))]
    series = _numbers([daily[name] for name in SERIES])
    provider = _index(daily["provider"], providers)
    pairs, pair_of_row = np.unique(series * len(providers) + provider, return_inverse=True)
    day = daily["market_date"].cast(pa.int32()).to_numpy().astype(np.int64)
    last = _last(pair_of_row, day)
    series, provider = np.divmod(pairs, len(providers))
    has_ended = _last(series, last)[series] - last > CURRENT_DAYS
    rank = np.minimum(provider, len(priority))  # those that the priority does not name are equal
    ordered = np.lexsort((provider, -np.bincount(pair_of_row), rank, has_ended, series))
    is_best = np.zeros(len(pairs), dtype=bool)
    is_best[ordered[np.unique(series[ordered], return_index=True)[1]]] = True
    return daily.filter(pa.array(is_best[pair_of_row]))


def _last(group: npt.NDArray[np.integer], day: Ints) -> Ints:
    """(groups,) the greatest day of each group."""
    last: Ints = np.full(int(group.max()) + 1, np.iinfo(np.int64).min, dtype=np.int64)
    np.maximum.at(last, group, day)
    return last


def _numbers(columns: Sequence[pa.ChunkedArray]) -> Ints:
    """(rows,) a number for each combination of texts."""
    number = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        names = _texts(column).unique().to_pylist()
        number = number * len(names) + _index(column, names)
    return number


def _index(column: pa.ChunkedArray, names: Sequence[str]) -> Ints:
    """(rows,) the position of each text in `names`."""
    positions = pc.index_in(_texts(column), value_set=pa.array(names, pa.string()))
    return np.asarray(positions.to_numpy(), dtype=np.int64)


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Plain texts of a column that may be dictionary-encoded; empty where it is null."""
    return pc.fill_null(pc.cast(column, pa.string()), "")
