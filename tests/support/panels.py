"""Price panels drawn from a seed: walks without signal, panels with a signal, and degenerate series."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ml.data.panel import Floats, Panel

COMMODITIES = ("kentang", "teh", "kol")
REGIONS = ("11", "32", "51", "94")
TYPICAL_IDR = (18_000.0, 9_500.0, 42_000.0)


def make_panel(
    price: Floats,
    commodities: Sequence[str] = COMMODITIES,
    regions: Sequence[str] = REGIONS,
    first: str = "2022-01-03",
    seed: int = 0,
) -> Panel:
    """A panel of commodities × regions (rows in that order) around `price`, (series, days) rupiah."""
    start = np.datetime64(first, "D")
    return Panel(
        commodities=tuple(commodity for commodity in commodities for _ in regions),
        regions=tuple(region for _ in commodities for region in regions),
        units=("kg",) * (len(commodities) * len(regions)),
        days=np.arange(start, start + price.shape[1]),
        price=price,
        source={"made": seed},
    )


def walks(
    seed: int,
    days: int = 500,
    commodities: Sequence[str] = COMMODITIES,
    regions: Sequence[str] = REGIONS,
    volatility: float = 0.03,
    national: float = 0.0,
    first: str = "2022-01-03",
) -> Panel:
    """Driftless random walks of log prices: no model can beat naive.

    `national`: share of variance common to all regions.
    """
    random = np.random.default_rng(seed)
    own = random.standard_normal((len(commodities), len(regions), days))
    shared = random.standard_normal((len(commodities), 1, days))
    typical = np.resize(TYPICAL_IDR, len(commodities))[:, None, None]
    change = volatility * (np.sqrt(1 - national) * own + np.sqrt(national) * shared)
    return make_panel(
        (typical * np.exp(change.cumsum(axis=2))).reshape(-1, days), commodities, regions, first, seed
    )


def noisy(
    seed: int, days: int = 500, noise: float = 0.04, volatility: float = 0.01, **shape: object
) -> Panel:
    """Walks under a surveyor's daily error: smoothing beats naive at every horizon."""
    walk = walks(seed, days, volatility=volatility, **shape)  # type: ignore[arg-type]
    error = noise * np.random.default_rng(seed + 1_000_003).standard_normal(walk.price.shape)
    return replace(walk, price=walk.price * np.exp(error))


def led(
    seed: int, days: int = 500, lag: int = 3, volatility: float = 0.03, own: float = 0.005, **shape: object
) -> Panel:
    """The first region of each commodity walks; the others follow `lag` days later with a little noise."""
    leader = walks(seed, days + lag, volatility=volatility, **shape)  # type: ignore[arg-type]
    random = np.random.default_rng(seed + 2_000_003)
    price = np.empty((leader.price.shape[0], days))
    for rows in map(leader.rows_of, leader.distinct_commodities):
        first, followers = np.log(leader.price[rows[0]]), rows[1:]
        price[rows[0]] = np.exp(first[lag:])
        price[followers] = np.exp(first[:days] + own * random.standard_normal((len(followers), days)))
    return replace(leader, days=leader.days[:days], price=price)


def gappy(panel: Panel, seed: int, share: float = 0.1, frozen_weekends: bool = False) -> Panel:
    """The panel with cells missing at random and one long gap; optionally weekends repeat Friday."""
    random = np.random.default_rng(seed)
    price = panel.price.copy()
    if frozen_weekends:
        for day in np.flatnonzero(weekdays(panel.days)[1:] >= 5) + 1:
            price[:, day] = price[:, day - 1]
    price[random.random(price.shape) < share] = np.nan
    middle = price.shape[1] // 2
    price[0, middle : middle + 20] = np.nan
    return replace(panel, price=price)


def degenerate(days: int = 120) -> Panel:
    """One series of each degenerate kind; the commodity is named after it."""
    nothing = np.full(days, np.nan)
    single = nothing.copy()
    single[days // 2] = 5_000.0
    last_only = nothing.copy()
    last_only[-1] = 5_000.0
    late = nothing.copy()
    late[-5:] = [9_000.0, 9_100.0, 9_050.0, 9_000.0, 9_200.0]
    constant = np.full(days, 12_000.0)
    jumps = np.where(np.arange(days) % 2 == 0, 1.0, 1e7)
    ended = np.r_[np.full(days // 2, 8_000.0), np.full(days - days // 2, np.nan)]
    named = {
        "empty": nothing,
        "one": single,
        "last": last_only,
        "late": late,
        "constant": constant,
        "jumps": jumps,
        "ended": ended,
        "tiny": constant * 1e-6,
    }
    return make_panel(np.array(list(named.values())), tuple(named), ("31",))


def weekdays(days: np.ndarray) -> np.ndarray:
    """0 = Monday … 6 = Sunday."""
    return (days.astype("datetime64[D]").astype(np.int64) + 3) % 7
