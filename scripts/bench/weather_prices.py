"""How often the weather–price test cries wolf on independent series, and how often it finds a link that was put in."""

from dataclasses import dataclass

import numpy as np
from rich.progress import track
from scipy.signal import lfilter

from ml.panel import Floats, Outside, Panel
from ml.weather_prices import NOTHING, judged, pairs

DAYS = 1919  # as long as the published set of Jawa Barat
TABLES = 120
COMMODITIES = ("bawang-merah", "bawang-putih", "cabai-rawit-merah")
PERSISTENCE = {"rainfall_mm": 0.6, "temperature_c": 0.9, "humidity_pct": 0.97}  # of one day into the next
PLANTED_R = 0.3
FORGETTING_DAYS = 500  # run in before the first day
MEANS = (
    "Random walks of prices and persistent weather over the days of the published set, 9 pairs a table; everything as in "
    "gold.weather_prices. p_below_5: share of lags of independent pairs with p <= .05. false_pairs, false_tables: shares of "
    "independent pairs, and of tables of 9 of them, that are called significant at any lag. power: share of tables that call "
    "the one pair whose weekly changes correlate at .3, at a lag of 0 to 60 days; power_near: and place it within a week"
)
GOALS = {"false_pairs_pct": 6.0, "power_pct": 80.0}


@dataclass(frozen=True)
class Link:
    """Weather that moves a price: commodity row, variable, lag in days and correlation of the weekly change."""

    row: int
    variable: str
    lag: int
    r: float


def made(seed: int, days: int, link: Link | None = None) -> Panel:
    """Random walks of prices and persistent weather with a season, independent of each other but for `link`."""
    rng = np.random.default_rng(seed)
    day = np.arange("2019-12-30", np.datetime64("2019-12-30") + days, dtype="datetime64[D]")
    daily = rng.standard_normal((len(COMMODITIES), days)) * 0.02
    season = np.sin(2 * np.pi * np.arange(days) / 365.2425)
    weather = {name: run_in(rng, phi, days) for name, phi in PERSISTENCE.items()}
    if link:
        driver = weather[link.variable]
        moved = np.concatenate([run_in(rng, PERSISTENCE[link.variable], link.lag), driver[: days - link.lag]])
        daily[link.row] = planted(daily[link.row], moved, link.r)
    log_price = 10 + np.cumsum(daily, axis=1) + 0.1 * season
    known = {name: np.concatenate([[np.nan], (values + 2 * season)[:-1]]) for name, values in weather.items()}
    outside = tuple(Outside(name, "", np.tile(values, (len(COMMODITIES), 1))) for name, values in known.items())
    return Panel(COMMODITIES, ("32",) * len(COMMODITIES), ("kg",) * len(COMMODITIES), day, np.exp(log_price), outside)


def run_in(rng: np.random.Generator, phi: float, days: int) -> Floats:
    """(days,) AR(1) with the given persistence, unit variance."""
    steps = rng.standard_normal(FORGETTING_DAYS + days) * np.sqrt(1 - phi * phi)
    return lfilter([1.0], [1.0, -phi], steps)[FORGETTING_DAYS:]


def planted(daily: Floats, driver: Floats, r: float) -> Floats:
    """Daily steps whose sums over a week correlate with the driver's mean over that week at about r."""
    week = np.ones(7)
    own, given = np.std(np.convolve(daily, week, "valid")), np.std(np.convolve(driver, week, "valid"))
    return np.sqrt(1 - r * r) * daily + r * driver * own / given


def called(panel: Panel) -> tuple[list[dict], set[tuple[str, str]]]:
    """All rows of the panel's table, and the pairs that it calls significant."""
    rows = judged(pairs(panel))
    return rows, {(row["commodity"], row["variable"]) for row in rows if row["text"] != NOTHING}


def measure(tables: int = TABLES, days: int = DAYS) -> dict[str, object]:
    """Percent; every table from a seed of its own."""
    low, false_pairs, false_tables, found, near = [], 0, 0, 0, 0
    for seed in track(range(tables), "independent and planted pairs", transient=True):
        rows, wolves = called(made(seed, days))
        low.append(np.mean([row["p_value"] <= 0.05 for row in rows]))
        false_pairs += len(wolves)
        false_tables += bool(wolves)
        rng = np.random.default_rng(10_000 + seed)
        link = Link(int(rng.integers(3)), str(rng.choice(list(PERSISTENCE))), int(rng.integers(61)), PLANTED_R)
        rows, pairs_called = called(made(20_000 + seed, days, link))
        wanted = (COMMODITIES[link.row], link.variable)
        best = next(row["lag_days"] for row in rows if row["strongest"] and (row["commodity"], row["variable"]) == wanted)
        found += wanted in pairs_called
        near += wanted in pairs_called and abs(best - link.lag) <= 7
    shares = {
        "p_below_5_pct": float(np.mean(low)),
        "false_pairs_pct": false_pairs / (9 * tables),
        "false_tables_pct": false_tables / tables,
        "power_pct": found / tables,
        "power_near_pct": near / tables,
    }
    return {name: round(100 * share, 1) for name, share in shares.items()} | {"tables": tables, "days": days, "goals": GOALS}
