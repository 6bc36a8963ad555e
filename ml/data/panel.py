"""Daily prices as one matrix, a row per series and a column per calendar day.

What every model is fitted on.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.datetime64]
SECOND_PRICE = "second_price"  # exogenous series: another provider's prices, in rupiah per unit of its own


class NothingToLearn(Exception):
    """There are no prices or listings yet, or too few; the message names which."""


@dataclass(frozen=True)
class ExogenousSeries:
    """A daily series that is not a price of the panel, such as rain or an exchange rate.

    `value` is at the day on which it became known, NaN elsewhere.
    """

    name: str
    unit: str
    value: Floats  # (days,) or (series, days)


@dataclass(frozen=True)
class Panel:
    """Prices of each series (commodity × region) on every calendar day from the first to the last.

    A price is NaN where nobody reported. A column holds what was known at the cut of its day (knob
    forecast.cut_local_time); prices of a source that publishes later are moved to the right by its lag. So
    the columns up to an origin are all that a model may see at that origin.
    """

    commodities: tuple[str, ...]  # (series,) commodity id of each
    regions: tuple[str, ...]  # (series,) two-digit province code of each
    units: tuple[str, ...]  # (series,) of quantity
    days: Days  # (days,) datetime64[D], without gaps
    price: Floats  # (series, days) rupiah per unit, > 0 or NaN
    exogenous: tuple[ExogenousSeries, ...] = ()
    # origin of the prices: Delta version, fingerprint
    source: dict[str, object] = field(default_factory=dict)
    providers: tuple[str, ...] = ()  # (series,) who published the prices; empty where no source names one

    def until(self, origin: int) -> "Panel":
        """What is known at the cut of day number `origin`, that day included; later columns are removed."""
        return self._on_days(slice(origin + 1))

    def since(self, first: int) -> "Panel":
        """The same without the days before column `first`."""
        return self._on_days(slice(first, None))

    def _on_days(self, kept: slice) -> "Panel":
        exogenous = tuple(replace(series, value=series.value[..., kept]) for series in self.exogenous)
        return replace(self, days=self.days[kept], price=self.price[:, kept], exogenous=exogenous)

    def reindex(self, series: Sequence[tuple[str, str]]) -> "Panel":
        """Exactly these (commodity, region) in this order.

        One that the panel does not have is NaN throughout.
        """
        row_of = {key: row for row, key in enumerate(self.series)}
        rows = np.array([row_of.get(key, -1) for key in series], dtype=np.int64)
        commodities, regions = (tuple(names) for names in zip(*series, strict=True))
        return replace(self.select(rows), commodities=commodities, regions=regions)

    def select(self, rows: npt.NDArray[np.integer]) -> "Panel":
        """The series with these row numbers, in this order; -1: one without name, unit and prices."""

        def taken(values: Floats) -> Floats:
            return np.asarray(np.vstack([values, np.full(values.shape[1], np.nan)])[rows])

        def named(names: Sequence[str]) -> tuple[str, ...]:
            return tuple((*names, "")[row] for row in rows)

        return replace(
            self,
            commodities=named(self.commodities),
            regions=named(self.regions),
            units=named(self.units),
            providers=named(self.providers) if self.providers else (),
            price=taken(self.price),
            exogenous=tuple(
                replace(external, value=taken(external.value)) if external.value.ndim == 2 else external
                for external in self.exogenous
            ),
        )

    def with_exogenous(self, exogenous: tuple[ExogenousSeries, ...]) -> "Panel":
        """The same prices with these exogenous series instead of the panel's own."""
        return replace(self, exogenous=exogenous)

    def only_exogenous(self, names: Collection[str]) -> "Panel":
        """The same prices with no other exogenous series than those named."""
        return self.with_exogenous(tuple(series for series in self.exogenous if series.name in names))

    @cached_property
    def log_price(self) -> Floats:
        """(series, days) natural logarithm of the price."""
        return np.log(self.price)

    @cached_property
    def filled(self) -> Floats:
        """(series, days) last observed price on or before each day; NaN before the first."""
        import pandas as pd  # not before prices are read: a refusal answers at once

        return np.asarray(pd.DataFrame(self.price).ffill(axis=1).to_numpy())

    @cached_property
    def series(self) -> tuple[tuple[str, str], ...]:
        """(commodity, region) of each row."""
        return tuple(zip(self.commodities, self.regions, strict=True))

    @cached_property
    def distinct_commodities(self) -> tuple[str, ...]:
        """Commodity ids of the panel, each once, sorted."""
        return tuple(sorted(set(self.commodities)))

    def rows_of(self, commodity: str) -> npt.NDArray[np.int64]:
        """Row numbers of the series of one commodity."""
        return np.flatnonzero(np.array(self.commodities) == commodity)
