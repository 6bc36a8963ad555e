"""What the anomaly detectors find among injected faults, what each find is called, and what real shocks are called."""

import json
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from typing import Any

import numpy as np
import psutil

from lakehouse.validation.thresholds import Thresholds
from lakehouse.validation.windows import median
from ml.anomalies import Judged, anomalies, thresholds_of_day
from ml.anomaly_forecast import naive_p_values
from ml.anomaly_labels import label_of
from ml.anomaly_reports import Reports, plain
from scripts.bench.anomaly_cases import EPOCH, FIRST, LABELS, SPREAD, World, worlds
from scripts.bench.price_faults import FOUND_BY_POLICY, Fault, Prices, alarms, inject, panel_harga, score
from scripts.bench.validation import HEADLINE_RATE, TEST_SHARE, Figures, _spread

MEANS = (
    "Panel Harga, last 20 % of its days. Detectors: the faults of `bench validation`, counted as events. Labels: two sources "
    "made from the panel, cases whose cause is known; rows are what was put in, columns what it was called. Limits were "
    "chosen on earlier days with other seeds"
)
WARM_DAYS = 220  # of history before the first judged day
SEEDS = tuple(range(5))  # 100 served to choose the limits
CASE_SEEDS = tuple(range(4))  # 100 to 102 served to write the tests down
WORDS = ("shock", "manipulation", "sample_noise", "unknown")
RARE = 0.001  # p from which the naive forecast alone would call a price strange
GOALS = {"macro_f1": 0.75, "residual.precision": 0.92, "residual.recall": 0.85}


def measure(seeds: tuple[int, ...] = SEEDS, case_seeds: tuple[int, ...] = CASE_SEEDS) -> dict[str, Any]:
    """Detectors, labels and real shocks. A missing data set is told."""
    try:
        prices = panel_harga()
    except FileNotFoundError as missing:
        return {"not_measured": str(missing)}
    stop = len(prices.days)
    first = round(stop * (1 - TEST_SHARE))
    thresholds = thresholds_of_day()
    with ProcessPoolExecutor(min(psutil.cpu_count() or 1, 2), mp_context=get_context("fork")) as pool:
        runs = pool.map(_detected, *_same(seeds, prices, thresholds, first, stop))
        cases = pool.map(_labelled, *_same(case_seeds, prices, thresholds, first))
        found: dict[str, Any] = {
            "days": f"{prices.days[first]} to {prices.days[-1]}", "seeds": len(seeds), "goals": GOALS,
            "detectors": _nested(list(runs)),
            "labels": confusion([case for made in cases for case in made]),
        }  # fmt: skip
    found["real_shocks"] = real_shocks(prices, thresholds)
    return found


def _same(seeds: tuple[int, ...], *more: object) -> list[list[object]]:
    return [list(seeds), *([one] * len(seeds) for one in more)]


def panel_reports(prices: Prices, idr: np.ndarray, since: int, stop: int) -> list[Reports]:
    """The panel as the job would read it, from day number `since` to `stop`."""
    days = np.array([(day - EPOCH).days for day in prices.days[since:stop]])
    names = tuple((FIRST, f"PROV-{code}", code) for code in prices.provinces)
    return [plain(good, names, days, idr[since:stop, nth]) for nth, good in enumerate(prices.commodities)]


def _detected(seed: int, prices: Prices, thresholds: Thresholds, first: int, stop: int) -> dict[str, Figures]:
    idr, faults = inject(prices, HEADLINE_RATE, FOUND_BY_POLICY, first, stop, seed)
    return detectors(prices, idr, faults, thresholds, first, stop)


def detectors(
    prices: Prices, idr: np.ndarray, faults: list[Fault], thresholds: Thresholds, first: int, stop: int
) -> dict[str, Figures]:
    """Detector, or several together -> its figures on one panel."""
    since = max(first - WARM_DAYS, 0)
    flags: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(idr.shape, dtype=bool))
    for nth, given in enumerate(panel_reports(prices, idr, since, stop)):
        judged = Judged.of(given, thresholds, everywhere=True)
        forest = np.nan_to_num(judged.forest) > thresholds.forest
        rare = np.nan_to_num(naive_p_values(judged.scores.last_price_idr, given.price), nan=1.0) <= RARE
        every = {
            "residual": judged.alarms, "isolation_forest": forest, "dbscan": judged.apart, "naive_forecast": rare,
            "residual_or_forest": judged.alarms | forest, "residual_or_dbscan": judged.alarms | judged.apart,
            "residual_and_another": judged.alarms & (forest | judged.apart | rare | judged.scores.hard),
        }  # fmt: skip
        for name, flag in every.items():
            flags[name][since:stop, nth] = flag
    judged_rows = int(np.isfinite(idr[first:stop]).sum())
    made = {}
    for name, flag in flags.items():
        flag[:first] = False
        found = score(alarms(flag), faults)
        delays = {f"delay_days.{kind}": float(np.median(days)) for kind, days in found.delays.items() if days}
        made[name] = {
            "precision": found.precision, "recall": found.recall, "f1": found.f1,
            "false_alarms_per_1000": 1000 * len(found.false_alarms) / judged_rows,
            **({f"found.{kind}": share for kind, share in found.recall_by_kind.items()} | delays if name == "residual" else {}),
        }  # fmt: skip
    return made


def _nested(runs: list[dict[str, Figures]]) -> dict[str, dict[str, str]]:
    return {name: _spread([run[name] for run in runs]) for name in runs[0]}


