"""All figures of a backtest from its cells: of one model over any of them, and as rows of gold.model_accuracy."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from math import isfinite, nan

import numpy as np

from ml import metrics
from ml.cells import NAIVE, Cells, Ints
from ml.intervals import Bands
from ml.significance import verdict

ALL_REGIONS, ALL_REGIONS_NAME = "ID", "Indonesia"
WEEK = 7
Rows = list[dict[str, object]]


@dataclass(frozen=True)
class Figures:
    """One model over some cells. Percent where the name says so, else shares; rupiah as `_idr`."""

    wape_pct: float
    mape_pct: float
    mae_idr: float
    rmse_idr: float
    mase: float
    pinball_idr: float  # mean over deciles of the conformal quantiles
    wql: float
    coverage_80: float
    coverage_95: float
    width_80: float  # of the interval, over the price
    msis_95: float
    skill: float
    series_skill: float  # 1 − geometric mean over series of RelMAE
    direction: float  # hit share where the price moved by more than 1 % in a week
    direction_majority: float
    win_rate: float
    t: float
    p: float
    better: float
    skill_low: float
    skill_high: float
    origins: int
    cells: int


def figures(cells: Cells, model: str, bands: Bands) -> Figures:
    """Everything about a model on these cells; `bands` are theirs (Bands.where). Intervals count where they rest on scores."""
    actual, forecast, naive = cells.actual, cells.forecasts[model], cells.naive
    held = bands.calibrated
    week = cells.horizon == WEEK
    hit, majority = metrics.direction(actual[week], forecast[week], naive[week])
    bounds = {level: (bands.lower[level][held], bands.upper[level][held]) for level in bands.lower}
    tested = verdict(cells, model)
    return Figures(
        **errors(actual, forecast, cells.step),
        pinball_idr=_pinball(actual[held], bands.quantiles[held]),
        wql=metrics.wql(actual[held], bands.quantiles[held]),
        coverage_80=metrics.coverage(actual[held], *bounds[0.8]),
        coverage_95=metrics.coverage(actual[held], *bounds[0.95]),
        width_80=metrics.width(actual[held], *bounds[0.8]),
        msis_95=metrics.msis(actual[held], *bounds[0.95], 0.95, cells.step[held]),
        skill=metrics.skill(actual, forecast, naive),
        series_skill=1 - metrics.geometric_rel_mae(actual, forecast, naive, cells.series),
        direction=hit,
        direction_majority=majority,
        win_rate=metrics.win_rate(cells.origin, actual, forecast, naive),
        t=tested.t,
        p=tested.p,
        better=tested.better,
        skill_low=tested.low,
        skill_high=tested.high,
        origins=tested.origins,
        cells=len(cells),
    )


def errors(actual: metrics.Floats, forecast: metrics.Floats, step: metrics.Floats) -> dict[str, float]:
    """The point errors that a row of gold.model_accuracy has, by column."""
    return {
        "wape_pct": 100 * metrics.wape(actual, forecast),
        "mape_pct": 100 * metrics.mape(actual, forecast),
        "mae_idr": metrics.mae(actual, forecast),
        "rmse_idr": metrics.rmse(actual, forecast),
        "mase": metrics.mase(actual, forecast, step),
    }


def by_commodity(cells: Cells, model: str, bands: Bands, horizons: tuple[int, ...] = ()) -> dict[str, Figures]:
    """Commodity → figures over all regions, of all horizons or of those named; under "" over all commodities."""
    chosen = np.isin(cells.horizon, horizons) if horizons else np.ones(len(cells), dtype=bool)
    found = {}
    for number, good in [(None, ""), *enumerate(cells.goods)]:
        mask = chosen if number is None else chosen & (cells.good == number)
        if mask.any():
            found[good] = figures(cells.where(mask), model, bands.where(mask))
    return found


def accuracy_rows(
    cells: Cells,
    bands: Mapping[str, Bands],
    regions: Mapping[str, str],
    champions: Mapping[str, str],
    run_id: str,
    measured_at: datetime,
) -> Rows:
    """Rows of gold.model_accuracy, kind `backtest`: model × commodity × region × horizon, and region ID = all of them together.

    `regions` maps codes to names, `champions` commodities to the model served. Rows of one region bear no p-value: so many
    tests of so few origins would find something by luck.
    """
    rows: Rows = []
    for model in cells.models:
        about = {"run_id": run_id, "measured_at": measured_at, "kind": "backtest", "model": model}
        for keys, at in _groups(cells, by_region=False):
            found = asdict(figures(cells.where(at), model, bands[model].where(at)))
            kept = {name: found[name] for name in ("wape_pct", "mape_pct", "mae_idr", "rmse_idr", "mase")}
            kept |= {"pinball": found["pinball_idr"], "skill_vs_naive": found["skill"], "p_value": found["p"]}
            kept |= {name: found[name] for name in ("coverage_80", "coverage_95", "origins")}
            rows.append(_row(cells, at, keys, kept, about, champions))
        for keys, at in _groups(cells, by_region=True):
            rows.append(_row(cells, at, keys, _of_region(cells, model, bands[model], at), about, champions))
    for row in rows:
        code = str(row["region_code"])
        row["region"] = ALL_REGIONS_NAME if code == ALL_REGIONS else regions.get(code, code)
    return rows


def _of_region(cells: Cells, model: str, bands: Bands, at: Ints) -> dict[str, object]:
    actual, forecast = cells.actual[at], cells.forecasts[model][at]
    held = at[bands.calibrated[at]]
    covered = {
        f"coverage_{round(100 * level)}": metrics.coverage(cells.actual[held], bands.lower[level][held], bands.upper[level][held])
        for level in bands.lower
    }
    return {
        **errors(actual, forecast, cells.step[at]),
        **covered,
        "pinball": _pinball(cells.actual[held], bands.quantiles[held]),
        "skill_vs_naive": metrics.skill(actual, forecast, cells.naive[at]),
        "p_value": nan,
        "origins": len(np.unique(cells.origin[at])),
    }


def _groups(cells: Cells, by_region: bool) -> Iterator[tuple[tuple[str, str, int], Ints]]:
    """((commodity, region code, horizon), the cells' numbers)."""
    major = cells.series if by_region else cells.good
    key = major * 1_000 + cells.horizon
    order = np.argsort(key, kind="stable")
    if not order.size:
        return
    for at in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        good = cells.goods[cells.good[at[0]]]
        yield (good, cells.regions[cells.series[at[0]]] if by_region else ALL_REGIONS, int(cells.horizon[at[0]])), at


def _row(
    cells: Cells,
    at: Ints,
    keys: tuple[str, str, int],
    found: Mapping[str, object],
    about: Mapping[str, object],
    champions: Mapping[str, str],
) -> dict[str, object]:
    commodity, region, horizon = keys
    target = cells.days[cells.origin[at] + horizon]
    return {
        **about,
        "commodity": commodity,
        "region_code": region,
        "horizon_days": horizon,
        **{name: None if isinstance(value, float) and not isfinite(value) else value for name, value in found.items()},
        "cells": len(at),
        "from_date": target.min().item(),
        "to_date": target.max().item(),
        "alias": "champion" if champions.get(commodity, NAIVE) == about["model"] else None,
    }


def _pinball(actual: metrics.Floats, quantiles: metrics.Floats) -> float:
    return float(np.mean([metrics.pinball(actual, quantiles[:, nth], q) for nth, q in enumerate(metrics.DECILES)]))
