"""Attribution of weekly price changes by ridge regression, one fit per volatility class."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import StandardScaler

from lakehouse.impact import FACTORS, UNEXPLAINED, WEEK_DAYS
from ml.data.panel import Floats, NothingToLearn, Panel
from ml.features import rolling
from ml.impact.factors import commodity_scale, factor_inputs
from ml.models.volatility import volatility_classes

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Columns = dict[str, Ints]  # factor -> positions of its inputs
SEASON = "musim"
NATIONAL = "permintaan_nasional"
SHOWN_DAYS = 28  # newest days that are attributed; the fit ends before their first week
LEAST_CHANGES = 200  # weekly changes of a class behind a fit
FOLDS = 4  # later and later parts of the fitted days, on which the penalty is chosen
PENALTIES = np.logspace(0, 7, 15)  # from a plain regression to none at all
LARGEST_CHANGE = 5.0  # scales; a change beyond counts as this much in the fit


@dataclass(frozen=True)
class ClassFit:
    """The fit of a volatility class. `coefficients`: of inputs divided by `sd` after `mean` is taken off.

    `seasonal`: (1 + seasonal inputs, national inputs) what the season explains of the national move, which
    is taken off it: a move of all provinces at a feast is season, not demand.
    """

    coefficients: Floats
    mean: Floats
    sd: Floats
    seasonal: Floats
    r2: float
    penalty: float

    def contributions(self, inputs: Floats, columns: Columns) -> Floats:
        """(…, inputs) share of each input in a change, in scales; 0 where an input is not known."""
        separate = without_season(inputs, columns, self.seasonal)
        return np.nan_to_num(self.coefficients * (separate - self.mean) / self.sd)


@dataclass(frozen=True)
class Attributions:
    """Contributions in log points, each (series, shown days), NaN where the weekly change is not known.

    The factors and what is unexplained add up to `change`. `available`: factor -> whether it has data.
    """

    panel: Panel
    first: int  # column of the panel that the shown days begin with
    change: Floats
    scale: Floats
    contributions: dict[str, Floats]
    available: dict[str, Flags]
    classes: dict[str, str]
    fits: dict[str, ClassFit]


def attribute(panel: Panel) -> Attributions:
    """Fit on the days before the newest SHOWN_DAYS, and attribute the weekly changes of those.

    Raises NothingToLearn when no volatility class has enough changes to fit.
    """
    scale = commodity_scale(panel)
    by_factor = factor_inputs(panel, scale)
    factor_of = np.array([factor for factor, inputs in by_factor.items() for _ in inputs])
    columns = {factor: np.flatnonzero(factor_of == factor) for factor in FACTORS}
    inputs = np.stack([values for inputs in by_factor.values() for values in inputs.values()], axis=2)
    change = observed_change(panel)
    first = max(panel.price.shape[1] - SHOWN_DAYS, 0)
    classes = volatility_classes(panel)
    shares = np.full((*change[:, first:].shape, len(factor_of)), np.nan)
    fits: dict[str, ClassFit] = {}
    for volatility in sorted(set(classes.values())):
        rows = np.array([classes[commodity] == volatility for commodity in panel.commodities])
        fit = fit_class(inputs[rows], change[rows] / scale[rows], max(first - WEEK_DAYS, 0), columns)
        if fit is not None:
            fits[volatility] = fit
            shares[rows] = fit.contributions(inputs[rows, first:], columns) * scale[rows, first:, None]
    if not fits:
        raise NothingToLearn(f"no class of commodities has {LEAST_CHANGES} weekly price changes")
    contributions = {factor: shares[:, :, own].sum(axis=2) for factor, own in columns.items()}
    contributions[UNEXPLAINED] = change[:, first:] - sum(contributions[factor] for factor in FACTORS)
    return Attributions(
        panel=panel,
        first=first,
        change=change[:, first:],
        scale=scale[:, first:],
        contributions=contributions,
        available={
            factor: np.asarray(np.isfinite(inputs[:, first:, own]).any(axis=2))
            for factor, own in columns.items()
        },
        classes=classes,
        fits=fits,
    )


def observed_change(panel: Panel) -> Floats:
    """(series, days) 7-day log change of the last reported price, on days with a report."""
    y = np.log(panel.filled)
    change = y - rolling.lagged(y, WEEK_DAYS)
    return np.where(np.isfinite(panel.price), change, np.nan)


def fit_class(inputs: Floats, change: Floats, days: int, columns: Columns) -> ClassFit | None:
    """Ridge regression on the first `days` days; None with too few changes.

    `inputs`: (series, days, inputs), an unknown one counts as its mean. `change`: (series, days) in scales.
    The penalty is the largest whose error on later days is within a standard error of the smallest: noise
    explains nothing.
    """
    known = np.isfinite(change[:, :days])
    if known.sum() < LEAST_CHANGES:
        return None
    row_day = np.nonzero(known)[1]
    given = inputs[:, :days][known]
    seasonal = season_of_national(given, row_day, columns)
    x = without_season(given, columns, seasonal)
    y = np.clip(change[:, :days][known], -LARGEST_CHANGE, LARGEST_CHANGE)
    scaler = StandardScaler().fit(np.where(np.isfinite(x).any(axis=0), x, 0.0))
    standard = np.nan_to_num(scaler.transform(x))
    penalty, r2 = choose_penalty(standard, y, row_day)
    coefficients = ridge(standard, y, np.array([penalty]))[0]
    return ClassFit(coefficients, scaler.mean_, scaler.scale_, seasonal, r2, penalty)


def season_of_national(inputs: Floats, day: Ints, columns: Columns) -> Floats:
    """(1 + seasonal inputs, national inputs) weights of the season in the national move.

    Penalised like the fit: two years hold so few feasts that a plain regression would call any drift season.
    """
    season = inputs[:, columns[SEASON]]
    scaler = StandardScaler().fit(season)
    weights = np.zeros((season.shape[1] + 1, len(columns[NATIONAL])))
    for number, column in enumerate(columns[NATIONAL]):
        known = np.isfinite(inputs[:, column])
        if not known.any():
            continue
        x = scaler.transform(season[known])
        y = inputs[known, column]
        penalty, _ = choose_penalty(x, y, day[known])
        slopes = ridge(x, y, np.array([penalty]))[0] / scaler.scale_
        weights[1:, number] = slopes
        weights[0, number] = -slopes @ scaler.mean_
    return weights


def without_season(inputs: Floats, columns: Columns, seasonal: Floats) -> Floats:
    """The inputs with the national move less what the season explains of it."""
    separate = inputs.copy()
    separate[..., columns[NATIONAL]] -= with_constant(inputs[..., columns[SEASON]]) @ seasonal
    return separate


def with_constant(values: Floats) -> Floats:
    """A column of ones before the values."""
    return np.concatenate([np.ones((*values.shape[:-1], 1)), values], axis=-1)


def ridge(x: Floats, y: Floats, penalties: Floats) -> Floats:
    """(penalties, inputs) coefficients of ridge regressions with an intercept.

    One decomposition serves all penalties; scikit-learn's Ridge takes 50 times as long for a path of them.
    """
    centred = x - x.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    projected = vectors.T @ (centred.T @ (y - y.mean()))
    return np.asarray((projected / (np.maximum(values, 0) + penalties[:, None])) @ vectors.T)


def choose_penalty(x: Floats, y: Floats, day: Ints) -> tuple[float, float]:
    """(penalty, R² on later days), by fits on the earlier days and their errors on the next part.

    A week between both keeps overlapping changes apart.
    """
    bounds = np.quantile(day, np.linspace(0.5, 1, FOLDS + 1))
    errors = np.full((FOLDS, len(PENALTIES)), np.nan)
    spread = np.full(FOLDS, np.nan)
    for fold in range(FOLDS):
        past = day < bounds[fold] - WEEK_DAYS
        later = (day >= bounds[fold]) & (day <= bounds[fold + 1])
        if past.sum() < 2 or not later.any():
            continue
        residual = y[later] - y[past].mean()
        predicted = ridge(x[past], y[past], PENALTIES) @ (x[later] - x[past].mean(axis=0)).T
        spread[fold] = np.mean(residual**2)
        errors[fold] = np.mean((residual - predicted) ** 2, axis=1)
    if np.isnan(spread).all():
        return float(PENALTIES[-1]), 0.0
    mean = np.nanmean(errors, axis=0)
    best = int(np.argmin(mean))
    # Folds are paired: the error that counts is that of the difference to the best penalty.
    deviation = np.nanstd(errors - errors[:, [best]], axis=0) / np.sqrt(FOLDS - 1)
    chosen = int(np.max(np.flatnonzero(mean - mean[best] <= deviation)))
    return float(PENALTIES[chosen]), float(1 - mean[chosen] / np.nanmean(spread))
