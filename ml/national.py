"""The national series of each commodity, and models that are fitted on it alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.forecaster import HORIZONS, Forecaster
from ml.naive import last_price
from ml.panel import Floats, Panel

REGION = "ID"
QUORUM = 0.3  # of a commodity's provinces must have reported for a day to count as observed
CARRY_DAYS = 30  # a province that has been silent for longer no longer speaks for the country


def national(panel: Panel) -> Panel:
    """One series a commodity: the median over provinces of prices at most `CARRY_DAYS` old."""
    rows = {good: _provinces(panel, good) for good in panel.goods}
    price = [_median(panel.filled[members], np.isfinite(panel.price[members])) for members in rows.values()]
    return replace(
        panel,
        commodities=tuple(rows),
        regions=(REGION,) * len(rows),
        units=tuple(panel.units[members[0]] for members in rows.values()),
        price=np.array(price).reshape(len(rows), len(panel.days)),
        outside=tuple(one for one in panel.outside if one.value.ndim == 1),
    )


def _provinces(panel: Panel, good: str) -> list[int]:
    members = panel.of(good).tolist()
    return [row for row in members if panel.regions[row] != REGION] or members


def _median(filled: Floats, seen: np.ndarray) -> Floats:
    day = np.arange(seen.shape[1])
    age = day - np.maximum.accumulate(np.where(seen, day, -CARRY_DAYS - 1), axis=1) if seen.size else seen
    fresh = np.isfinite(filled) & (age <= CARRY_DAYS)
    observed = seen.sum(axis=0) >= np.maximum(QUORUM * fresh.sum(axis=0), 1)
    median = np.full(seen.shape[1], np.nan)
    median[observed] = np.nanmedian(np.where(fresh, filled, np.nan)[:, observed], axis=0)
    return median


@dataclass
class National:
    """A model fitted on national series; each series of a panel then moves as its commodity's national one is forecast to."""

    inner: Forecaster

    @property
    def name(self) -> str:
        """The model's own name."""
        return self.inner.name

    def fit(self, panel: Panel) -> None:
        """Fit the inner model on the national series."""
        self.inner.fit(national(panel))

    def forecast(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah: last price × the growth that is forecast for the country."""
        country = national(panel)
        growth = self.inner.forecast(country, horizons) / last_price(country)[:, None]
        nth = {good: row for row, good in enumerate(country.commodities)}
        of_series = np.array([nth[good] for good in panel.commodities], dtype=int)
        return last_price(panel)[:, None] * growth[of_series]
