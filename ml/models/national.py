"""The national series of each commodity, and models that are fitted on it alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ml.data.panel import Floats, Panel
from ml.features import rolling
from ml.models.forecaster import HORIZONS, Forecaster
from ml.models.naive import last_price

REGION = "ID"
QUORUM = 0.3  # share of a commodity's provinces that must have reported for a day to count as observed
CARRY_DAYS = 30  # a province that has been silent for longer is left out


def national_panel(panel: Panel) -> Panel:
    """One series per commodity: the median over its provinces of prices that are at most `CARRY_DAYS` old."""
    rows = {commodity: _provinces(panel, commodity) for commodity in panel.distinct_commodities}
    price = [_median(panel.filled[members], np.isfinite(panel.price[members])) for members in rows.values()]
    return replace(
        panel,
        commodities=tuple(rows),
        regions=(REGION,) * len(rows),
        units=tuple(panel.units[members[0]] for members in rows.values()),
        price=np.array(price).reshape(len(rows), len(panel.days)),
        exogenous=tuple(series for series in panel.exogenous if series.value.ndim == 1),
    )


def _provinces(panel: Panel, commodity: str) -> list[int]:
    """Rows of the commodity's provinces; of its national series when there is nothing else."""
    members: list[int] = panel.rows_of(commodity).tolist()
    return [row for row in members if panel.regions[row] != REGION] or members


def _median(filled: Floats, seen: npt.NDArray[np.bool_]) -> Floats:
    """(days,) median over provinces; NaN on days that fewer than QUORUM of them reported."""
    fresh = np.isfinite(filled) & (rolling.days_since(seen) <= CARRY_DAYS)
    observed = seen.sum(axis=0) >= np.maximum(QUORUM * fresh.sum(axis=0), 1)
    median = np.full(seen.shape[1], np.nan)
    median[observed] = np.nanmedian(np.where(fresh, filled, np.nan)[:, observed], axis=0)
    return median


@dataclass
class NationalForecaster:
    """Forecaster that fits another model on national series.

    Every series then moves as its commodity's national one.
    """

    inner: Forecaster

    @property
    def name(self) -> str:
        """The inner model's name."""
        return self.inner.name

    @property
    def exogenous(self) -> tuple[str, ...]:
        """Names of the exogenous series that the inner model reads."""
        return tuple(getattr(self.inner, "exogenous", ()))

    def fit(self, panel: Panel) -> None:
        """Fit the inner model on the national series."""
        self.inner.fit(national_panel(panel))

    def predict(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah: last price × the forecast growth of the national price."""
        nation = national_panel(panel)
        growth = self.inner.predict(nation, horizons) / last_price(nation)[:, None]
        row_of = {commodity: row for row, commodity in enumerate(nation.commodities)}
        rows = np.array([row_of[commodity] for commodity in panel.commodities], dtype=int)
        return np.asarray(last_price(panel)[:, None] * growth[rows])
