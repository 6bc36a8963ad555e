"""Faults injected into published prices, and how many the two policies find, with how many false alarms."""

import json
import statistics
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from conf.settings import settings
from scripts.bench.price_faults import (
    FOUND_BY_POLICY,
    Fault,
    Prices,
    Score,
    alarms,
    inject,
    national_shock,
    panel_harga,
    score,
)
from scripts.bench.price_replay import Outcome, continued, warmed

MEANS = (
    "Panel Harga, last 20 % of its days, 10 seeds, mean ± sd; faults a series-day as named; thresholds were chosen on the days "
    "before with other seeds. An alarm = flagged days of a series at most 3 apart; found = overlap with the fault or the 2 days after it"
)
SEEDS = tuple(range(10))  # 100 and above are for calibration
RATES = (0.001, 0.002, 0.005)  # faults begun a series-day
HEADLINE_RATE = 0.002
TEST_SHARE = 0.2
POLICIES = ("calibrated", "seed")
GOALS = {"precision": 0.92, "recall": 0.85, "unit_errors_found": 1.0, "false_alarms_per_1000": 1.0}


def measure(seeds: tuple[int, ...] = SEEDS) -> dict[str, Any]:
    """Figures of both policies, of rows flagged at random, of a national shock and of frozen prices."""
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
        rates = RATES if policy == "calibrated" else (HEADLINE_RATE,)
        runs = {rate: [_run(validator, background, prices, rate, seed, first, stop) for seed in seeds] for rate in rates}
        found[policy] = {f"faults_per_1000_{1000 * rate:g}": _spread(made) for rate, made in runs.items()}
        found[policy] |= _untouched(background, prices, first, stop)
        found[policy]["national_shock"] = _spread([_shock(validator, prices, seed, first, stop) for seed in seeds])
        if policy == "calibrated":
            found[policy]["frozen"] = _frozen(validator, prices, first, stop)
            found["flagged_at_random"] = _random(prices, seeds, first, stop, background)
    return found


def _run(validator: Any, background: Outcome, prices: Prices, rate: float, seed: int, first: int, stop: int) -> dict[str, float]:
    """One seed: figures when a price comes (`hot`) and after the close of its day."""
    idr, faults = inject(prices, rate, FOUND_BY_POLICY, first, stop, seed)
    begun = time.perf_counter()
    outcome = continued(validator, prices, idr, first, stop)
    took = time.perf_counter() - begun
    judged = int(np.isfinite(idr[first:stop]).sum())
    closed = score(alarms(outcome.closed), faults)
    return {
        **{f"hot.{name}": value for name, value in _figures(score(alarms(outcome.hot), faults), judged).items()},
        **_figures(closed, judged),
        "precision_known_alarms_left_out": score(alarms(outcome.closed), faults, alarms(background.closed)).precision,
        **{f"found.{kind}": share for kind, share in closed.recall_by_kind.items()},
        **{f"delay_days.{kind}": statistics.median(days) for kind, days in closed.delays.items() if days},
        "unit_errors_named": _named(outcome.unit_error, faults),
        "verdict_milliseconds_a_row": 1000 * took / judged,
        "faults": len(faults),
        "faulty_rows_pct": 100 * float((idr != prices.idr)[first:stop][np.isfinite(idr[first:stop])].mean()),
    }


def _figures(found: Score, judged: int) -> dict[str, float]:
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


def _untouched(background: Outcome, prices: Prices, first: int, stop: int) -> dict[str, float]:
    """Alarms of the panel as published: real errors of the publisher are among them."""
    judged = int(np.isfinite(prices.idr[first:stop]).sum())
    return {
        "alarms_per_1000_as_published": round(1000 * len(alarms(background.closed)) / judged, 3),
        "rows_refused_pct_as_published": round(100 * float(background.closed.sum()) / judged, 3),
    }


def _shock(validator: Any, prices: Prices, seed: int, first: int, stop: int) -> dict[str, float]:
    """A real national move: how many of its rows are refused when they come, and how many still after the day close."""
    idr, faults = national_shock(prices, first, stop, seed)
    outcome = continued(validator, prices, idr, first, stop)
    within = np.zeros(idr.shape, dtype=bool)
    for fault in faults:
        within[fault.first : fault.last + 1, fault.commodity, list(fault.provinces)] = True
    within &= np.isfinite(idr)
    opening = within & ~np.roll(within, 1, axis=0)
    return {
        "first_day_rows_refused_hot_pct": 100 * float(outcome.hot[opening].mean()),
        "first_day_rows_refused_after_close_pct": 100 * float(outcome.closed[opening].mean()),
        "all_rows_refused_hot_pct": 100 * float(outcome.hot[within].mean()),
        "all_rows_refused_after_close_pct": 100 * float(outcome.closed[within].mean()),
    }


def _frozen(validator: Any, prices: Prices, first: int, stop: int) -> dict[str, object]:
    """Prices repeated for 14 to 28 days: nothing a price rule can tell from a calm market; `stale_price` speaks after 60 days."""
    idr, faults = inject(prices, HEADLINE_RATE, ("frozen",), first, stop, SEEDS[0])
    found = score(alarms(continued(validator, prices, idr, first, stop).closed), faults)
    return {"refused_events_pct": round(100 * found.recall, 1), "meant_to_be_found": False}


def _random(prices: Prices, seeds: tuple[int, ...], first: int, stop: int, like: Outcome) -> dict[str, str]:
    """As many rows as the calibrated policy refuses on the panel as published, drawn at random: what chance finds."""
    made = []
    judged = np.isfinite(prices.idr)
    judged[:first] = False
    for seed in seeds:
        _, faults = inject(prices, HEADLINE_RATE, FOUND_BY_POLICY, first, stop, seed)
        flags = np.zeros(judged.shape, dtype=bool)
        share = (like.closed.sum() + len(faults)) / judged.sum()
        flags[judged] = np.random.default_rng(1000 + seed).random(int(judged.sum())) < share
        made.append(_figures(score(alarms(flags), faults), int(judged.sum())))
    return _spread(made)


def _spread(runs: list[Mapping[str, float]]) -> dict[str, str]:
    """Name -> mean ± sd over the seeds."""
    names = dict.fromkeys(name for run in runs for name in run)
    spread = {}
    for name in names:
        values = [run[name] for run in runs if name in run]
        sd = statistics.stdev(values) if len(values) > 1 else 0.0
        spread[name] = f"{statistics.mean(values):.3f} ± {sd:.3f}"
    return spread


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
