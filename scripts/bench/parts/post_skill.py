"""Whether posts help a forecast: errors of a regression of weekly changes with their pressure and without.

The value of a link is this incremental skill, not its correlation.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.impact import WEEK_DAYS
from lakehouse.io.query import run_contract_sql
from lakehouse.sentiment.classifier import LexiconClassifier
from lakehouse.sentiment.daily import mentions_of
from lakehouse.sentiment.products import ProductNames
from ml.data import holidays
from ml.data.panel import Floats, Panel
from ml.evaluation.significance import origin_test, skill_interval
from ml.features import rolling
from ml.features.inputs import FeatureInputs
from ml.features.related_series import find_related_series
from ml.impact.factors import commodity_scale
from ml.impact.fit import choose_penalty, ridge
from ml.sentiment.labelled_file import read_labelled

REFIT_DAYS = 28
LARGEST_CHANGE = 5.0  # scales; a change beyond counts as this much
Ridge = tuple[Floats, Floats, Floats, float]  # means, spreads and coefficients of the inputs, mean change


def forecast_skill(panel: Panel, pressure: Floats, rows: Sequence[int], first: int) -> dict[str, float | int]:
    """Skill in percent of the regression with posts over the same one without, over weekly origins.

    `pressure`: (series, days) as known on each day. `rows`: the series that are fitted and forecast.
    `first`: the first origin; the fits use the days before it on which the pressure is known.
    """
    scale = commodity_scale(panel)
    own = own_inputs(panel, scale)
    posts = [rolling.mean(pressure, days, 1) for days in (WEEK_DAYS, REFIT_DAYS)]
    level = np.log(panel.filled)
    target = np.full(level.shape, np.nan)
    target[:, :-WEEK_DAYS] = (level[:, WEEK_DAYS:] - level[:, :-WEEK_DAYS]) / scale[:, :-WEEK_DAYS]
    origins = np.arange(first, level.shape[1] - WEEK_DAYS, WEEK_DAYS)
    chosen = np.asarray(rows)
    usable = np.isfinite(target) & np.isfinite(pressure) & np.isfinite(np.stack(own)).all(axis=0)
    errors = [
        absolute_errors(np.stack(inputs, axis=2)[chosen], target[chosen], usable[chosen], origins)
        for inputs in ([*own, *posts], own)
    ]
    with_posts, without = errors
    difference = (without - with_posts) / len(chosen)
    _, p = origin_test(difference, WEEK_DAYS, WEEK_DAYS)
    low, high = skill_interval(with_posts, without)
    return {
        "skill_pct": round(100 * float(1 - with_posts.sum() / without.sum()), 2),
        "low_pct": round(100 * low, 2),
        "high_pct": round(100 * high, 2),
        "p_value": round(p, 3),
        "origins": len(origins),
    }


def own_inputs(panel: Panel, scale: Floats) -> list[Floats]:
    """(series, days) each: what a forecast has without posts, in the commodity's usual large week."""
    inputs = FeatureInputs(panel, find_related_series(panel))
    angle = 2 * np.pi * holidays.day_of_year(panel.days) / 365.25
    moves = [inputs.r(WEEK_DAYS), inputs.r(REFIT_DAYS), inputs.n(WEEK_DAYS), inputs.g - inputs.g_usual]
    waves = [np.broadcast_to(wave(angle), scale.shape) for wave in (np.sin, np.cos)]
    return [*(np.nan_to_num(move / scale) for move in moves), *waves]


def absolute_errors(inputs: Floats, target: Floats, usable: np.ndarray, origins: np.ndarray) -> Floats:
    """(origins,) absolute errors of the series together, each forecast by a fit on what was known before."""
    summed = np.zeros(len(origins))
    fit: Ridge | None = None
    fitted_on = -REFIT_DAYS
    for number, origin in enumerate(origins):
        if fit is None or origin - fitted_on >= REFIT_DAYS:
            fit = fitted(inputs, target, usable, int(origin))
            fitted_on = int(origin)
        means, spreads, coefficients, change = fit
        now = usable[:, origin]
        forecast = change + ((inputs[now, origin] - means) / spreads) @ coefficients
        summed[number] = np.abs(target[now, origin] - forecast).sum()
    return summed


def fitted(inputs: Floats, target: Floats, usable: np.ndarray, origin: int) -> Ridge:
    """The regression of the changes that had ended by the origin."""
    known = usable[:, : origin - WEEK_DAYS + 1]
    x = inputs[:, : known.shape[1]][known]
    y = np.clip(target[:, : known.shape[1]][known], -LARGEST_CHANGE, LARGEST_CHANGE)
    means, spreads = x.mean(axis=0), x.std(axis=0) + 1e-12
    standard = (x - means) / spreads
    penalty, _ = choose_penalty(standard, y, np.nonzero(known)[1])
    return means, spreads, ridge(standard, y, np.array([penalty]))[0], float(y.mean())


def headline_pressure(panel: Panel, file: Path) -> Floats:
    """(series, days) pressure of labelled headlines as in gold.sentiment; NaN outside of their days.

    A day's headlines are known on the day after. The labels are not read.
    """
    labelled = read_labelled(file)
    posts: list[dict[str, Any]] = [
        {
            "title": None,
            "content": text,
            "commodities": [],
            "symbols": [],
            "market_date": day,
            "event_time": datetime(day.year, day.month, day.day, tzinfo=UTC),
            "_warnings": [],
        }
        for text, day in dict.fromkeys(zip(labelled.texts, labelled.days, strict=True))
        if day is not None
    ]
    value = np.full(panel.price.shape, np.nan)
    first: date = panel.days[0].astype(date)
    days = [(post["market_date"] - first).days + 1 for post in posts]
    value[:, max(min(days), 0) : max(days) + 1] = 0.0
    mentions = mentions_of(posts, LexiconClassifier(), ProductNames([]))
    sentiment = contracts()["gold.sentiment"]
    before = arrow_schema(sentiment).empty_table()
    daily = run_contract_sql(sentiment, {"mentions": mentions, "gold_sentiment": before})
    for row in daily.to_pylist():
        column = (row["market_date"] - first).days + 1
        if 0 <= column < len(panel.days):
            value[panel.rows_of(row["subject"]), column] = row["pressure"] or 0.0
    return value
