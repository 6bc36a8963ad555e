"""Daily prices as one matrix, series down and calendar days across: what every model is fitted on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.datetime64]


class NothingToLearn(Exception):
    """There are no prices or listings yet, or too few; the text says which."""


@dataclass(frozen=True)
class Outside:
    """Something that is not a price: rain, an exchange rate. `value` at the day on which it was known, NaN elsewhere."""

    name: str
    unit: str
    value: Floats  # (days,) or (series, days)


@dataclass(frozen=True)
class Panel:
    """Prices of `series` = commodity × region, on every calendar day from the first to the last; NaN where nobody reported.

    A column holds what was known at the cut of its day (knob forecast.cut_local_time): a source that publishes later has been
    moved to the right by its lag. So columns up to an origin are all that a model may see at that origin.
    """

    commodities: tuple[str, ...]  # (series,) commodity id of each
    regions: tuple[str, ...]  # (series,) two-digit province code of each
    units: tuple[str, ...]  # (series,) of quantity
    days: Days  # (days,) datetime64[D], no gap
    price: Floats  # (series, days) rupiah per unit, > 0 or NaN
    outside: tuple[Outside, ...] = ()
    source: dict[str, object] = field(default_factory=dict)  # where it came from: Delta version, fingerprint; goes on record

    def until(self, origin: int) -> "Panel":
        """All that is known at the cut of day number `origin`, that day included: later columns are gone, not masked."""
        stop = origin + 1
        outside = tuple(replace(one, value=one.value[..., :stop]) for one in self.outside)
        return replace(self, days=self.days[:stop], price=self.price[:, :stop], outside=outside)

    def since(self, first: int) -> "Panel":
        """The same without the days before column `first`."""
        outside = tuple(replace(one, value=one.value[..., first:]) for one in self.outside)
        return replace(self, days=self.days[first:], price=self.price[:, first:], outside=outside)

    def arranged(self, series: Sequence[tuple[str, str]]) -> "Panel":
        """Exactly these (commodity, region) in this order; one that is not in the panel has no price."""
        place = {key: row for row, key in enumerate(self.series)}
        rows = np.array([place.get(key, -1) for key in series], dtype=np.int64)
        gone = (rows < 0)[:, None]

        def taken(values: Floats) -> Floats:
            return np.where(gone, np.nan, np.vstack([values, np.full(values.shape[1], np.nan)])[rows])

        outside = tuple(replace(one, value=taken(one.value)) if one.value.ndim == 2 else one for one in self.outside)
        goods, regions = tuple(good for good, _ in series), tuple(region for _, region in series)
        units = tuple(self.units[row] if row >= 0 else "" for row in rows)
        return replace(self, commodities=goods, regions=regions, units=units, price=taken(self.price), outside=outside)

    def beside(self, outside: tuple[Outside, ...]) -> "Panel":
        """The same prices with what stands beside them."""
        return replace(self, outside=outside)

    @cached_property
    def log_price(self) -> Floats:
        """(series, days) natural logarithm of the price."""
        return np.log(self.price)

    @cached_property
    def filled(self) -> Floats:
        """(series, days) last observed price on or before each day; NaN before the first."""
        seen = np.isfinite(self.price)
        last = np.maximum.accumulate(np.where(seen, np.arange(self.price.shape[1]), -1), axis=1)
        carried = np.take_along_axis(self.price, np.maximum(last, 0), axis=1)
        return np.where(last >= 0, carried, np.nan)

    @cached_property
    def series(self) -> tuple[tuple[str, str], ...]:
        """(commodity, region) of each row."""
        return tuple(zip(self.commodities, self.regions, strict=True))

    @cached_property
    def goods(self) -> tuple[str, ...]:
        """Distinct commodities, sorted."""
        return tuple(sorted(set(self.commodities)))

    def of(self, commodity: str) -> npt.NDArray[np.int64]:
        """Rows of the series of one commodity."""
        return np.flatnonzero(np.array(self.commodities) == commodity)
