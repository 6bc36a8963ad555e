"""A panel with nothing to learn in the shape of a real one: what beats naive on it is a fault of the method, not a model."""

from dataclasses import replace

import numpy as np

from ml.backtest import Factory, Plan, run
from ml.forecaster import scale
from ml.panel import Panel
from ml.significance import Verdict, verdict

HALF_NORMAL = float(np.sqrt(np.pi / 2))  # standard deviation / mean absolute value of a normal variable


def driftless(panel: Panel, seed: int, national: float = 0.3) -> Panel:
    """Random walks with the panel's names, days, gaps, levels and usual moves; `national` = share of variance in common.

    Where a price is missing, so is the walk's; a price never seen starts nowhere. Outside values stay: they explain nothing here.
    """
    random = np.random.default_rng(seed)
    own = random.standard_normal(panel.price.shape)
    shared = {good: random.standard_normal(panel.price.shape[1]) for good in panel.goods}
    common = np.array([shared[good] for good in panel.commodities])
    typical = scale(panel, window=panel.price.shape[1])[:, None] * HALF_NORMAL
    change = typical * (np.sqrt(1 - national) * own + np.sqrt(national) * common)
    seen = np.isfinite(panel.price)
    first = np.where(seen.any(axis=1), panel.price[np.arange(len(seen)), seen.argmax(axis=1)], np.nan)
    walk = first[:, None] * np.exp(change.cumsum(axis=1))
    return replace(panel, price=np.where(seen, walk, np.nan), source={**panel.source, "driftless": seed})


def null_check(panel: Panel, factory: Factory, plan: Plan, state: object, seed: int = 0, **how: object) -> Verdict:
    """The whole backtest of one model on driftless walks: |t| below 2 and skill near 0, or the method sees what is not there."""
    cells = run(driftless(panel, seed), {"model": factory}, plan, state, **how)  # type: ignore[arg-type]
    return verdict(cells, "model")
