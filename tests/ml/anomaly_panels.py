"""Made panels of prices, two sources and some days long, into which a test puts a move."""

from collections.abc import Sequence

import numpy as np

from lakehouse.validation.thresholds import Thresholds
from ml.anomalies import thresholds_of_day
from ml.anomaly_reports import Reports

CODES = ("11", "12", "13", "14", "15", "16", "31", "32", "33", "34", "35", "36")
DAYS = 150
FIRST_DAY = 19_723  # 2024-01-01, a Monday
GOOD = "bawang-merah"


def limits() -> Thresholds:
    return thresholds_of_day()


def made(
    commodity: str = GOOD, days: int = DAYS, codes: Sequence[str] = CODES, seed: int = 5, second: bool = True,
    noise: float = 0.008, idr: float = 35_000.0,
) -> Reports:  # fmt: skip
    """Random walks with a country's share; the second source is 5 % dearer with noise of its own; five reporters each."""
    random = np.random.default_rng(seed)
    moves = noise * random.standard_normal((days, 1)) + noise * random.standard_normal((days, len(codes)))
    first = np.log(idr) + 0.05 * random.standard_normal(len(codes)) + np.cumsum(moves, axis=0)
    other = first + 0.05 + noise * random.standard_normal(first.shape)
    log = np.concatenate([first, other], axis=1) if second else first
    names = [("panel", f"PROV-{code}", code) for code in codes] + [("second", f"PROV-{code}", code) for code in codes] * second
    price = np.round(np.exp(log))
    epoch = FIRST_DAY + np.arange(days)
    return Reports(
        commodity,
        "retail",
        tuple(names),
        ("province",) * len(names),
        epoch,
        price,
        np.repeat(epoch[:, None] * 86_400_000_000 + 3_600_000_000, len(names), axis=1),
        None,
        np.full(price.shape, 5.0),
        np.zeros(price.shape, dtype=bool),
        np.full(price.shape, np.nan),
    )
