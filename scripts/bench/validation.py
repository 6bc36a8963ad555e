"""Faults injected into published prices, and how many the two policies find, with how many false alarms."""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
import psutil

from conf.settings import settings
from lakehouse.validation.prices import PriceValidator
from scripts.bench.price_faults import FOUND_BY_POLICY, Fault, Prices, Score, alarms, inject, national_shock, panel_harga, score
from scripts.bench.price_replay import Outcome, continued, warmed

MEANS = (
    "Panel Harga, last 20 % of its days, 10 seeds, mean ± sd. The limits were chosen on the days before with other seeds. "
    "An alarm = flagged days of a series at most 3 apart; it finds a fault when it overlaps it or the 2 days after it"
)
SEEDS = tuple(range(10))  # 100 and above served to choose the limits
RATES = (0.001, 0.002, 0.005)  # faults begun a series-day
HEADLINE_RATE = 0.002
TEST_SHARE = 0.2
POLICIES = ("calibrated", "seed")
GOALS = {"precision": 0.92, "recall": 0.85, "found.unit": 1.0, "false_alarms_per_1000": 1.0}
Figures = dict[str, float]


@dataclass(frozen=True)
class Trial:
    """A policy's validator, warmed by the panel as published up to the test days, and what it says of those days untouched."""

    prices: Prices
    validator: PriceValidator
    background: Outcome
    first: int
    stop: int

    def judged(self, idr: np.ndarray) -> int:
        return int(np.isfinite(idr[self.first : self.stop]).sum())

    def outcome(self, idr: np.ndarray) -> Outcome:
        return continued(self.validator, self.prices, idr, self.first, self.stop)

    def injected(self, rate: float, seed: int, kinds: tuple[str, ...] = FOUND_BY_POLICY) -> tuple[np.ndarray, list[Fault]]:
        return inject(self.prices, rate, kinds, self.first, self.stop, seed)


def measure(seeds: tuple[int, ...] = SEEDS) -> dict[str, Any]:
    """Both policies at several rates, a national shock, frozen prices, rows at random. A missing data set is told."""
    try:
        prices = panel_harga()
    except FileNotFoundError as missing:
        return {"not_measured": str(missing)}
    stop = len(prices.days)
    first = round(stop * (1 - TEST_SHARE))
    found: dict[str, Any] = {"days": f"{prices.days[first]} to {prices.days[-1]}", "seeds": len(seeds), "goals": GOALS}
    for policy in POLICIES:
        knobs = {**settings().validation.model_dump(), "policy": policy}
        validator = warmed(prices, knobs, first)
        background = continued(validator, prices, prices.idr, first, stop)
        trial = Trial(prices, validator, background, first, stop)
        rates = RATES if policy == "calibrated" else (HEADLINE_RATE,)
        made: dict[str, Any] = {f"faults_per_1000_{1000 * rate:g}": _of_seeds(faulty, trial, seeds, rate) for rate in rates}
        made |= {"as_published": _untouched(trial), "national_shock": _of_seeds(shocked, trial, seeds)}
        if policy == "calibrated":
            made["frozen_events"] = _of_seeds(frozen, trial, seeds[:2])
            found["rows_at_random"] = _spread([_random(trial, seed) for seed in seeds])
        found[policy] = made
    return found


def faulty(trial: Trial, seed: int, rate: float) -> Figures:
    """One seed: figures when a price comes (`hot`) and after the close of its day."""
    idr, faults = trial.injected(rate, seed)
    begun = time.process_time()
    outcome = trial.outcome(idr)
    took, judged = time.process_time() - begun, trial.judged(idr)
    closed = score(alarms(outcome.closed), faults)
    known = alarms(trial.background.closed)
    changed = (idr != trial.prices.idr)[trial.first : trial.stop][np.isfinite(idr[trial.first : trial.stop])]
    return {
        **_figures(closed, judged),
        "precision_alarms_as_published_left_out": score(alarms(outcome.closed), faults, known).precision,
        **{f"hot.{name}": value for name, value in _figures(score(alarms(outcome.hot), faults), judged).items()},
        **{f"found.{kind}": share for kind, share in closed.recall_by_kind.items()},
        **{f"delay_days.{kind}": statistics.median(days) for kind, days in closed.delays.items() if days},
        "unit_errors_named": _named(outcome.unit_error, faults),
        "cpu_milliseconds_a_row": 1000 * took / judged,
        "faults": len(faults),
        "faulty_rows_pct": 100 * float(changed.mean()),
    }


