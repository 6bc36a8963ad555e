"""Who is tried in a round, and what is checked of each on a part of the panel before its accuracy counts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ml.backtest import Factory, plan
from ml.checks import Checks, checked
from ml.eras import only
from ml.models import MODELS, SLOW
from ml.null_check import null_check
from ml.panel import Panel
from ml.significance import Verdict

SAMPLE_GOODS, SAMPLE_REGIONS = 3, 6  # of the part on which models are checked
NULL_ORIGINS = 24  # six fits
PER_SERIES = frozenset({"ses", "ets", "theta", "arima"})  # fitted a series at a time
NOT_ASKED = frozenset(
    {"drift", "seasonal_naive", *SLOW}
)  # models without learning find nothing; slow ones are checked once a release


def factories(names: Sequence[str], seed: int, quick: bool) -> dict[str, Factory]:
    """Model -> how it is made. Raises ValueError for a name that no list knows."""
    unknown = [name for name in names if name not in MODELS]
    if unknown:
        raise ValueError(f"no model {', '.join(unknown)}; there are {', '.join(MODELS)}")
    return {name: partial(MODELS[name], seed, quick) for name in dict.fromkeys(names) if name != "naive"}


def part(panel: Panel) -> Panel:
    """A few commodities in a few regions, those with the most prices: what holds of a model there holds of it anywhere."""
    seen = np.isfinite(panel.price).sum(axis=1)
    most = sorted(panel.goods, key=lambda good: (-seen[panel.of(good)].sum(), good))[:SAMPLE_GOODS]
    rows = [row for good in most for row in sorted(panel.of(good), key=lambda row: (-seen[row], row))[:SAMPLE_REGIONS]]
    return only(panel, np.sort(rows))


def checks(panel: Panel, tried: Mapping[str, Factory], horizons: tuple[int, ...]) -> dict[str, Checks]:
    """Truncation, rerun, input: by running each model on the part."""
    sample = part(panel)
    origin = sample.price.shape[1] - 1 - max(horizons)
    times = len(panel.series) / len(sample.series)
    found = {name: checked(sample, factory, origin, horizons) for name, factory in tried.items()}
    return {name: replace(one, seconds=one.seconds * times) for name, one in found.items()}


def nulls(panel: Panel, tried: Mapping[str, Factory], horizons: tuple[int, ...], state: Path, seed: int) -> dict[str, Verdict]:
    """What each model that learns finds on random walks in the shape of the part; it should be nothing."""
    sample = part(panel)
    where = plan(sample, NULL_ORIGINS, 0, horizons=horizons)
    asked = {name: factory for name, factory in tried.items() if name not in NOT_ASKED}
    return {name: null_check(sample, factory, where, state, seed) for name, factory in asked.items()}
