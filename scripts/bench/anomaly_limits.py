"""`python -m scripts.bench.anomaly_limits`: precision and recall for pairs of the anomaly job's two limits.

The limits were chosen with it, on days before those of the bench.
"""

import itertools
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

import numpy as np

from ml.anomalies.job import thresholds_of_day
from ml.anomalies.scores import score_reports
from scripts.bench.anomalies import WARM_DAYS, panel_reports
from scripts.bench.price_faults import DETECTABLE_KINDS, Prices, Score, alarms, inject, panel_harga, score
from scripts.bench.validation import HEADLINE_RATE, TEST_SHARE

FIRST = 243  # 2022-09-01, after the days that are missing in the source
SEED = 100
RESIDUAL = (6.0, 7.0, 8.0)
GEOGRAPHIC = (4.5, 5.5)


def evaluate_limits(prices: Prices, residual: float, geographic: float) -> Score:
    """The score of the alarms from day FIRST to the day before the bench's first."""
    stop = round(len(prices.days) * (1 - TEST_SHARE))
    thresholds = replace(thresholds_of_day(), residual=residual, geographic=geographic)
    idr, faults = inject(prices, HEADLINE_RATE, DETECTABLE_KINDS, FIRST, stop, SEED)
    flags = np.zeros(idr.shape, dtype=bool)
    since = max(FIRST - WARM_DAYS, 0)
    for nth, reports in enumerate(panel_reports(prices, idr, since, stop)):
        scores = score_reports(reports, thresholds)
        flags[since:stop, nth] = (np.nan_to_num(scores.strength) > 1) | scores.hard
    flags[:FIRST] = False
    return score(alarms(flags), faults)


def main() -> None:
    """Print one line for each pair of limits."""
    pairs = list(itertools.product(RESIDUAL, GEOGRAPHIC))
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        scores = pool.map(partial(evaluate_limits, panel_harga()), *zip(*pairs, strict=True))
        for (residual, geographic), figures in zip(pairs, scores, strict=True):
            print(
                f"residual {residual:4.1f}  geographic {geographic:4.1f}  "
                f"precision {figures.precision:.3f}  recall {figures.recall:.3f}  F1 {figures.f1:.3f}"
            )


if __name__ == "__main__":
    main()
