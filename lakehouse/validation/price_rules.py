"""Columns of silver.price_verdicts -> which rules of silver.prices each row violates; the SQL of the rules says the same."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.contract import Rule, kinds
from lakehouse.validation.price_scores import Flags
from lakehouse.validation.thresholds import Thresholds


def violated(verdict: Mapping[str, npt.NDArray[Any]], thresholds: Thresholds, policy: str) -> dict[str, Flags]:
    """Rule -> flags, under `calibrated` or `seed`. A null (NaN) score violates nothing."""
    calibrated, seed = policy == "calibrated", policy == "seed"
    score_r = np.where(verdict["confirmed"], verdict["score_r"], np.nan)
    strangest = np.fmax(score_r / thresholds.residual, verdict["score_g"] / thresholds.geographic)
    far = (verdict["national_ratio"] < 1 / thresholds.range_factor) | (verdict["national_ratio"] > thresholds.range_factor)
    mismatch = verdict["source_mismatch"] if calibrated else ~verdict["multi_source_ok"]
    return {
        "unit_error": verdict["unit_power"] != 0,
        "price_out_of_range": far & verdict["outside_band"],
        "outlier_residual": calibrated & (score_r > thresholds.residual),
        "outlier_geographic": calibrated & (verdict["score_g"] > thresholds.geographic),
        "source_mismatch": mismatch,
        "seed_votes": seed & (verdict["votes"] >= thresholds.min_votes),
        "near_outlier": calibrated & (strangest > thresholds.soft),
        "source_differs": verdict["source_differs"],
        "stale_price": verdict["stale"],
        "carried_forward": verdict["carried"],
        "national_gap": verdict["national_gap"],
        "warmup": verdict["cause"] == "warmup",
    }


def stream_rules() -> dict[str, Rule]:
    """The rules of silver.prices that `violated` judges, by name."""
    return {rule.name: rule for rule in kinds()["price"].rules if rule.reads == "stream" and rule.name != "id_conflict"}


def refused(flags: Mapping[str, Flags]) -> Flags:
    """Rows that violate a rule of severity error."""
    errors = [name for name, rule in stream_rules().items() if rule.severity == "error"]
    return np.asarray(np.logical_or.reduce([flags[name] for name in errors]), dtype=np.bool_)


def sentence(rule: Rule, values: Mapping[str, object]) -> str:
    """The rule's message with every {column} replaced by the row's value."""
    shown = {name: _shown(value) for name, value in values.items()}
    return rule.message.format_map(shown)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)
