"""Scores of the anomaly detectors on injected faults, and labels of synthetic cases."""

from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import psutil
from sklearn.metrics import f1_score

from lakehouse.validation.prices.thresholds import Thresholds
from ml.anomalies.detection import detect
from ml.anomalies.forecast_vote import naive_p_values
from ml.anomalies.job import thresholds_of_day
from ml.anomalies.labels import label_of
from ml.anomalies.observations import Reports, reports_of_panel
from scripts.bench.anomaly_cases import (
    EPOCH,
    FIRST_SOURCE,
    LABEL_OF_KIND,
    WIDE_SHOCKS,
    SyntheticPrices,
    synthetic_prices,
)
from scripts.bench.price_faults import (
    DETECTABLE_KINDS,
    PriceFault,
    Prices,
    alarms,
    inject,
    panel_harga,
    score,
)
from scripts.bench.validation import HEADLINE_RATE, TEST_SHARE, Figures, spread_over_seeds

MEANS = (
    "Panel Harga, last 20 % of its days. Detectors: the faults of `bench validation`, counted as events. "
    "Labels: two synthetic sources made from the panel, with cases of known cause; rows are true labels, "
    "columns are assigned labels. The limits were chosen on earlier days with other seeds"
)
WARM_DAYS = 220  # of history before the first judged day
SEEDS = tuple(range(5))  # the limits were chosen with seed 100
CASE_SEEDS = tuple(range(4))  # the label tests were written with seeds 100 to 102
ANOMALY_LABELS = ("shock", "manipulation", "sample_noise", "unknown")
NO_CAUSE = dict.fromkeys(("stock_cover_days", "rainfall_mm", "scarcity_posts", "arrivals_stopped"))
RARE = 0.001  # largest p at which the naive forecast alone would flag a price
GOALS = {"macro_f1": 0.75, "residual.precision": 0.92, "residual.recall": 0.85}


def measure(seeds: tuple[int, ...] = SEEDS, case_seeds: tuple[int, ...] = CASE_SEEDS) -> dict[str, Any]:
    """Figures of detectors and labels. A missing data set is reported as `not_measured`."""
    try:
        prices = panel_harga()
    except FileNotFoundError as missing:
        return {"not_measured": str(missing)}
    stop = len(prices.days)
    first = round(stop * (1 - TEST_SHARE))
    thresholds = thresholds_of_day()
    with ProcessPoolExecutor(min(psutil.cpu_count() or 1, 2), mp_context=get_context("fork")) as pool:
        runs = list(pool.map(partial(_detect_seed, prices, thresholds, first, stop), seeds))
        cases = pool.map(partial(_label_seed, prices, thresholds, first), case_seeds)
        return {
            "days": f"{prices.days[first]} to {prices.days[-1]}",
            "seeds": len(seeds),
            "goals": GOALS,
            "detectors": {name: spread_over_seeds([run[name] for run in runs]) for name in runs[0]},
            "labels": confusion([case for of_seed in cases for case in of_seed]),
        }


def panel_reports(prices: Prices, idr: np.ndarray, since: int, stop: int) -> list[Reports]:
    """The reports of days `since` to `stop` of a panel, by commodity, as the job reads them."""
    days = np.array([(day - EPOCH).days for day in prices.days[since:stop]])
    names = tuple((FIRST_SOURCE, f"PROV-{code}", code) for code in prices.provinces)
    return [
        reports_of_panel(commodity, names, days, idr[since:stop, nth])
        for nth, commodity in enumerate(prices.commodities)
    ]


def _detect_seed(
    prices: Prices, thresholds: Thresholds, first: int, stop: int, seed: int
) -> dict[str, Figures]:
    idr, faults = inject(prices, HEADLINE_RATE, DETECTABLE_KINDS, first, stop, seed)
    return detectors(prices, idr, faults, thresholds, first, stop)


