"""The inputs of the six factors of a weekly price change, each (series, days) and known on its day."""

from collections.abc import Callable, Mapping

import numpy as np

from lakehouse.impact import LEAST_SCALE, WEEK_DAYS
from lakehouse.reference import commodities
from ml.data import holidays
from ml.data.panel import Floats, Panel
from ml.features import rolling
from ml.features.inputs import FeatureInputs
from ml.features.related_series import Rows, find_related_series

YEAR_DAYS = 365
MONTH_DAYS = 28
BREADTH_LIMIT = 0.01  # weekly log change that counts as a move
# Exogenous series of the context (ml.impact.context).
PEST = "pest_mentions"
DELAY = "route_delay"
DELIVERIES = "deliveries"
STOCK = "stock_kg"
COVER = "stock_cover_days"
ARRIVALS = "arrivals_kg"
Inputs = dict[str, Floats]  # name -> (series, days)


def commodity_scale(panel: Panel) -> Floats:
    """(series, days) 90 % quantile of the commodity's absolute 7-day log change over the year before.

    Pooled over its provinces; at least 0.02, also where there are no changes yet.
    """
    y = np.log(panel.filled)
    change = np.abs(y - rolling.lagged(y, WEEK_DAYS))
    scale = np.full(change.shape, LEAST_SCALE)
    for commodity in panel.distinct_commodities:
        rows = panel.rows_of(commodity)
        for first in range(0, change.shape[1], WEEK_DAYS):  # a quantile a week: it moves slowly
            past = change[rows, max(first - YEAR_DAYS, 0) : first]
            known = past[np.isfinite(past)]
            if known.size:
                scale[rows, first : first + WEEK_DAYS] = max(float(np.quantile(known, 0.9)), LEAST_SCALE)
    return scale


def factor_inputs(panel: Panel, scale: Floats) -> dict[str, Inputs]:
    """Factor -> its inputs. Price changes are in units of `scale`; NaN where an input is not known."""
    related = find_related_series(panel)
    inputs = FeatureInputs(panel, related)
    compute: Mapping[str, Callable[[FeatureInputs, Floats], Inputs]] = {
        "cuaca": weather,
        "hama": pest,
        "distribusi": distribution,
        "oversupply": supply,
        "musim": season,
        "permintaan_nasional": national,
    }
    with np.errstate(invalid="ignore", divide="ignore"):
        return {factor: inputs_of(inputs, scale) for factor, inputs_of in compute.items()}


def weather(inputs: FeatureInputs, scale: Floats) -> Inputs:
    """Rain of a week, a month and the month before; temperature and humidity of a week; rain of growers.

    That is the rain of two months in the provinces that grow most of the commodity. What is usual at that
    time of year is season: its waves are among the inputs of the same regression.
    """
    rain = inputs.exogenous("rainfall_mm")
    month = rolling.mean(rain, 30)
    return {
        "rain7": rolling.mean(rain, WEEK_DAYS),
        "rain30": month,
        "rain30_lag30": rolling.lagged(month, 30),
        "producer_rain60": rolling.mean(inputs.mean_over(producing_series(inputs.panel), rain), 60),
        "temperature7": rolling.mean(inputs.exogenous("temperature_c"), WEEK_DAYS),
        "humidity7": rolling.mean(inputs.exogenous("humidity_pct"), WEEK_DAYS),
    }


def producing_series(panel: Panel) -> Rows:
    """(series, most) rows of the commodity in the provinces that its `producers` name, filled up with -1."""
    listed = {name: entry.producers for name, entry in commodities().items()}
    producing = [
        [row for row in panel.rows_of(name) if panel.regions[row] in listed.get(name, ())]
        for name in panel.commodities
    ]
    rows = np.full((len(producing), max(map(len, producing))), -1, dtype=np.int64)
    for series, own in enumerate(producing):
        rows[series, : len(own)] = own
    return rows


def pest(inputs: FeatureInputs, scale: Floats) -> Inputs:
    """Posts of a month that mention a pest."""
    mentions = inputs.exogenous(PEST)
    return {"pest28": rolling.mean(mentions, MONTH_DAYS, 1)}


def distribution(inputs: FeatureInputs, scale: Floats) -> Inputs:
    """Gap to the other provinces a week ago, hours on the way, deliveries against the month."""
    gap = inputs.g - inputs.g_usual
    return {
        "gap_lag7": rolling.lagged(gap, WEEK_DAYS) / scale,
        "delay7": rolling.mean(inputs.exogenous(DELAY), WEEK_DAYS, 1),
        "deliveries7": against_month(inputs.exogenous(DELIVERIES)),
    }


def supply(inputs: FeatureInputs, scale: Floats) -> Inputs:
    """Stocks and arrivals of a week against the month, and for how many days the stocks last."""
    return {
        "stock7": against_month(inputs.exogenous(STOCK)),
        "cover7": np.log1p(rolling.mean(inputs.exogenous(COVER), WEEK_DAYS, 1)),
        "arrivals7": against_month(inputs.exogenous(ARRIVALS)),
    }


def against_month(values: Floats) -> Floats:
    """Log ratio of the mean of a week to that of four weeks."""
    return np.log1p(rolling.mean(values, WEEK_DAYS, 1)) - np.log1p(rolling.mean(values, MONTH_DAYS, 1))


def season(inputs: FeatureInputs, scale: Floats) -> Inputs:
    """Waves of the year, the weeks before and after feasts, pay days."""
    days = inputs.panel.days
    angle = 2 * np.pi * holidays.day_of_year(days) / 365.25
    columns: dict[str, Floats] = {
        "year_sin": np.sin(angle),
        "year_cos": np.cos(angle),
        "pay_days": holidays.pay_days(days).astype(float),
    }
    for feast in holidays.FEASTS:
        away = holidays.distance(days, feast)
        columns[f"{feast}_before"] = ((away >= -2 * WEEK_DAYS) & (away < 0)).astype(float)
        columns[f"{feast}_after"] = ((away >= 0) & (away < 2 * WEEK_DAYS)).astype(float)
    return {name: np.broadcast_to(values, inputs.y.shape) for name, values in columns.items()}


def national(inputs: FeatureInputs, scale: Floats) -> Inputs:
    """Mean weekly move of the other provinces; the share of them that rose less that of those that fell."""
    week = inputs.r(WEEK_DAYS)
    moved = np.where(np.isfinite(week), np.sign(week) * (np.abs(week) > BREADTH_LIMIT), np.nan)
    return {"national7": inputs.n(WEEK_DAYS) / scale, "breadth7": inputs.mean_of_others(moved)}
