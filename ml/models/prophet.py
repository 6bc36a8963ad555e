"""Prophet with Indonesian holidays, one series at a time.

A challenger that is often requested and seldom wins.
"""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import holidays
import numpy as np
import pandas as pd

from ml.data.panel import Days, Floats, Panel
from ml.models.forecaster import HORIZONS, Forecaster
from ml.models.national import NationalForecaster
from ml.models.parallel import parallel_map
from ml.models.reporting_grid import SeriesHistory, histories

COUNTRY = "ID"
# First and last day around a feast that move prices.
AROUND = {
    "Eid al-Fitr": (-7, 3),
    "Eid al-Adha": (-3, 1),
    "Christmas Day": (-3, 1),
}
# scale of holiday effects; low, because two or three years show each feast only two or three times
PRIOR = 0.05
FEWEST = 60  # observations before anything is fitted

CommodityRegion = tuple[str, str]  # commodity, region


@dataclass
class ProphetPerSeries:
    """Forecaster.

    Trend, week, year and feasts by penalised regression (Taylor & Letham 2018), on log prices.

    The fitted curve gives the growth from origin to target, which is applied to the last price: the level of
    the curve itself lags behind it.
    """

    seed: int = 0
    quick: bool = False
    # Prophet's own JSON: no machine path, no process handle
    fitted: dict[CommodityRegion, str] = field(default_factory=dict)
    business: bool = False  # the source reports Monday to Friday
    name: str = "prophet"

    def fit(self, panel: Panel) -> None:
        """Fit each series with at least `FEWEST` observations."""
        self.fitted = {}
        if not len(panel.days):
            return
        since = panel.days[-1] - 400 if self.quick else panel.days[0]
        past = histories(panel, since)
        self.business = past[0].business if past else False
        feasts = _feasts(panel.days)
        fit_one = partial(_fit, feasts=feasts, seed=self.seed, changepoints=5 if self.quick else 25)
        curves = parallel_map(fit_one, past)
        self.fitted = {
            key: curve for key, curve in zip(panel.series, curves, strict=True) if curve is not None
        }

    def predict(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah; NaN where nothing was fitted or observed."""
        forecast = np.full((len(panel.price), len(horizons)), np.nan)
        if not self.fitted:
            return forecast
        origin = panel.days[-1]
        targets = origin + np.asarray(horizons)
        if self.business:  # a frozen weekend is Friday
            targets = np.maximum(np.busday_offset(targets, 0, roll="backward"), origin)
        known = [row for row, key in enumerate(panel.series) if key in self.fitted]
        growth = parallel_map(
            partial(_growth, days=np.concatenate(([origin], targets))),
            [self.fitted[panel.series[row]] for row in known],
        )
        forecast[known] = panel.filled[known, -1:] * np.array(growth).reshape(len(known), -1)
        return forecast


def make(name: str, seed: int, quick: bool) -> Forecaster:
    """The model on national series; `quick` fits 400 days with five changepoints.

    A fit takes a third of a second, and a panel has hundreds of series.
    """
    return NationalForecaster(ProphetPerSeries(seed, quick))


def _feasts(days: Days) -> pd.DataFrame:
    """Prophet's table of holidays, from the first day's year to the year after the last.

    Dates are known ahead.
    """
    first = int(str(days[0])[:4])
    last = int(str(days[-1])[:4])
    calendar = holidays.country_holidays(COUNTRY, years=range(first, last + 2), language="en_US")
    named = [
        (day, part.replace(" (estimated)", ""))
        for day, names in calendar.items()
        for part in names.split("; ")
    ]
    table = pd.DataFrame(named, columns=["ds", "holiday"]).sort_values(["ds", "holiday"], ignore_index=True)
    table["ds"] = pd.to_datetime(table["ds"])
    table["lower_window"] = [AROUND.get(name, (0, 0))[0] for name in table["holiday"]]
    table["upper_window"] = [AROUND.get(name, (0, 0))[1] for name in table["holiday"]]
    return table


def _fit(past: SeriesHistory, feasts: pd.DataFrame, seed: int, changepoints: int) -> str | None:
    """The fitted curve as JSON.

    None for a series that is too short or constant, and where no optimum is found.
    """
    if past.values.size < FEWEST or np.ptp(past.values) == 0:
        return None
    logging.getLogger("prophet.plot").setLevel(logging.CRITICAL)  # it warns that plotly is absent
    from prophet import Prophet
    from prophet.serialize import model_to_json

    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)  # after the import, which sets it
    model = Prophet(
        holidays=feasts,
        holidays_prior_scale=PRIOR,
        n_changepoints=changepoints,
        weekly_seasonality=not past.business,
        daily_seasonality=False,
        uncertainty_samples=0,  # intervals are conformal, as for every model
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(pd.DataFrame({"ds": pd.to_datetime(past.days), "y": past.values}), seed=seed)
        except (RuntimeError, ValueError):
            return None  # Stan found no optimum
        return str(model_to_json(model))


def _growth(curve: str, days: Days) -> Floats:
    """(len(days) − 1,) the curve at each later day over the curve at the first."""
    from prophet.serialize import model_from_json

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = model_from_json(curve).predict(pd.DataFrame({"ds": pd.to_datetime(np.unique(days))}))
    level = dict(zip(table["ds"].to_numpy().astype("datetime64[D]"), table["yhat"], strict=True))
    path = np.array([level[day] for day in days])
    growth = np.exp(path[1:] - path[0])
    return np.where(np.isfinite(growth), growth, np.nan)
