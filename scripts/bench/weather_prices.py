"""False and true positives of the weather–price test, on independent and on linked series."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from rich.progress import track
from scipy.signal import lfilter

from ml.data.panel import ExogenousSeries, Floats, Panel
from ml.weather.job import NOTHING, correlate, correlation_rows

DAYS = 1919  # as long as the published set of Jawa Barat
TABLES = 120
COMMODITIES = ("bawang-merah", "bawang-putih", "cabai-rawit-merah")
PERSISTENCE = {"rainfall_mm": 0.6, "temperature_c": 0.9, "humidity_pct": 0.97}  # lag-1 correlation
PLANTED_R = 0.3
BURN_IN_DAYS = 500  # discarded before the first day
MEANS = (
    "Random walks of prices and persistent weather over the days of the published set, 9 pairs a table, "
    "computed as in gold.weather_prices. p_below_5: share of lags of independent pairs with p <= .05. "
    "false_pairs: share of independent pairs that are significant at any lag. power: share of tables in "
    "which the one linked pair is significant; its weekly changes correlate at .3, at a lag of 0 to 60 days"
)
GOALS = {"false_pairs_pct": 6.0, "power_pct": 80.0}


@dataclass(frozen=True)
class Link:
    """Weather that moves a price: commodity row, variable, lag in days, correlation of weekly changes."""

    row: int
    variable: str
    lag: int
    r: float


def panel_of_walks(
    daily: Floats, season: Floats | float, exogenous: Mapping[str, tuple[str, Floats]]
) -> Panel:
    """Prices that follow from daily steps and a season; name -> unit and values of the exogenous series."""
    days = daily.shape[1]
    day = np.arange("2019-12-30", np.datetime64("2019-12-30") + days, dtype="datetime64[D]")
    price = np.exp(10 + np.cumsum(daily, axis=1) + season)
    series = tuple(ExogenousSeries(name, unit, values) for name, (unit, values) in exogenous.items())
    return Panel(COMMODITIES, ("32",) * len(COMMODITIES), ("kg",) * len(COMMODITIES), day, price, series)


def synthetic_panel(days: int, seed: int, link: Link | None = None) -> Panel:
    """Random walks of prices and persistent weather with a season; independent except for `link`."""
    rng = np.random.default_rng(seed)
    daily = rng.standard_normal((len(COMMODITIES), days)) * 0.02
    season = np.sin(2 * np.pi * np.arange(days) / 365.2425)
    weather = {name: autoregressive_series(rng, phi, days) for name, phi in PERSISTENCE.items()}
    if link:
        driver = weather[link.variable]
        moved = np.concatenate(
            [autoregressive_series(rng, PERSISTENCE[link.variable], link.lag), driver[: days - link.lag]]
        )
        daily[link.row] = add_link(daily[link.row], moved, link.r)
    published = {
        name: np.concatenate([[np.nan], (values + 2 * season)[:-1]]) for name, values in weather.items()
    }
    tiled = {name: ("", np.tile(values, (len(COMMODITIES), 1))) for name, values in published.items()}
    return panel_of_walks(daily, 0.1 * season, tiled)


def autoregressive_series(rng: np.random.Generator, phi: float, days: int) -> Floats:
    """A series of shape (days,): AR(1) with the given persistence and unit variance."""
    steps = rng.standard_normal(BURN_IN_DAYS + days) * np.sqrt(1 - phi * phi)
    return np.asarray(lfilter([1.0], [1.0, -phi], steps)[BURN_IN_DAYS:])


def add_link(daily: Floats, driver: Floats, r: float) -> Floats:
    """Daily steps whose sums over a week correlate with the driver's mean over that week at about r."""
    week = np.ones(7)
    price_spread = np.std(np.convolve(daily, week, "valid"))
    driver_spread = np.std(np.convolve(driver, week, "valid"))
    return np.asarray(np.sqrt(1 - r * r) * daily + r * driver * price_spread / driver_spread)


def correlate_pairs(panel: Panel) -> tuple[list[dict[str, Any]], set[tuple[str, str]]]:
    """(all rows of the panel's table, the significant pairs)."""
    rows = correlation_rows(correlate(panel))
    return rows, {(row["commodity"], row["variable"]) for row in rows if row["text"] != NOTHING}


def detection_shares(
    panel_of: Callable[[int, Link | None], Panel], variables: Sequence[str], longest_lag: int, tables: int
) -> dict[str, float]:
    """Percentages over `tables` panels without a link, and as many with one between a price and a variable.

    `panel_of`: the panel of a seed with or without a link.
    """
    low_p_shares = []
    false_pairs = 0
    detected = 0
    for seed in track(range(tables), "independent and planted pairs", transient=True):
        rows, significant = correlate_pairs(panel_of(seed, None))
        low_p_shares.append(np.mean([row["p_value"] <= 0.05 for row in rows]))
        false_pairs += len(significant)
        rng = np.random.default_rng(10_000 + seed)
        link = Link(
            int(rng.integers(3)), str(rng.choice(variables)), int(rng.integers(longest_lag + 1)), PLANTED_R
        )
        _, significant = correlate_pairs(panel_of(20_000 + seed, link))
        detected += (COMMODITIES[link.row], link.variable) in significant
    shares = {
        "p_below_5_pct": float(np.mean(low_p_shares)),
        "false_pairs_pct": false_pairs / (len(COMMODITIES) * len(variables) * tables),
        "power_pct": detected / tables,
    }
    return {name: round(100 * share, 1) for name, share in shares.items()}


def measure(tables: int = TABLES, days: int = DAYS) -> dict[str, object]:
    """Percentages over `tables` tables, each with its own seed."""
    shares = detection_shares(partial(synthetic_panel, days), list(PERSISTENCE), 60, tables)
    return {**shares, "tables": tables, "days": days, "goals": GOALS}
