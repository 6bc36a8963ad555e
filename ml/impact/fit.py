"""Attribution of weekly price changes by ridge regression, one fit per volatility class."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from lakehouse.impact import FACTORS, UNEXPLAINED, WEEK_DAYS
from ml.data.panel import Floats, NothingToLearn, Panel
from ml.features import rolling
from ml.impact.factors import commodity_scale, factor_inputs
from ml.models.volatility import volatility_classes

Flags = npt.NDArray[np.bool_]
SHOWN_DAYS = 28  # newest days that are attributed; the fit ends before their first week
LEAST_CHANGES = 200  # weekly changes of a class behind a fit
FOLDS = 4  # later and later parts of the fitted days, on which the penalty is chosen
PENALTIES = np.logspace(0, 7, 15)  # from a plain regression to none at all
LARGEST_CHANGE = 5.0  # scales; a change beyond counts as this much in the fit


@dataclass(frozen=True)
class ClassFit:
    """The fit of a volatility class. `coefficients`: of inputs divided by `sd` after `mean` is taken off."""

    coefficients: Floats
    mean: Floats
    sd: Floats
    r2: float
    penalty: float

    def contributions(self, inputs: Floats) -> Floats:
        """(rows, inputs) share of each input in a change, in scales; 0 where an input is not known."""
        shares: Floats = np.nan_to_num(self.coefficients * (inputs - self.mean) / self.sd)
        return shares


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
    names = [(factor, name) for factor, inputs in by_factor.items() for name in inputs]
    inputs = np.stack([by_factor[factor][name] for factor, name in names], axis=2)
    change = observed_change(panel)
    first = max(panel.price.shape[1] - SHOWN_DAYS, 0)
    classes = volatility_classes(panel)
    shares = np.full((*change[:, first:].shape, len(names)), np.nan)
    fits: dict[str, ClassFit] = {}
    for volatility in sorted(set(classes.values())):
        rows = np.array([classes[commodity] == volatility for commodity in panel.commodities])
        fit = fit_class(inputs[rows], change[rows] / scale[rows], max(first - WEEK_DAYS, 0))
        if fit is not None:
            fits[volatility] = fit
            shares[rows] = fit.contributions(inputs[rows, first:]) * scale[rows, first:, None]
    if not fits:
        raise NothingToLearn(f"no class of commodities has {LEAST_CHANGES} weekly price changes")
    factor_of = np.array([factor for factor, _ in names])
    contributions = {factor: shares[:, :, factor_of == factor].sum(axis=2) for factor in FACTORS}
    contributions[UNEXPLAINED] = change[:, first:] - sum(contributions[factor] for factor in FACTORS)
    return Attributions(
        panel=panel,
        first=first,
        change=change[:, first:],
        scale=scale[:, first:],
        contributions=contributions,
        available={
            factor: np.isfinite(inputs[:, first:][:, :, factor_of == factor]).any(axis=2)
            for factor in FACTORS
        },
        classes=classes,
        fits=fits,
    )


def observed_change(panel: Panel) -> Floats:
    """(series, days) 7-day log change of the last reported price, on days with a report."""
    y = np.log(panel.filled)
    change = y - rolling.lagged(y, WEEK_DAYS)
    return np.where(np.isfinite(panel.price), change, np.nan)


def fit_class(inputs: Floats, change: Floats, days: int) -> ClassFit | None:
    """Ridge regression on the first `days` columns; None with too few changes.

    `inputs`: (series, days, inputs), an unknown one counts as its mean. `change`: (series, days) in scales.
    The penalty is the largest whose error on later days is within a standard error of the smallest: noise
    explains nothing.
    """
    known = np.isfinite(change[:, :days])
    if known.sum() < LEAST_CHANGES:
        return None
    row_day = np.nonzero(known)[1]
    x = inputs[:, :days][known]
    y = np.clip(change[:, :days][known], -LARGEST_CHANGE, LARGEST_CHANGE)
    scaler = StandardScaler().fit(np.where(np.isfinite(x).any(axis=0), x, 0.0))
    standard = np.nan_to_num(scaler.transform(x))
    penalty, r2 = choose_penalty(standard, y, row_day)
    ridge = Ridge(alpha=penalty).fit(standard, y)
    return ClassFit(ridge.coef_, scaler.mean_, scaler.scale_, r2, penalty)


def choose_penalty(x: Floats, y: Floats, day: npt.NDArray[np.int64]) -> tuple[float, float]:
    """(penalty, R² on later days), by fits on the earlier days and their errors on the next part.

    A week between both keeps overlapping changes apart.
    """
    bounds = np.quantile(day, np.linspace(0.5, 1, FOLDS + 1))
    errors = np.full((FOLDS, len(PENALTIES)), np.nan)
    spread = np.full(FOLDS, np.nan)
    for fold in range(FOLDS):
        past = day < bounds[fold] - WEEK_DAYS
        later = (day >= bounds[fold]) & (day <= bounds[fold + 1])
        if not past.any() or not later.any():
            continue
        spread[fold] = np.mean((y[later] - y[past].mean()) ** 2)
        for number, penalty in enumerate(PENALTIES):
            fitted = Ridge(alpha=penalty).fit(x[past], y[past])
            errors[fold, number] = np.mean((y[later] - fitted.predict(x[later])) ** 2)
    mean = np.nanmean(errors, axis=0)
    best = int(np.argmin(mean))
    # Folds are paired: the error that counts is that of the difference to the best penalty.
    deviation = np.nanstd(errors - errors[:, [best]], axis=0, ddof=1) / np.sqrt(FOLDS)
    chosen = int(np.max(np.flatnonzero(mean - mean[best] <= deviation)))
    return float(PENALTIES[chosen]), float(1 - mean[chosen] / np.nanmean(spread))
