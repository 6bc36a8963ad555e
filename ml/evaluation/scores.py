"""All scores of a backtest from its predictions: of one model, and as rows of gold.model_accuracy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite, nan

import numpy as np

from ml.data.panel import Days, Floats
from ml.evaluation import metrics
from ml.evaluation.conformal import Intervals
from ml.evaluation.predictions import NAIVE, Ints, Predictions
from ml.evaluation.significance import skill_test

ALL_REGIONS = "ID"
ALL_REGIONS_NAME = "Indonesia"
WEEK = 7
Rows = list[dict[str, object]]
LEVEL = 0.8  # of the intervals whose coverage is measured by half-year


@dataclass(frozen=True)
class ModelScores:
    """Scores of one model on some predictions.

    Percent where the name says so, else shares; rupiah as `_idr`.
    """

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
    cells: int  # number of predictions; named as the column of gold.model_accuracy


def score_model(predictions: Predictions, model: str, intervals: Intervals) -> ModelScores:
    """All scores of a model. `intervals` belong to the predictions; only calibrated ones are scored."""
    actual = predictions.actual
    forecast = predictions.forecasts[model]
    naive = predictions.naive
    scored = intervals.calibrated
    week = predictions.horizon == WEEK
    hit, majority = metrics.direction(actual[week], forecast[week], naive[week])
    bounds = {
        level: (intervals.lower[level][scored], intervals.upper[level][scored]) for level in intervals.lower
    }
    test = skill_test(predictions, model)
    return ModelScores(
        **point_errors(actual, forecast, predictions.step),
        pinball_idr=metrics.mean_pinball(actual[scored], intervals.quantiles[scored]),
        wql=metrics.wql(actual[scored], intervals.quantiles[scored]),
        coverage_80=metrics.coverage(actual[scored], *bounds[0.8]),
        coverage_95=metrics.coverage(actual[scored], *bounds[0.95]),
        width_80=metrics.width(actual[scored], *bounds[0.8]),
        msis_95=metrics.msis(actual[scored], *bounds[0.95], 0.95, predictions.step[scored]),
        skill=metrics.skill(actual, forecast, naive),
        series_skill=1 - metrics.geometric_rel_mae(actual, forecast, naive, predictions.series),
        direction=hit,
        direction_majority=majority,
        win_rate=metrics.win_rate(predictions.origin, actual, forecast, naive),
        t=test.t,
        p=test.p,
        better=test.better,
        skill_low=test.low,
        skill_high=test.high,
        origins=test.origins,
        cells=len(predictions),
    )


def point_errors(actual: Floats, forecast: Floats, step: Floats) -> dict[str, float]:
    """The point errors of gold.model_accuracy, by column."""
    return {
        "wape_pct": 100 * metrics.wape(actual, forecast),
        "mape_pct": 100 * metrics.mape(actual, forecast),
        "mae_idr": metrics.mae(actual, forecast),
        "rmse_idr": metrics.rmse(actual, forecast),
        "mase": metrics.mase(actual, forecast, step),
    }


def scores_by_commodity(
    predictions: Predictions, model: str, intervals: Intervals, horizons: tuple[int, ...] = ()
) -> dict[str, ModelScores]:
    """Commodity -> scores over all regions, of all horizons or of those named.

    The key "" is for all commodities together.
    """
    at_horizons = (
        np.isin(predictions.horizon, horizons) if horizons else np.ones(len(predictions), dtype=bool)
    )
    scores = {}
    if at_horizons.any():
        scores[""] = score_model(predictions.select(at_horizons), model, intervals.select(at_horizons))
    for number, commodity in enumerate(predictions.distinct_commodities):
        rows = at_horizons & (predictions.commodity_index == number)
        if rows.any():
            scores[commodity] = score_model(predictions.select(rows), model, intervals.select(rows))
    return scores


def accuracy_rows(
    predictions: Predictions,
    intervals: Mapping[str, Intervals],
    regions: Mapping[str, str],
    champions: Mapping[str, str],
    run_id: str,
    measured_at: datetime,
) -> Rows:
    """Rows of gold.model_accuracy, kind `backtest`: model × commodity × region × horizon.

    Region ID is all of them together.

    `intervals`: by model; `regions`: code -> name; `champions`: commodity -> model that serves. Rows of one
    region have no p-value and no interval of the skill: so many tests of so few origins would find something
    by chance.
    """
    names = {**regions, ALL_REGIONS: ALL_REGIONS_NAME}
    rows: Rows = []
    for model in predictions.models:
        run = {"run_id": run_id, "measured_at": measured_at, "kind": "backtest", "model": model}
        for by_region in (False, True):
            for (commodity, region, horizon), numbers in _groups(predictions, by_region):
                part = predictions.select(numbers)
                values = _figures(part, model, intervals[model].select(numbers))
                test = None if by_region else skill_test(part, model)
                values |= {
                    "p_value": test.p if test else nan,
                    "skill_low": test.low if test else nan,
                    "skill_high": test.high if test else nan,
                }
                target = part.days[part.origin + horizon]
                rows.append(
                    {
                        **run,
                        "commodity": commodity,
                        "region_code": region,
                        "region": names.get(region, region),
                        "horizon_days": horizon,
                        **{name: value if isfinite(value) else None for name, value in values.items()},
                        "cells": len(numbers),
                        "from_date": target.min().item(),
                        "to_date": target.max().item(),
                        "alias": "champion" if champions.get(commodity, NAIVE) == model else None,
                    }
                )
    return rows


def _figures(predictions: Predictions, model: str, intervals: Intervals) -> dict[str, float]:
    scored = intervals.calibrated
    forecast = predictions.forecasts[model]
    coverage = {
        f"coverage_{round(100 * level)}": metrics.coverage(
            predictions.actual[scored], intervals.lower[level][scored], intervals.upper[level][scored]
        )
        for level in intervals.lower
    }
    return {
        **point_errors(predictions.actual, forecast, predictions.step),
        **coverage,
        "pinball": metrics.mean_pinball(predictions.actual[scored], intervals.quantiles[scored]),
        "skill_vs_naive": metrics.skill(predictions.actual, forecast, predictions.naive),
        "origins": len(np.unique(predictions.origin)),
    }


def _groups(predictions: Predictions, by_region: bool) -> Iterator[tuple[tuple[str, str, int], Ints]]:
    """((commodity, region code, horizon), row numbers of the predictions)."""
    major = predictions.series if by_region else predictions.commodity_index
    key = major * 1_000 + predictions.horizon
    order = np.argsort(key, kind="stable")
    if not order.size:
        return
    for numbers in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        first = numbers[0]
        commodity = predictions.distinct_commodities[predictions.commodity_index[first]]
        region = predictions.regions[predictions.series[first]] if by_region else ALL_REGIONS
        yield (commodity, region, int(predictions.horizon[first])), numbers


@dataclass(frozen=True)
class HalfYear:
    """Coverage of one model by the origins of one half-year, as shares."""

    half_year: str  # such as 2024-H1
    origins: int
    cells: int  # number of predictions with an interval
    coverage: float  # of all commodities together
    worst_commodity: str  # whose coverage is furthest from the level
    worst_coverage: float


def coverage_by_half_year(
    predictions: Predictions, intervals: Intervals, horizons: tuple[int, ...] = ()
) -> list[HalfYear]:
    """Oldest first, of all horizons or of those named.

    An average over years would hide months in which the intervals were too narrow.
    A forecast counts in the half-year of its origin; those without a calibrated interval do not count.
    """
    scored = intervals.calibrated
    if horizons:
        scored = scored & np.isin(predictions.horizon, horizons)
    return list(_half_years(predictions.select(scored), intervals.select(scored)))


def _half_years(predictions: Predictions, intervals: Intervals) -> Iterator[HalfYear]:
    import pandas as pd  # not before there are predictions: a refusal answers at once

    number = half_year_numbers(predictions.days[predictions.origin])
    inside = (intervals.lower[LEVEL] <= predictions.actual) & (predictions.actual <= intervals.upper[LEVEL])
    columns = {"commodity": predictions.commodity_index, "origin": predictions.origin, "inside": inside}
    for half_year, rows in pd.DataFrame(columns).groupby(number):
        by_commodity = rows.groupby("commodity")["inside"].mean()
        worst = int((by_commodity - LEVEL).abs().idxmax())
        yield HalfYear(
            half_year=f"{1970 + half_year // 2}-H{1 + half_year % 2}",
            origins=rows["origin"].nunique(),
            cells=len(rows),
            coverage=float(rows["inside"].mean()),
            worst_commodity=predictions.distinct_commodities[worst],
            worst_coverage=float(by_commodity[worst]),
        )


def half_year_numbers(days: Days) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """(days,) half-years since January 1970."""
    return days.astype("datetime64[M]").astype(np.int64) // 6
