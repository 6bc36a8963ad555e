"""Price panels whose weekly changes are a known sum of known drivers."""

from dataclasses import dataclass, replace

import numpy as np

from lakehouse.impact import FACTORS, WEEK_DAYS
from ml.data.panel import ExogenousSeries, Floats, Panel
from ml.impact.factors import ARRIVALS, DELAY, PEST, factor_inputs
from tests.support.panels import make_panel

COMMODITIES = ("bawang-merah", "cabai-merah-besar", "cabai-merah-keriting", "cabai-rawit-merah")
REGIONS = ("11", "12", "31", "32", "33", "35", "51", "73")
SIZE = 0.06  # log ratio: the usual weekly share of a driver with weight 1


@dataclass(frozen=True)
class DrivenPanel:
    """`parts`: factor -> (series, days) its true share of the weekly change, in log points."""

    panel: Panel
    parts: dict[str, Floats]


def drifting(rng: np.random.Generator, shape: tuple[int, int], keep: float = 0.95) -> Floats:
    """(series, days) autocorrelated values around 0 with standard deviation 1."""
    values = np.zeros(shape)
    steps = rng.standard_normal(shape) * np.sqrt(1 - keep**2)
    for day in range(1, shape[1]):
        values[:, day] = keep * values[:, day - 1] + steps[:, day]
    return values


def driven(seed: int, weights: dict[str, float], noise: float, days: int = 1000) -> DrivenPanel:
    """A panel whose change over any 7 days is the sum of its parts and of noise (sd `noise` × SIZE).

    `weights`: factor -> size of its part. Drivers are there also for factors without a weight.
    """
    rng = np.random.default_rng(seed)
    shape = (len(COMMODITIES) * len(REGIONS), days)
    exogenous = (
        ExogenousSeries("rainfall_mm", "mm a day", np.maximum(8 + 6 * drifting(rng, shape), 0)),
        ExogenousSeries(PEST, "posts a day", np.maximum(2 + drifting(rng, shape), 0)),
        ExogenousSeries(DELAY, "hours", 1.3 + 0.2 * drifting(rng, shape, 0.9)),
        ExogenousSeries(ARRIVALS, "kg a day", np.exp(8 + 0.5 * drifting(rng, shape, 0.9))),
    )
    flat = replace(make_panel(np.full(shape, 40_000.0), COMMODITIES, REGIONS), exogenous=exogenous)
    inputs = factor_inputs(flat, np.ones(shape))
    shared = np.repeat(drifting(rng, (len(COMMODITIES), days), 0.8), len(REGIONS), axis=0)
    drivers = {
        "cuaca": inputs["cuaca"]["rain7"],
        "hama": inputs["hama"]["pest28"],
        "distribusi": inputs["distribusi"]["delay7"],
        "oversupply": -inputs["oversupply"]["arrivals7"],
        "musim": inputs["musim"]["year_sin"],
        "permintaan_nasional": shared,
    }
    parts = {factor: SIZE * weights.get(factor, 0.0) * standard(drivers[factor]) for factor in FACTORS}
    own = rng.standard_normal(shape) * SIZE * noise
    y = np.log(40_000.0) + rng.standard_normal(shape) * 0.001
    for day in range(WEEK_DAYS, days):
        y[:, day] = y[:, day - WEEK_DAYS] + sum(parts[factor][:, day] for factor in FACTORS) + own[:, day]
    return DrivenPanel(replace(flat, price=np.exp(y)), parts)


def standard(values: Floats) -> Floats:
    """The values with mean 0 and standard deviation 1; 0 where unknown."""
    return np.nan_to_num((values - np.nanmean(values)) / np.nanstd(values))
