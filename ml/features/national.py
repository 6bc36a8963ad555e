"""Features of where a series stands among the other provinces of its good, and of where they go."""

import numpy as np
import pandas as pd

from ml.features import rolling
from ml.features.base import Base
from ml.features.feature import CHOSEN, CUT, Told, named
from ml.panel import Floats

NATIONAL = (1, 3, 7, 14, 28, 90)


def pull(base: Base) -> Floats:
    """Part of the unusual gap that is still there a week later: regression of g − usual on itself 7 days before, 180 days."""
    away = base.g - base.g_usual
    past = rolling.lagged(away, 7)
    return rolling.mean(away * past, 180, 60) / (rolling.mean(past**2, 180, 60) + 1e-12)


def rank(base: Base) -> Floats:
    """Rank of the price among the provinces of its good, 0 lowest to 1 highest."""

    def within(part: Floats) -> Floats:
        ranked = pd.DataFrame(part).rank(method="average").to_numpy()
        return (ranked - 1) / np.maximum(np.isfinite(part).sum(axis=0) - 1, 1)

    return base.by_good(base.y, within)


def breadth(base: Base, sign: int) -> Floats:
    """Share of the good's provinces whose price moved by more than 1 % in 7 days, upwards (1) or downwards (-1)."""
    week = base.r(7)
    beyond = np.where(np.isfinite(week), (sign * week > 0.01).astype(float), np.nan)
    return base.by_good(beyond, lambda part: np.nanmean(part, axis=0))


def spread(base: Base) -> Floats:
    """Standard deviation of y over the provinces, relative to its own mean of 90 days."""
    wide = base.keep("spread", lambda: base.by_good(base.y, lambda part: np.nanstd(part, axis=0)))
    return wide / (rolling.mean(wide, 90) + 1e-6)


def same_share(base: Base) -> Floats:
    """Share of the variance of own weekly moves over 180 days that goes with the national ones (squared correlation, signed)."""
    own, all_others = base.r(7), base.n(7)
    joint = rolling.mean(own * all_others, 180, 60)
    return joint / np.sqrt(rolling.mean(own**2, 180, 60) * rolling.mean(all_others**2, 180, 60) + 1e-16)


def last_year(base: Base, days: int) -> Floats:
    """What the good's national level did in the `days` days that followed the same weekday 52 weeks before."""
    nation = base.by_good(np.clip(base.r(days), -0.5, 0.5), lambda part: np.nanmean(part, axis=0))
    return rolling.lagged(nation, 364 - days)


PLACE: Told = {
    **{f"n{k}": (f"mean {k}-day log change of the other provinces / v", lambda b, k=k: b.n(k) / b.v) for k in NATIONAL},
    "n7_lag7": ("n7 as it was 7 days before / v", lambda b: rolling.lagged(b.n(7), 7) / b.v),
    "own1": ("(r1 − n1) / v: the move of a day that others did not make", lambda b: (b.r(1) - b.n(1)) / b.v),
    "own3": ("(r3 − n3) / v", lambda b: (b.r(3) - b.n(3)) / b.v),
    "own7": ("(r7 − n7) / v", lambda b: (b.r(7) - b.n(7)) / b.v),
    "own28": ("(r28 − n28) / v", lambda b: (b.r(28) - b.n(28)) / b.v),
    "gap": ("g: log price − national median of log prices", lambda b: b.g),
    "gap_unusual": ("(g − median of g over 90 days) / v", lambda b: (b.g - b.g_usual) / b.v),
    "gap_gap7": ("(g − mean of g over 7 days) / v", lambda b: (b.g - rolling.mean(b.g, 7)) / b.v),
    "gap_gap28": ("(g − mean of g over 28 days) / v", lambda b: (b.g - rolling.mean(b.g, 28)) / b.v),
    "gap_rank": ("rank among the provinces, 0 lowest to 1 highest", rank),
    "gap_pull": ("part of an unusual gap still there after 7 days, over 180 days", pull),
    "level_gap14": ("(national level − its mean of 14 days) / v", lambda b: (b.level - rolling.mean(b.level, 14)) / b.v),
    "level_gap90": ("(national level − its mean of 90 days) / v", lambda b: (b.level - rolling.mean(b.level, 90)) / b.v),
    "breadth_up7": ("share of provinces with r7 > 1 %", lambda b: breadth(b, 1)),
    "breadth_down7": ("share of provinces with r7 < −1 %", lambda b: breadth(b, -1)),
    "spread": ("sd of y over provinces / its mean of 90 days", spread),
    "same_share": ("correlation of own and national weekly moves over 180 days", same_share),
    **{
        f"last_year{k}": (f"national change in the {k} days after the same weekday 52 weeks before / v",
                          lambda b, k=k: last_year(b, k) / b.v)
        for k in (7, 28)
    },
}  # fmt: skip

LED: Told = {
    **{
        f"{short}{k}": (f"mean {k}-day log change of the {says} / v", lambda b, k=k, name=name: b.over(name, b.r(k)) / b.v)
        for short, name, says in (
            ("lead", "leaders", "5 provinces whose weekly moves foretold best"),
            ("near", "neighbours", "other provinces of the island, or those most alike"),
            ("cheap", "cheapest", "5 cheapest provinces, where it is mostly grown"),
        )
        for k in (1, 3, 7)
    },
    "near_gap": ("(gap to the neighbours − its median of 90 days) / v",
                 lambda b: _unusual(b, b.y - b.over("neighbours", b.y)) / b.v),
    "lead_gap": ("(gap to the leaders − its median of 90 days) / v", lambda b: _unusual(b, b.y - b.over("leaders", b.y)) / b.v),
}  # fmt: skip


def _unusual(base: Base, gap: Floats) -> Floats:
    return gap - rolling.median(gap, 90)


FEATURES = named("provinces", CUT, PLACE) + named("lead-lag", CHOSEN, LED)
