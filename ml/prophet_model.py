"""Prophet with Indonesian holidays, a series at a time: a challenger that is often asked for and seldom wins."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import holidays
import numpy as np
import pandas as pd

from ml.fan_out import each
from ml.forecaster import HORIZONS
from ml.grid import History, histories
from ml.national import National
from ml.panel import Days, Floats, Panel

COUNTRY = "ID"
AROUND = {"Eid al-Fitr": (-7, 3), "Eid al-Adha": (-3, 1), "Christmas Day": (-3, 1)}  # days of a feast that move prices
PRIOR = 0.05  # two or three years show each feast as often: a day's effect must be plain before it is believed
FEWEST = 60  # observations before anything is fitted

Key = tuple[str, str]  # commodity, region


@dataclass
class ProphetBySeries:
    """Trend, week, year and feasts by penalised regression (Taylor & Letham 2018), on the logarithm of the price.

    The fitted curve gives the growth from origin to target, put on the last price: the curve's own level lags behind it.
    """

    seed: int = 0
    quick: bool = False
    fitted: dict[Key, str] = field(default_factory=dict)  # Prophet's own JSON: no path of this machine, no process handle
    business: bool = False
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
        answers = each(partial(_fit, feasts=feasts, seed=self.seed, changes=5 if self.quick else 25), past)
        keys = zip(panel.commodities, panel.regions, strict=True)
        self.fitted = {key: curve for key, curve in zip(keys, answers, strict=True) if curve is not None}

    def forecast(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah; NaN where nothing was fitted or observed."""
        nothing = np.full((len(panel.price), len(horizons)), np.nan)
        if not self.fitted:
            return nothing
        origin = panel.days[-1]
        targets = origin + np.asarray(horizons)
        if self.business:  # a frozen weekend is Friday
            targets = np.maximum(np.busday_offset(targets, 0, roll="backward"), origin)
        keys = list(zip(panel.commodities, panel.regions, strict=True))
        known = [row for row, key in enumerate(keys) if key in self.fitted]
        growth = each(partial(_growth, days=np.concatenate(([origin], targets))), [self.fitted[keys[row]] for row in known])
        nothing[known] = panel.filled[known, -1:] * np.array(growth).reshape(len(known), -1)
        return nothing


class NationalProphet(National):
    """The same on the national series of each commodity: a fit takes a third of a second, and a panel has hundreds."""

    def __init__(self, seed: int = 0, quick: bool = False) -> None:
        super().__init__(ProphetBySeries(seed, quick))


def _feasts(days: Days) -> pd.DataFrame:
    """Prophet's table of holidays, from the first day's year to the year after the last: dates are known ahead."""
    first, last = (int(str(day)[:4]) for day in (days[0], days[-1]))
    calendar = holidays.country_holidays(COUNTRY, years=range(first, last + 2), language="en_US")
    named = [(day, part.replace(" (estimated)", "")) for day, names in calendar.items() for part in names.split("; ")]
    table = pd.DataFrame(named, columns=["ds", "holiday"]).sort_values(["ds", "holiday"], ignore_index=True)
    table["ds"] = pd.to_datetime(table["ds"])
    table["lower_window"] = [AROUND.get(name, (0, 0))[0] for name in table["holiday"]]
    table["upper_window"] = [AROUND.get(name, (0, 0))[1] for name in table["holiday"]]
    return table


def _fit(past: History, feasts: pd.DataFrame, seed: int, changes: int) -> str | None:
    if past.values.size < FEWEST or np.ptp(past.values) == 0:
        return None
    logging.getLogger("prophet.plot").setLevel(logging.CRITICAL)  # it complains that plotly is absent
    from prophet import Prophet
    from prophet.serialize import model_to_json

    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)  # after the import, which sets it
    model = Prophet(
        holidays=feasts,
        holidays_prior_scale=PRIOR,
        n_changepoints=changes,
        weekly_seasonality=not past.business,
        daily_seasonality=False,
        uncertainty_samples=0,  # intervals are conformal, as for every model
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(pd.DataFrame({"ds": pd.to_datetime(past.days), "y": past.values}), seed=seed)
        except (RuntimeError, ValueError):
            return None  # Stan found no optimum: NaN, which is counted as naive
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
