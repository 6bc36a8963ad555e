"""A simulated panel of single markets: prices stand still for weeks, then step; shocks are shared.

Each commodity of the province has a fair price, a random walk with common shocks. A market reports the
price of its last change. It changes it at a random day, or because a shock reached it, to the fair price
times its own usual distance, rounded to what is written on a board. On feast days half of the markets report.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from lakehouse.reference import commodities
from scripts.bench.price_faults import Prices

REGION = "32"
MARKETS = 18
DAYS = 600
COMMODITIES = (
    "bawang-merah",
    "bawang-putih",
    "beras-medium",
    "beras-premium",
    "cabai-merah-keriting",
    "cabai-rawit-merah",
    "daging-ayam-ras",
    "daging-sapi",
    "gula-konsumsi",
    "minyak-goreng-curah",
    "telur-ayam-ras",
)
CHANGE_EVERY_DAYS = 21
SHOCK_EVERY_DAYS = 90
# Share of markets that a shock reaches, on its day and in all.
REACHED_AT_ONCE, REACHED = 0.6, 0.85
MISSING = 0.03
FEAST_EVERY_DAYS = 110
FEAST_DAYS = 2
# A board shows rupiah in such steps: below 20,000, and above.
SMALL_GRID, GRID = 100, 500


@dataclass(frozen=True)
class MarketPanel:
    """`prices`: [days, commodities, markets]; `shock`: true where a shared shock changed the price."""

    prices: Prices
    shock: np.ndarray


def market_panel(seed: int) -> MarketPanel:
    """The panel of one seed: the same seed gives the same prices."""
    random = np.random.default_rng(seed)
    start = date(2023, 1, 2)
    days = [start + timedelta(nth) for nth in range(DAYS)]
    idr = np.empty((DAYS, len(COMMODITIES), MARKETS))
    shock = np.zeros(idr.shape, dtype=bool)
    for nth, name in enumerate(COMMODITIES):
        idr[:, nth], shock[:, nth] = _commodity(name, random)
    feast = np.zeros(DAYS, dtype=bool)
    for begin in range(FEAST_EVERY_DAYS - 20, DAYS, FEAST_EVERY_DAYS):
        feast[begin : begin + FEAST_DAYS] = True
    absent = random.random((DAYS, 1, MARKETS)) < np.where(feast, 0.5, MISSING / 2)[:, None, None]
    absent = absent | (random.random(idr.shape) < MISSING / 2)
    idr[absent] = np.nan
    markets = tuple(f"PASAR-{nth:03}" for nth in range(1, MARKETS + 1))
    prices = Prices(idr, days, list(COMMODITIES), [REGION] * MARKETS, markets)
    return MarketPanel(prices, shock & np.isfinite(idr))


def _commodity(name: str, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """([days, markets] prices, where a shock changed them)."""
    listed = commodities()[name]
    moves = 0.35 * listed.daily_volatility * random.standard_normal(DAYS)
    shocks = random.random(DAYS) < 1 / SHOCK_EVERY_DAYS
    size = random.uniform(0.08, 0.35, DAYS) * min(1.0, 20 * listed.daily_volatility + 0.3)
    walk = np.cumsum(moves)
    # Most shocks lead back to the usual level.
    jumps = np.where(shocks, size * np.where(walk > 0, -1, 1) * random.choice([1, 1, 1, -1], DAYS), 0.0)
    fair = np.log(listed.typical_idr) + walk + np.cumsum(jumps)
    usual = 0.05 * random.standard_normal(MARKETS)
    prices = np.empty((DAYS, MARKETS))
    by_shock = np.zeros((DAYS, MARKETS), dtype=bool)
    now = _board(fair[0] + usual)
    delay = np.full(MARKETS, -1)
    for day in range(DAYS):
        if shocks[day]:
            drawn = random.random(MARKETS)
            late = random.integers(1, 4, MARKETS)
            delay = np.where(drawn < REACHED_AT_ONCE, 0, np.where(drawn < REACHED, late, -1))
        reached = delay == 0
        changes = reached | (random.random(MARKETS) < 1 / CHANGE_EVERY_DAYS)
        fresh = _board(fair[day] + usual + 0.015 * random.standard_normal(MARKETS))
        by_shock[day] = reached & (fresh != now)
        now = np.where(changes, fresh, now)
        prices[day] = now
        delay = np.maximum(delay - 1, -1)
    return prices, by_shock


def _board(log: np.ndarray) -> np.ndarray:
    """Rupiah on the grid of a price board."""
    idr = np.exp(log)
    grid = np.where(idr < 20_000, SMALL_GRID, GRID)
    return np.asarray(np.maximum(np.round(idr / grid), 1) * grid)
