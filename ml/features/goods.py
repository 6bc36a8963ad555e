"""Features of the other goods: the sibling that moves most alike, the basket of a province, the ceiling in law."""

from collections.abc import Callable

import numpy as np

from lakehouse.reference import ceilings_of, commodities, provinces
from ml.features import rolling
from ml.features.base import Base
from ml.features.feature import CHOSEN, CUT, ENACTED, Told, named
from ml.panel import Floats

LONG_AGO = 365.0


def basket(base: Base, days: int) -> Floats:
    """Mean move, in each one's own v, of the other goods in the same province."""
    usual = np.clip(base.r(days) / base.v, -30, 30)
    found = np.full(usual.shape, np.nan)
    regions = np.array(base.panel.regions)
    for region in sorted(set(base.panel.regions)):
        rows = np.flatnonzero(regions == region)
        there = np.isfinite(usual[rows])
        some = np.where(there, usual[rows], 0.0)
        count = there.sum(axis=0) - there
        with np.errstate(invalid="ignore", divide="ignore"):
            found[rows] = np.where(count > 0, (some.sum(axis=0) - some) / count, np.nan)
    return found


def group_move(base: Base) -> Floats:
    """Mean r7 of the same group of goods (reference list) in the same province, own good included; own r7 for unknown goods."""
    listed = commodities()
    key = [
        (listed[good].group if good in listed else good, region)
        for good, region in zip(base.panel.commodities, base.panel.regions, strict=True)
    ]
    found = np.full(base.y.shape, np.nan)
    for one in sorted(set(key)):
        rows = [row for row, other in enumerate(key) if other == one]
        there = np.isfinite(base.r(7)[rows])
        some = np.where(there, base.r(7)[rows], 0.0).sum(axis=0)
        found[rows] = np.where(there.any(axis=0), some / np.maximum(there.sum(axis=0), 1), np.nan)
    return found


def ratio(base: Base) -> Floats:
    """Log ratio to the sibling good in the same province."""
    return base.keep("ratio", lambda: base.y - base.over("siblings", base.y))


def ratio_z(base: Base) -> Floats:
    wide = rolling.deviation(ratio(base), 90)
    return (ratio(base) - rolling.mean(ratio(base), 90)) / (wide + base.v / 10)


def ceiling(base: Base, figure: Callable[[float, Floats, Floats], Floats]) -> Floats:
    """`figure(bound, days since the last change, y of the day)` where a consumer ceiling holds, NaN elsewhere."""
    found = np.full(base.y.shape, np.nan)
    listed, days = provinces(), base.panel.days
    for row, (good, region) in enumerate(zip(base.panel.commodities, base.panel.regions, strict=True)):
        if region not in listed:
            continue
        for one in ceilings_of(good, listed[region].rice_zone, "consumer"):  # oldest first: a later one writes over it
            last = np.datetime64("9999-12-31") if one.valid_to is None else np.datetime64(one.valid_to)
            holds = (days >= np.datetime64(one.valid_from)) & (days <= last)
            if one.bound_idr:
                since = (days[holds] - np.datetime64(one.valid_from)).astype(float)
                found[row, holds] = figure(one.bound_idr, since, base.y[row, holds])
    return found


CROSS: Told = {
    "basket1": ("mean r1/v of the other goods in the province", lambda b: basket(b, 1)),
    "basket7": ("mean r7/v of the other goods in the province", lambda b: basket(b, 7)),
    "group7": ("mean r7 of the goods of the same group in the province / v", lambda b: group_move(b) / b.v),
}
SIBLING: Told = {
    "sibling7": ("r7 of the good most alike, same province / v", lambda b: b.over("siblings", b.r(7)) / b.v),
    "sibling_n7": ("n7 of the good most alike / v", lambda b: b.over("siblings", b.n(7)) / b.v),
    "sibling_ratio": ("log ratio to the good most alike − its mean of 90 days", lambda b: ratio(b) - rolling.mean(ratio(b), 90)),
    "sibling_z90": ("the same in standard deviations of 90 days", ratio_z),
}


def ceiling_gap(base: Base) -> Floats:
    return ceiling(base, lambda idr, since, y: y - np.log(idr))


def ceiling_age(base: Base) -> Floats:
    return ceiling(base, lambda idr, since, y: np.minimum(since, LONG_AGO))


LAW: Told = {
    "ceiling_gap": ("y − log of the consumer ceiling (HET, HAP) of the day", ceiling_gap),
    "ceiling_age": ("days since that ceiling came into force, at most 365", ceiling_age),
}

FEATURES = named("goods", CUT, CROSS) + named("goods", CHOSEN, SIBLING) + named("law", ENACTED, LAW)