def detectors(
    prices: Prices, idr: np.ndarray, faults: list[PriceFault], thresholds: Thresholds, first: int, stop: int
) -> dict[str, Figures]:
    """Detector -> its figures on one panel."""
    since = max(first - WARM_DAYS, 0)
    flags: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(idr.shape, dtype=bool))
    for nth, reports in enumerate(panel_reports(prices, idr, since, stop)):
        detection = detect(reports, thresholds, everywhere=True)
        forest = np.nan_to_num(detection.forest) > thresholds.forest
        rare = np.nan_to_num(naive_p_values(detection.scores.last_price_idr, reports.price), nan=1.0) <= RARE
        detected = {
            "residual": detection.alarms,
            "isolation_forest": forest,
            "dbscan": detection.dbscan,
            "naive_forecast": rare,
        }
        for name, flag in detected.items():
            flags[name][since:stop, nth] = flag
    judged_rows = int(np.isfinite(idr[first:stop]).sum())
    figures: dict[str, Figures] = {}
    for name, flag in flags.items():
        flag[:first] = False
        event_score = score(alarms(flag), faults)
        figures[name] = {
            "precision": event_score.precision,
            "recall": event_score.recall,
            "f1": event_score.f1,
            "false_alarms_per_1000": 1000 * len(event_score.false_alarms) / judged_rows,
        }
        if name == "residual":
            figures[name] |= event_score.by_kind
    return figures


@dataclass(frozen=True)
class LabelledCase:
    """Label of one case on its day and four market days later; None without an alarm."""

    kind: str
    on_the_day: str | None = None
    final: str | None = None


def _label_seed(prices: Prices, thresholds: Thresholds, first: int, seed: int) -> list[LabelledCase]:
    since = max(first - WARM_DAYS, 0)
    return label_cases(synthetic_prices(prices, since, first, thresholds, seed), thresholds)


def label_cases(panels: list[SyntheticPrices], thresholds: Thresholds) -> list[LabelledCase]:
    """All cases of the panels with their labels; a case in several provinces gets the most frequent label."""
    detections = {panel.commodity: detect(panel.reports(), thresholds) for panel in panels}
    final = {name: (detection.reports, detection.scores) for name, detection in detections.items()}
    labelled_cases = []
    for panel in panels:
        detection = detections[panel.commodity]
        for case in panel.cases:
            labels = []
            for series in case.series:
                rows = np.flatnonzero(detection.alarms[case.first : case.last + 3, series])
                if len(rows):
                    row = case.first + int(rows[0])
                    is_known = (panel.codes[series], panel.days[row]) in panel.causes
                    context = NO_CAUSE | ({"stock_cover_days": 1.5} if is_known else {})
                    early = {
                        name: (reports.until(row + 1), scores) for name, (reports, scores) in final.items()
                    }
                    labels.append(
                        [
                            label_of(known, case.commodity, series, row, thresholds, context).label
                            for known in (early, final)
                        ]
                    )
            most = [Counter(column).most_common(1)[0][0] for column in zip(*labels, strict=True)]
            labelled_cases.append(LabelledCase(case.kind, *most))
    return labelled_cases


def confusion(labelled_cases: list[LabelledCase]) -> dict[str, Any]:
    """Confusion matrix, counts by kind and macro-F1 of the final labels; macro-F1 of the labels on the day.

    Cases without an alarm are counted as `no_alarm`. National and regional shocks are no anomalies by
    construction, so few of them raise an alarm.
    """
    assigned: dict[str, Counter[str]] = defaultdict(Counter)  # by kind and by true label
    for case in labelled_cases:
        for group in (case.kind, LABEL_OF_KIND[case.kind]):
            assigned[group][case.final or "no_alarm"] += 1
    final_pairs = [(LABEL_OF_KIND[case.kind], case.final) for case in labelled_cases if case.final]
    day_pairs = [(LABEL_OF_KIND[case.kind], case.on_the_day) for case in labelled_cases if case.on_the_day]
    wide = [case for case in labelled_cases if case.kind in WIDE_SHOCKS]
    return {
        "cases": len(labelled_cases),
        "macro_f1": round(macro_f1(final_pairs), 3),
        "macro_f1_on_the_day": round(macro_f1(day_pairs), 3),
        "shocks_called_manipulation": final_pairs.count(("shock", "manipulation")),
        "spread_shocks_that_raise_an_alarm": f"{sum(case.final is not None for case in wide)} of {len(wide)}",
        "put_in": {
            label: " ".join(f"{name} {assigned[label][name]}" for name in (*ANOMALY_LABELS, "no_alarm"))
            for label in ANOMALY_LABELS
        },
        "by_kind": {
            kind: " ".join(f"{name} {count}" for name, count in assigned[kind].most_common())
            for kind in dict.fromkeys(case.kind for case in labelled_cases)
        },
    }


def macro_f1(pairs: list[tuple[str, str]]) -> float:
    """Mean over the labels of 2·hits / (true + assigned), from (true label, assigned label) pairs.

    A label that is neither true nor assigned in any pair is left out.
    """
    return float(f1_score(*zip(*pairs, strict=True), average="macro", zero_division=0)) if pairs else 0.0
