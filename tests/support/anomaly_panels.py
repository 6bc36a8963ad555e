"""Synthetic reports of one or two sources, into which a test puts a move."""

from collections.abc import Sequence

import numpy as np

from lakehouse.validation.prices.thresholds import Thresholds
from ml.anomalies.job import thresholds_of_day
from ml.anomalies.observations import Reports

CODES = ("11", "12", "13", "14", "15", "16", "31", "32", "33", "34", "35", "36")
DAYS = 150
FIRST_DAY = 19_723  # 2024-01-01, a Monday
COMMODITY = "bawang-merah"


def limits() -> Thresholds:
    return thresholds_of_day()


def make_reports(
    commodity: str = COMMODITY,
    days: int = DAYS,
    codes: Sequence[str] = CODES,
    seed: int = 5,
    second: bool = True,
    noise: float = 0.008,
    idr: float = 35_000.0,
) -> Reports:
    """Random walks with a national part, five reporters each.

    The second source is 5 % more expensive, with noise of its own.
    """
    random = np.random.default_rng(seed)
    moves = noise * random.standard_normal((days, 1)) + noise * random.standard_normal((days, len(codes)))
    first = np.log(idr) + 0.05 * random.standard_normal(len(codes)) + np.cumsum(moves, axis=0)
    other = first + 0.05 + noise * random.standard_normal(first.shape)
    log = np.concatenate([first, other], axis=1) if second else first
    sources = ("panel", "second") if second else ("panel",)
    series = tuple((source, f"PROV-{code}", code) for source in sources for code in codes)
    price = np.round(np.exp(log))
    epoch_days = FIRST_DAY + np.arange(days)
    return Reports(
        commodity=commodity,
        channel="retail",
        series=series,
        levels=("province",) * len(series),
        days=epoch_days,
        price=price,
        time=np.repeat(epoch_days[:, None] * 86_400_000_000 + 3_600_000_000, len(series), axis=1),
        accepted=None,
        reporters=np.full(price.shape, 5.0),
        newcomer=np.zeros(price.shape, dtype=bool),
        trust=np.full(price.shape, np.nan),
    )