@dataclass(frozen=True)
class Called:
    """What one case was called on its day and four market days later; None: no alarm."""

    kind: str
    at_once: str | None
    final: str | None


def _labelled(seed: int, prices: Prices, thresholds: Thresholds, first: int) -> list[Called]:
    since = max(first - WARM_DAYS, 0)
    return labelled(worlds(prices, since, first, thresholds, seed), thresholds)


def labelled(made: list[World], thresholds: Thresholds) -> list[Called]:
    """Every case of the worlds; one of several provinces is called what most of its alarms are."""
    judged = {world.commodity: Judged.of(world.reports(), thresholds) for world in made}
    goods = {name: (one.reports, one.scores) for name, one in judged.items()}
    called = []
    for world in made:
        one = judged[world.commodity]
        for case in world.cases:
            words = []
            for series in case.series:
                rows = np.flatnonzero(one.alarms[case.first : case.last + 3, series])
                if not len(rows):
                    continue
                row = case.first + int(rows[0])
                outside = _outside(world, series, row)
                early = {name: (given.until(row + 1), found) for name, (given, found) in goods.items()}
                words.append(
                    [label_of(known, case.commodity, series, row, thresholds, outside).label for known in (early, goods)]
                )
            most = [Counter(column).most_common(1)[0][0] for column in zip(*words, strict=True)] if words else [None, None]
            called.append(Called(case.kind, *most))
    return called


def _outside(world: World, series: int, row: int) -> dict[str, Any]:
    known = (world.codes[series], world.days[row]) in world.causes
    return {"stock_cover_days": 1.5 if known else None, "rainfall_mm": None, "scarcity_posts": None, "arrivals_stopped": None}


def confusion(called: list[Called]) -> dict[str, Any]:
    """{matrix, macro-F1, found by kind} of the final labels, and the macro-F1 at once; cases without an alarm stand apart.

    National and regional shocks are no anomalies by construction: few raise an alarm.
    """
    kinds = list(dict.fromkeys(one.kind for one in called))
    matrix = {
        word: " ".join(f"{name} {count}" for name, count in _counts(called, word).items()) for word in WORDS
    }  # fmt: skip
    by_kind = {
        kind: " ".join(
            f"{name or 'no_alarm'} {n}" for name, n in Counter(c.final for c in called if c.kind == kind).most_common()
        )
        for kind in kinds
    }
    return {
        "cases": len(called), "macro_f1": round(macro_f1([(LABELS[c.kind], c.final) for c in called if c.final]), 3),
        "macro_f1_on_the_day": round(macro_f1([(LABELS[c.kind], c.at_once) for c in called if c.at_once]), 3),
        "shocks_called_manipulation": sum(LABELS[c.kind] == "shock" and c.final == "manipulation" for c in called),
        "spread_shocks_that_raise_an_alarm": f"{sum(c.kind in SPREAD and c.final is not None for c in called)} of "
        f"{sum(c.kind in SPREAD for c in called)}",
        "put_in": matrix, "by_kind": by_kind,
    }  # fmt: skip


def _counts(called: list[Called], word: str) -> dict[str, int]:
    mine = Counter(one.final or "no_alarm" for one in called if LABELS[one.kind] == word)
    return {name: mine[name] for name in (*WORDS, "no_alarm")}


def macro_f1(pairs: list[tuple[str, str]]) -> float:
    """Mean over WORDS of 2·hits / (put in + called); a word that was neither put in nor called is left out."""
    each = []
    for word in WORDS:
        hits = sum(put == said == word for put, said in pairs)
        total = sum(put == word for put, _ in pairs) + sum(said == word for _, said in pairs)
        each += [2 * hits / total] if total else []
    return float(np.mean(each)) if each else 0.0


def real_shocks(prices: Prices, thresholds: Thresholds) -> dict[str, Any]:
    """The published panel untouched: what its alarms are called, and those of the weeks in which the country moved most.

    Of each commodity the three weeks with the largest national median move, at least 8 % and 28 days apart.
    """
    rows = anomalies(panel_reports(prices, prices.idr, 0, len(prices.days)), thresholds, 0, lambda places: {}, {})
    weeks = []
    for nth, good in enumerate(prices.commodities):
        log = np.log(prices.idr[:, nth])
        move = np.nan_to_num(median((log[7:] - log[:-7]).T))
        for _ in range(3):
            peak = int(np.argmax(np.abs(move)))
            if abs(move[peak]) < 0.08:
                break
            weeks.append((good, prices.days[peak], prices.days[peak + 7], float(move[peak])))
            move[max(peak - 28, 0) : peak + 29] = 0
    inside = [
        row for row in rows if any(good == row["commodity"] and a <= row["market_date"] <= b for good, a, b, _ in weeks)
    ]  # fmt: skip
    series_days = 8 * len(prices.provinces) * len(weeks)
    return {
        "alarms_of_the_panel_as_published": len(rows), "called": dict(Counter(row["label"] for row in rows)),
        "severity": dict(Counter(row["severity"] for row in rows)),
        "weeks": len(weeks),
        "largest": [f"{good} {b - timedelta(7)} {100 * (np.exp(m) - 1):+.0f} %" for good, _, b, m in weeks[:6]],
        "alarms_in_them": len(inside), "alarms_in_them_per_1000": round(1000 * len(inside) / max(series_days, 1), 2),
        "called_in_them": dict(Counter(row["label"] for row in inside)),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
