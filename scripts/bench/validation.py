"""False alarms, recall and refused levels of the validation of prices, on three panels."""

import copy
import statistics
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from multiprocessing import get_context
from typing import Any

import numpy as np
import psutil

from conf.settings import settings
from lakehouse.validation.prices.validator import PriceValidator
from scripts.bench.market_panel import market_panel
from scripts.bench.price_faults import (
    DETECTABLE_KINDS,
    GROSS_KINDS,
    LEAST_CHANGE,
    PriceFault,
    Prices,
    Score,
    alarms,
    inject,
    island_shock,
    jabar,
    national_shock,
    panel_harga,
    score,
    thin_days,
)
from scripts.bench.price_replay import Outcome, replay

MEANS = (
    "Three panels, last 20 % of the days, mean ± sd over seeds. panel_harga: published prices of provinces; "
    "jabar: one province alone; markets: 18 simulated markets of one province, a panel a seed. Limits were "
    "chosen on the days before with other seeds. An alarm is a run of days of a series, at most 3 days "
    "apart, that are refused after the close of their day. It detects a fault when it overlaps the fault or "
    "the 2 days after it. Thin days (few reports, or many round prices) are counted apart"
)
SEEDS = tuple(range(5))  # the limits were chosen with seeds from 100
HEADLINE_RATE = 0.002  # faults a series-day
SINGLE_RATE = 0.02  # three series only
GROSS_RATE = 0.001
LEVELS_PER_SERIES = 0.1
TEST_SHARE = 0.2
EXCHANGED = ("cabai-rawit-merah", "cabai-merah-keriting")  # columns of a price list that lie side by side
EXCHANGE_DAYS = 9
SINGLE_KINDS = ("spike", "unit", "shift", "ramp")  # faults of a series without neighbours
GOALS = {
    "panel_harga.false_alarms_per_1000": 0.1,
    "panel_harga.recall": 0.85,
    "markets.false_alarms_per_1000": 0.5,
    "found.unit": 1.0,
    "longest_refusal_of_a_level_days": 3,
    "shared_shock_refused_after_close_pct": 0.0,
    "exchanged_columns_found": 0.8,
}
Figures = dict[str, float]


@dataclass(frozen=True)
class Trial:
    """A validator that has judged the published panel up to its test days, first..stop-1."""

    prices: Prices
    validator: PriceValidator
    first: int
    stop: int
    thin: np.ndarray

    @classmethod
    def of(cls, prices: Prices, knobs: Mapping[str, object]) -> "Trial":
        """Judge the days before the test days, with their day closes."""
        stop = len(prices.days)
        first = round(stop * (1 - TEST_SHARE))
        validator = PriceValidator(dict(knobs))
        replay(validator, prices, prices.idr, 0, first)
        return cls(prices, validator, first, stop, thin_days(prices))

    def replay(self, idr: np.ndarray) -> Outcome:
        """Outcome of the test days of a panel, from a copy of the validator: it serves many panels."""
        return replay(copy.deepcopy(self.validator), self.prices, idr, self.first, self.stop)


def measure(seeds: tuple[int, ...] = SEEDS) -> dict[str, Any]:
    """Figures of each panel. A missing data set is reported as `not_measured`."""
    knobs = settings().rule_values()
    figures: dict[str, Any] = {"seeds": len(seeds), "goals": GOALS}
    published = (
        ("panel_harga", panel_harga, HEADLINE_RATE, DETECTABLE_KINDS),
        ("jabar", jabar, SINGLE_RATE, SINGLE_KINDS),
    )
    for name, load, rate, kinds in published:
        try:
            trial = Trial.of(load(), knobs)
        except FileNotFoundError as missing:
            figures[name] = {"not_measured": str(missing)}
            continue
        judged = np.isfinite(trial.prices.idr[trial.first :])
        figures[name] = {
            "days": f"{trial.prices.days[trial.first]} to {trial.prices.days[-1]}",
            "series_days": int(judged.sum()),
            "series_days_on_thin_days": int(judged[trial.thin[trial.first :]].sum()),
            **_run_seeds(measure_faults, trial, seeds, rate, kinds),
            **_run_seeds(measure_lasting, trial, seeds[:2]),
        }
        if name == "panel_harga":
            for measure_part in (measure_shock, measure_island_shock, measure_exchange):
                figures[name] |= _run_seeds(measure_part, trial, seeds[:2])
            seed_policy = Trial.of(trial.prices, {**knobs, "policy": "seed"})
            figures[name]["seed_policy"] = _run_seeds(
                measure_faults, seed_policy, seeds[:1], HEADLINE_RATE, kinds
            )
    figures["markets"] = _in_processes(_measure_markets, [(seed, knobs) for seed in seeds])
    return figures