def shocked(trial: Trial, seed: int) -> Figures:
    """A real national move of every good: how many of its rows are refused when they come, and still after the day close."""
    idr, faults = national_shock(trial.prices, trial.first, trial.stop, seed)
    outcome = trial.outcome(idr)
    within = np.zeros(idr.shape, dtype=bool)
    for fault in faults:
        within[fault.first : fault.last + 1, fault.commodity, list(fault.provinces)] = True
    opening = within & ~np.roll(within, 1, axis=0) & np.isfinite(idr)
    within &= np.isfinite(idr)
    return {
        "first_day_refused_hot_pct": 100 * float(outcome.hot[opening].mean()),
        "first_day_refused_after_close_pct": 100 * float(outcome.closed[opening].mean()),
        "30_days_refused_hot_pct": 100 * float(outcome.hot[within].mean()),
        "30_days_refused_after_close_pct": 100 * float(outcome.closed[within].mean()),
    }


def frozen(trial: Trial, seed: int) -> Figures:
    """Prices repeated for 14 to 28 days: no fault that a price betrays, so not meant to be refused (`stale_price`: 60 days)."""
    idr, faults = trial.injected(HEADLINE_RATE, seed, ("frozen",))
    return {"refused": score(alarms(trial.outcome(idr).closed), faults).recall}


def _figures(found: Score, judged: int) -> Figures:
    return {
        "precision": found.precision,
        "recall": found.recall,
        "f1": found.f1,
        "false_alarms_per_1000": 1000 * len(found.false_alarms) / judged,
    }


def _named(unit_error: np.ndarray, faults: list[Fault]) -> float:
    """Share of unit faults that the rule `unit_error` names, with the correction that goes with it."""
    unit = [fault for fault in faults if fault.kind == "unit"]
    return sum(bool(unit_error[one.first, one.commodity, one.provinces[0]]) for one in unit) / max(len(unit), 1)


def _untouched(trial: Trial) -> Figures:
    """Alarms of the panel as published. Those whose price is back within 2 days look like real errors of its reporters."""
    judged, closed = trial.judged(trial.prices.idr), trial.background.closed
    raised = alarms(closed)
    return {
        "alarms": len(raised),
        "alarms_per_1000": round(1000 * len(raised) / judged, 3),
        "of_them_back_within_2_days": sum(_back(one, trial.prices.idr) for one in raised),
        "rows_refused_pct": round(100 * float(closed.sum()) / judged, 3),
    }


def _back(alarm: Fault, idr: np.ndarray) -> bool:
    """Whether a short alarm's price returned, within 2 days of its end, to within a fifth of the jump from the week before."""
    series = idr[:, alarm.commodity, alarm.provinces[0]]
    before, after = series[alarm.first - 5 : alarm.first], series[alarm.last + 1 : alarm.last + 3]
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if not len(before) or not len(after) or alarm.last - alarm.first > 3:
        return False
    level = np.median(before)
    return bool(np.abs(np.log(after / level)).min() <= 0.2 * abs(np.log(series[alarm.first] / level)))


def _random(trial: Trial, seed: int) -> Figures:
    """As many rows flagged as the policy refuses, drawn at random: what chance finds."""
    idr, faults = trial.injected(HEADLINE_RATE, seed)
    there = np.isfinite(idr)
    there[: trial.first] = False
    flags = np.zeros(there.shape, dtype=bool)
    share = (trial.background.closed.sum() + len(faults)) / there.sum()
    flags[there] = np.random.default_rng(1000 + seed).random(int(there.sum())) < share
    return _figures(score(alarms(flags), faults), int(there.sum()))


_trial: Trial  # of the pool's processes, which are forks


def _one(run: Callable[..., Figures], seed: int, more: tuple[float, ...]) -> Figures:
    return run(_trial, seed, *more)


def _of_seeds(run: Callable[..., Figures], trial: Trial, seeds: tuple[int, ...], *more: float) -> dict[str, str]:
    """A run for each seed, side by side."""
    global _trial
    _trial = trial
    with ProcessPoolExecutor(psutil.cpu_count() or 1, mp_context=get_context("fork")) as pool:
        return _spread(list(pool.map(_one, [run] * len(seeds), seeds, [more] * len(seeds))))


def _spread(runs: list[Mapping[str, float]]) -> dict[str, str]:
    """Name -> mean ± sd over the seeds."""
    spread = {}
    for name in dict.fromkeys(name for run in runs for name in run):
        values = [run[name] for run in runs if name in run]
        sd = statistics.stdev(values) if len(values) > 1 else 0.0
        spread[name] = f"{statistics.mean(values):.3f} ± {sd:.3f}"
    return spread


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
