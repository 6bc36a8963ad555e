"""A panel of random walks in the shape of a real one: skill on it is a fault of the method."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ml.data.panel import Panel
from ml.evaluation.backtest import Plan, run
from ml.evaluation.block_cache import Factory
from ml.evaluation.significance import SkillTest, skill_test
from ml.models.forecaster import scale

NATIONAL_SHARE = 0.3
HALF_NORMAL = float(np.sqrt(np.pi / 2))  # standard deviation / mean absolute value of a normal variable


def random_walk_panel(panel: Panel, seed: int) -> Panel:
    """Driftless random walks with the panel's names, days, gaps, levels and usual moves.

    NATIONAL_SHARE of the variance is common to all provinces of a commodity. Where a price is missing, so is
    the walk's. Exogenous series stay: they explain nothing here.
    """
    random = np.random.default_rng(seed)
    own = random.standard_normal(panel.price.shape)
    shared = {
        commodity: random.standard_normal(panel.price.shape[1]) for commodity in panel.distinct_commodities
    }
    common = np.array([shared[commodity] for commodity in panel.commodities])
    typical = scale(panel, window=panel.price.shape[1])[:, None] * HALF_NORMAL
    change = typical * (np.sqrt(1 - NATIONAL_SHARE) * own + np.sqrt(NATIONAL_SHARE) * common)
    seen = np.isfinite(panel.price)
    first = np.where(seen.any(axis=1), panel.price[np.arange(len(seen)), seen.argmax(axis=1)], np.nan)
    walk = first[:, None] * np.exp(change.cumsum(axis=1))
    return replace(panel, price=np.where(seen, walk, np.nan), source={**panel.source, "driftless": seed})


def random_walk_test(panel: Panel, factory: Factory, plan: Plan, state: Path, seed: int = 0) -> SkillTest:
    """Skill of one model in a whole backtest on random walks.

    For a sound method |t| is below 2 and skill near 0.
    """
    predictions = run(random_walk_panel(panel, seed), {"model": factory}, plan, state)
    return skill_test(predictions, "model")