def measure_faults(trial: Trial, seed: int, rate: float, kinds: tuple[str, ...]) -> Figures:
    """Figures of one seed on arrival of the prices (`on_arrival`) and after the close of their day."""
    idr, faults = inject(trial.prices, rate, kinds, trial.first, trial.stop, seed)
    outcome = trial.replay(idr)
    closed = score(alarms(outcome.closed), faults)
    on_arrival = score(alarms(outcome.on_arrival), faults)
    return {
        **_false_alarms(trial, closed),
        "precision": closed.precision,
        "recall": closed.recall,
        **closed.by_kind,
        "unit_errors_named": _share_named(outcome.unit_error, faults),
        **{f"on_arrival.{name}": value for name, value in _false_alarms(trial, on_arrival).items()},
        "on_arrival.recall": on_arrival.recall,
        "faults": len(faults),
    }


def _false_alarms(trial: Trial, of: Score) -> Figures:
    """False alarms per 1,000 series-days; those that begin on a thin day per 1,000 of its series-days."""
    reports = np.isfinite(trial.prices.idr[trial.first :]).sum(axis=(1, 2))
    thin = trial.thin[trial.first :]
    on_thin = sum(bool(trial.thin[alarm.first]) for alarm in of.false_alarms)
    figures = {
        "false_alarms_per_1000": 1000 * (len(of.false_alarms) - on_thin) / max(int(reports[~thin].sum()), 1)
    }
    if thin.any():
        figures["false_alarms_per_1000_on_thin_days"] = 1000 * on_thin / max(int(reports[thin].sum()), 1)
    return figures


def measure_shock(trial: Trial, seed: int) -> Figures:
    """A national move of every commodity: percent of its prices refused."""
    idr, faults = national_shock(trial.prices, trial.first, trial.stop, seed)
    within = np.zeros(idr.shape, dtype=bool)
    for fault in faults:
        within[fault.first : fault.last + 1, fault.commodity, list(fault.provinces)] = True
    opening = within & ~np.roll(within, 1, axis=0)
    return _shock_figures(trial.replay(idr), opening & np.isfinite(idr), within & np.isfinite(idr))


def measure_island_shock(trial: Trial, seed: int) -> Figures:
    """A move of each commodity in an island group, for some days: percent of its prices refused."""
    idr, within = island_shock(trial.prices, trial.first, trial.stop, seed)
    outcome = trial.replay(idr)
    return {
        "island_shock_refused_after_close_pct": 100 * float(outcome.closed[within].mean()),
        "island_shock_never_released_pct": 100 * float(outcome.final[within].mean()),
    }


def measure_exchange(trial: Trial, seed: int) -> Figures:
    """Columns of two siblings exchanged on single days, in all series: share of the reports found.

    A pair of prices counts where they are LEAST_CHANGE apart, and is found when either of them is refused.
    """
    random = np.random.default_rng(seed)
    days = random.choice(np.arange(trial.first + 1, trial.stop - 3), EXCHANGE_DAYS, replace=False)
    left, right = (trial.prices.commodities.index(name) for name in EXCHANGED)
    clean = trial.prices.idr
    idr = clean.copy()
    idr[days, left], idr[days, right] = clean[days, right], clean[days, left]
    closed = trial.replay(idr).closed
    refused = closed[days, left] | closed[days, right]
    apart = np.abs(np.log(clean[days, left] / clean[days, right])) >= np.log(LEAST_CHANGE)
    return {"exchanged_columns_found": float(refused[apart].mean()), "exchanged_reports": float(apart.sum())}


