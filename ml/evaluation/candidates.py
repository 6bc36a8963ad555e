"""The candidates of a round, and their checks on a part of the panel before accuracy counts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ml.data.panel import Panel
from ml.evaluation.backtest import Plan, plan, run
from ml.evaluation.block_cache import Factory
from ml.evaluation.leakage_checks import ModelChecks, check_model
from ml.evaluation.predictions import NAIVE
from ml.evaluation.significance import SkillTest, skill_test
from ml.models.forecaster import scale
from ml.models.registry import MODELS

SAMPLE_COMMODITIES = 3  # of the part on which models are checked
SAMPLE_REGIONS = 6
RANDOM_WALK_ORIGINS = 24  # six fits
NATIONAL_SHARE = 0.3
HALF_NORMAL = float(np.sqrt(np.pi / 2))  # standard deviation / mean absolute value of a normal variable


def factories(names: Sequence[str], seed: int, quick: bool) -> dict[str, Factory]:
    """Model -> factory, without naive. Raises ValueError for a name that is not registered."""
    unknown = [name for name in names if name not in MODELS]
    if unknown:
        raise ValueError(f"no model {', '.join(unknown)}; there are {', '.join(MODELS)}")
    return {name: partial(MODELS[name].make, seed, quick) for name in dict.fromkeys(names) if name != NAIVE}


def sample_panel(panel: Panel) -> Panel:
    """A few commodities in a few regions, those with the most prices: leaks show there as anywhere."""
    prices = np.isfinite(panel.price).sum(axis=1)
    most = sorted(
        panel.distinct_commodities,
        key=lambda commodity: (-prices[panel.rows_of(commodity)].sum(), commodity),
    )
    rows = [
        row
        for commodity in most[:SAMPLE_COMMODITIES]
        for row in sorted(panel.rows_of(commodity), key=lambda row: (-prices[row], row))[:SAMPLE_REGIONS]
    ]
    return panel.select(np.sort(rows))


def check_candidates(
    panel: Panel, candidates: Mapping[str, Factory], horizons: tuple[int, ...]
) -> dict[str, ModelChecks]:
    """Model -> its checks on the sample; seconds are extrapolated to the whole panel."""
    sample = sample_panel(panel)
    origin = sample.price.shape[1] - 1 - max(horizons)
    times = len(panel.series) / len(sample.series)
    checks = {name: check_model(sample, factory, origin, horizons) for name, factory in candidates.items()}
    return {name: replace(check, seconds=check.seconds * times) for name, check in checks.items()}


def random_walk_tests(
    panel: Panel, candidates: Mapping[str, Factory], horizons: tuple[int, ...], state: Path, seed: int
) -> dict[str, SkillTest]:
    """Model -> its skill on random walks in the shape of the sample, which should be none.

    Models without learning are left out: they find nothing. So are those on demand: they are tested once a
    release.
    """
    sample = sample_panel(panel)
    walk_plan = plan(sample, RANDOM_WALK_ORIGINS, 0, horizons=horizons)
    return {
        name: random_walk_test(sample, factory, walk_plan, state, seed)
        for name, factory in candidates.items()
        if MODELS[name].learns and not MODELS[name].on_demand
    }


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
