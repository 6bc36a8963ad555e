"""Readings of a call as arrays, and what was newest in a group when a reading arrived."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.validation import Flags
from lakehouse.validation.windows import Floats, Ints

METRICS = ("temperature_c", "humidity_pct", "crowd_count")


@dataclass(frozen=True)
class Readings:
    """One entry a reading, in order of arrival; an event has at most one of each metric.

    `events`: row of its event. `markets`, `devices`: numbers of `market_names` and `device_names`; `metrics`:
    of METRICS. `times`: microseconds since 1970.
    """

    events: Ints
    markets: Ints
    devices: Ints
    metrics: Ints
    times: Ints
    values: Floats
    market_names: list[str]
    device_names: list[str]

    @classmethod
    def of(cls, rows: pa.Table) -> "Readings":
        """One row an event if there is a column `readings` (the stream), else one row a reading (silver).

        Events without a market or a time are left out.
        """
        rows = rows.append_column("nth", pa.array(np.arange(rows.num_rows)))
        rows = rows.filter(pc.and_(rows["market_id"].is_valid(), rows["event_time"].is_valid()))
        if "readings" in rows.column_names:
            lists = rows["readings"].combine_chunks()
            given = pc.list_flatten(lists)
            metric, value = (pc.struct_field(given, name) for name in ("metric", "value"))
            rows = rows.take(pc.list_parent_indices(lists))
        else:
            metric, value = rows["metric"].combine_chunks(), rows["value"].combine_chunks()
        markets, market_names = _numbered(rows["market_id"])
        devices, device_names = _numbered(rows["device_id_hash"])
        times = rows["event_time"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        return cls(
            rows["nth"].to_numpy(),
            markets,
            devices,
            pc.index_in(metric, pa.array(METRICS)).to_numpy(zero_copy_only=False).astype(np.int64),
            times.to_numpy(),
            value.to_numpy(zero_copy_only=False),
            market_names,
            device_names,
        )


def _numbered(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


class Groups:
    """Entries sorted by group and then by arrival: which was the newest when another one arrived."""

    def __init__(self, groups: Ints, times: Ints) -> None:
        """`groups`: numbers, given in order of arrival."""
        self.order = np.argsort(groups, kind="stable")
        self.group = groups[self.order]
        self.time = times[self.order]
        ranks = np.unique(self.time, return_inverse=True)[1]
        self._keys = self.group * (len(groups) + 1) + ranks

    def newest(self, counts: Flags) -> Ints:
        """For each entry the newest up to it in its group, of equal times the last; −1 for none.

        `counts`: which entries count, sorted.
        """
        highest = np.maximum.accumulate(np.where(counts, self._keys, -1))
        is_newest = counts & (self._keys == highest)
        entry = latest(is_newest)
        return np.where((entry >= 0) & (self.group[entry] == self.group), entry, -1)

    def before(self, newest: Ints) -> Ints:
        """For each entry the newest before it in its group; −1 for none. `newest`: of the method."""
        entry = shifted(newest)
        return np.where((entry >= 0) & (self.group[entry] == self.group), entry, -1)


def latest(flags: Flags) -> Ints:
    """For each position the last one up to it with its flag set; −1 for none."""
    return np.maximum.accumulate(np.where(flags, np.arange(len(flags)), -1))


def shifted(values: Ints) -> Ints:
    """The value before each position; −1 before the first."""
    return np.concatenate([[-1], values])[:-1]