def _shock_figures(outcome: Outcome, opening: np.ndarray, within: np.ndarray) -> Figures:
    return {
        "shared_shock_refused_on_arrival_pct": 100 * float(outcome.on_arrival[opening].mean()),
        "shared_shock_refused_after_close_pct": 100 * float(outcome.closed[opening].mean()),
        "shared_shock_whole_refused_after_close_pct": 100 * float(outcome.closed[within].mean()),
    }


def measure_lasting(trial: Trial, seed: int) -> Figures:
    """Steps of 15 to 50 % that last 30 days: the longest run of refused reports."""
    levels = max(LEVELS_PER_SERIES * trial.prices.idr[0].size, 2)
    rate = levels / trial.prices.idr[trial.first : trial.stop].size
    idr, steps = inject(trial.prices, rate, ("lasting",), trial.first, trial.stop, seed)
    outcome = trial.replay(idr)
    runs = []
    left = 0
    for step in steps:
        days = slice(step.first, step.last + 1)
        own = (days, step.commodity, step.provinces[0])
        runs.append(longest_run(outcome.closed[own][np.isfinite(idr[own])]))
        left += int(outcome.final[own].sum())
    return {
        "longest_refusal_of_a_level_days": max(runs, default=0),
        "refusals_of_a_level_never_released": left,
        "levels": len(steps),
    }


def _measure_markets(seed: int, knobs: Mapping[str, object]) -> Figures:
    """Figures of the simulated markets of one seed."""
    panel = market_panel(seed)
    trial = Trial.of(panel.prices, knobs)
    within = panel.shock.copy()
    within[: trial.first] = False
    return {
        **measure_faults(trial, seed, GROSS_RATE, GROSS_KINDS),
        **measure_lasting(trial, seed),
        **measure_exchange(trial, seed),
        **_shock_figures(trial.replay(panel.prices.idr), within, within),
        "series_days": float(np.isfinite(panel.prices.idr[trial.first :]).sum()),
    }


def longest_run(flags: np.ndarray) -> int:
    """The largest number of true flags in a row."""
    return max((sum(run) for _, run in groupby(flags.tolist())), default=0)


def _share_named(unit_error: np.ndarray, faults: list[PriceFault]) -> float:
    """Share of unit faults that are refused by the rule `unit_error`, which also proposes a correction."""
    unit_faults = [fault for fault in faults if fault.kind == "unit"]
    named = sum(bool(unit_error[fault.first, fault.commodity, fault.provinces[0]]) for fault in unit_faults)
    return named / max(len(unit_faults), 1)


_trial: Trial  # read by the processes of the pool, which are forks


def _run_seed(run: Callable[..., Figures], seed: int, arguments: tuple[Any, ...]) -> Figures:
    return run(_trial, seed, *arguments)


def _run_seeds(
    run: Callable[..., Figures], trial: Trial, seeds: tuple[int, ...], *arguments: Any
) -> dict[str, str]:
    """Spread of the figures over the seeds, run in parallel."""
    global _trial
    _trial = trial
    return _in_processes(_run_seed, [(run, seed, arguments) for seed in seeds])


def _in_processes(run: Callable[..., Figures], calls: list[tuple[Any, ...]]) -> dict[str, str]:
    with ProcessPoolExecutor(psutil.cpu_count() or 1, mp_context=get_context("fork")) as pool:
        return spread_over_seeds(list(pool.map(run, *zip(*calls, strict=True))))


def spread_over_seeds(runs: list[Mapping[str, float]]) -> dict[str, str]:
    """Name -> mean ± standard deviation over the runs."""
    spread = {}
    for name in dict.fromkeys(name for run in runs for name in run):
        values = [run[name] for run in runs if name in run]
        sd = statistics.stdev(values) if len(values) > 1 else 0.0
        spread[name] = f"{statistics.mean(values):.3f} ± {sd:.3f}"
    return spread
