"""Features of other commodities.

The one that moves most alike, all others in the province, and the legal price ceiling.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from lakehouse.reference import ceilings_of, commodities, provinces
from ml.data.panel import Floats, Panel
from ml.features import rolling
from ml.features.inputs import (
    CHOSEN,
    CUT,
    ENACTED,
    Definitions,
    FeatureInputs,
    define_features,
    mean_without_own,
    pooled,
)
from ml.features.related_series import Rows, mean_of_rows

LONG_AGO = 365.0
LARGEST_MOVE = 30  # in v


def basket(inputs: FeatureInputs, days: int) -> Floats:
    """Mean r(days) / v of the other commodities in the same province."""
    scaled = np.clip(inputs.r(days) / inputs.v, -LARGEST_MOVE, LARGEST_MOVE)
    regions = np.array(inputs.panel.regions)
    return pooled(scaled, (np.flatnonzero(regions == code) for code in np.unique(regions)), mean_without_own)


def groups_of(panel: Panel) -> list[Rows]:
    """Row numbers of the series of each group in each province.

    Groups are those of the reference list; a commodity that is not in it is a group of its own.
    """
    reference = commodities()
    rows_of: dict[tuple[str, str], list[int]] = {}
    for row, (commodity, region) in enumerate(panel.series):
        group = reference[commodity].group if commodity in reference else commodity
        rows_of.setdefault((group, region), []).append(row)
    return [np.array(rows) for rows in rows_of.values()]


def family_mean(inputs: FeatureInputs, values: Floats) -> Floats:
    """Mean of `values` over the other commodities of the group in the province, such as its other grades."""
    return pooled(values, groups_of(inputs.panel), mean_without_own)


def family_move(inputs: FeatureInputs, days: int) -> Floats:
    """Mean r(days) of the other commodities of the group / v."""
    return family_mean(inputs, inputs.r(days)) / inputs.v


def family_gap(inputs: FeatureInputs) -> Floats:
    """(y − mean y of the other commodities of the group − the median of that over 90 days) / v."""
    gap = inputs.y - family_mean(inputs, inputs.y)
    return (gap - rolling.median(gap, 90)) / inputs.v


def group_move(inputs: FeatureInputs) -> Floats:
    """Mean r7 of the commodities of the same group in the same province, the series itself included."""
    return pooled(inputs.r(7), groups_of(inputs.panel), mean_of_rows)


def ratio(inputs: FeatureInputs) -> Floats:
    """Log ratio to the most similar commodity in the same province."""
    return inputs.cached("ratio", lambda: inputs.y - inputs.mean_over(inputs.related.siblings, inputs.y))


def ratio_z(inputs: FeatureInputs) -> Floats:
    """The ratio minus its mean of 90 days, over its standard deviation of 90 days + v/10."""
    deviation = rolling.deviation(ratio(inputs), 90)
    return (ratio(inputs) - rolling.mean(ratio(inputs), 90)) / (deviation + inputs.v / 10)


def ceiling(inputs: FeatureInputs, formula: Callable[[float, Floats, Floats], Floats]) -> Floats:
    """`formula(ceiling in rupiah, its age in days, y)` where a consumer ceiling is in force, else NaN."""
    values = np.full(inputs.y.shape, np.nan)
    known_provinces = provinces()
    days = inputs.panel.days
    for row, (commodity, region) in enumerate(inputs.panel.series):
        if region not in known_provinces:
            continue
        # oldest first: a later ceiling overwrites an earlier one
        for entry in ceilings_of(commodity, known_provinces[region].rice_zone, "consumer"):
            first = np.datetime64(entry.valid_from)
            last = np.datetime64("9999-12-31") if entry.valid_to is None else np.datetime64(entry.valid_to)
            in_force = (days >= first) & (days <= last)
            if entry.bound_idr:
                age = (days[in_force] - first).astype(float)
                values[row, in_force] = formula(entry.bound_idr, age, inputs.y[row, in_force])
    return values


def ceiling_gap(inputs: FeatureInputs) -> Floats:
    """y minus the logarithm of the ceiling."""
    return ceiling(inputs, lambda idr, age, y: y - np.log(idr))


def ceiling_age(inputs: FeatureInputs) -> Floats:
    """Days since the ceiling came into force, at most LONG_AGO."""
    return ceiling(inputs, lambda idr, age, y: np.minimum(age, LONG_AGO))


PROVINCE: Definitions = {
    "basket1": ("mean r1/v of the other commodities in the province", lambda b: basket(b, 1)),
    "basket7": ("mean r7/v of the other commodities in the province", lambda b: basket(b, 7)),
    "group7": (
        "mean r7 of the commodities of the same group in the province / v",
        lambda b: group_move(b) / b.v,
    ),
    **{
        f"family{days}": (
            f"mean {days}-day log change of the other commodities of the group in the province / v",
            partial(family_move, days=days),
        )
        for days in (1, 3, 7)
    },
    "family_gap": ("(gap to the other commodities of the group − its median of 90 days) / v", family_gap),
}
SIBLING: Definitions = {
    "sibling7": (
        "r7 of the most similar commodity, same province / v",
        lambda b: b.mean_over(b.related.siblings, b.r(7)) / b.v,
    ),
    "sibling_n7": (
        "n7 of the most similar commodity / v",
        lambda b: b.mean_over(b.related.siblings, b.n(7)) / b.v,
    ),
    "sibling_ratio": (
        "log ratio to the most similar commodity − its mean of 90 days",
        lambda b: ratio(b) - rolling.mean(ratio(b), 90),
    ),
    "sibling_z90": ("the same in standard deviations of 90 days", ratio_z),
}
CEILING: Definitions = {
    "ceiling_gap": ("y − log of the consumer ceiling (HET, HAP) of the day", ceiling_gap),
    "ceiling_age": ("days since that ceiling came into force, at most 365", ceiling_age),
}

FEATURES = (
    define_features("commodities", CUT, PROVINCE)
    + define_features("commodities", CHOSEN, SIBLING)
    + define_features("law", ENACTED, CEILING)
)
