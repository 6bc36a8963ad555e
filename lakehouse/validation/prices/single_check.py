"""One price checked by rows of gold.series_stats, as the stream would judge it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from lakehouse.contracts.contract import kinds
from lakehouse.contracts.rule_messages import render_message
from lakehouse.reference import Commodity, commodities
from lakehouse.validation.prices.rules import PriceRules
from lakehouse.validation.prices.scores import Scores, score
from lakehouse.validation.prices.statistics import NUMBERS
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.prices.verdict_rows import readable
from lakehouse.validation.windows import Floats

FLAGS = ("zscore_flag", "iqr_flag", "ai_flag", "multi_source_ok")
NATIONAL = ("national_move", "national_level", "national_median_idr", "peers", "peers_moved")
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class PriceCheck:
    """The verdict on one price.

    `flags`: zscore, iqr, ai, multi_source_ok; false where a validator abstains, true without a second source.
    `quarantined`: under the chosen policy. `sources`: [{name, price_idr, event_time}]. `reasons`: [{rule,
    severity, message}], errors first. `policies`: seed and calibrated -> would refuse it. `suggestion`:
    payload fields or None. `thresholds`: version.
    """

    flags: dict[str, bool]
    quarantined: bool
    sources: list[dict[str, Any]]
    reasons: list[dict[str, str]]
    policies: dict[str, bool]
    suggestion: dict[str, float] | None
    thresholds: str


def check_price(
    rows: Sequence[Mapping[str, Any]],
    *,
    market_id: str,
    commodity: str,
    price_idr: float,
    market_date: date,
    knobs: Mapping[str, Any],
) -> PriceCheck:
    """The verdict that the stream would give on a price.

    `rows`: rows of gold.series_stats (dicts; dates as date, missing as None) of this commodity and channel,
    all of them or at least those of `market_id`; none at all is fine: every validator then abstains.
    `commodity`: id of the reference list. Levels of its siblings are not compared.
    `market_date`: the price's day in the market's zone. `knobs`: settings().rule_values(). Pure: it
    writes nothing. The table describes the day after the newest closing; for another day its windows are as
    old as the table.
    """
    thresholds = Thresholds.of(knobs)
    listed = commodities()[commodity]
    rules = PriceRules(thresholds)
    own = next((row for row in rows if row["market_id"] == market_id and row["provider"] == "market"), None)
    of = _statistics(own, rows)
    day = _day_compared((market_date - EPOCH).days, of)
    policies: dict[str, bool] = {}
    violated: list[str] = []
    scores: Scores = {}
    for policy in ("seed", "calibrated"):
        under = replace(thresholds, policy=policy)
        scores = score(np.array([price_idr], dtype=np.float64), day, of, under, listed, ai=True)
        flags = rules.violated(scores, policy)
        policies[policy] = bool(rules.refused(flags)[0] or scores["outside_band"][0])
        if policy == thresholds.policy:
            violated = [name for name, flag in flags.items() if flag[0]]
    shown = {**readable(scores, 0, tuple(scores)), "price_idr": float(price_idr)}
    power = int(scores["unit_power"][0])
    return PriceCheck(
        flags={name.removesuffix("_flag"): bool(scores[name][0]) for name in FLAGS},
        quarantined=policies[thresholds.policy],
        sources=[
            {name: source[name] for name in ("name", "price_idr", "event_time")}
            for source in (own or {}).get("sources") or []
        ],
        reasons=_reasons(violated, rules, shown, scores, listed),
        policies=policies,
        suggestion={"price": round(float(scores["suggested_price_idr"][0]), 2)} if power else None,
        thresholds=thresholds.version,
    )


def _statistics(own: Mapping[str, Any] | None, rows: Sequence[Mapping[str, Any]]) -> dict[str, Floats]:
    """`statistics.NUMBERS` as arrays of one entry; an unknown series has only those of the nation."""
    values: dict[str, Any] = dict.fromkeys(NUMBERS)
    if rows:
        values |= {name: rows[0][name] for name in NATIONAL}
    if own is not None:
        values |= {name: own[name] for name in NUMBERS}
    values |= {name: values[name] or 0 for name in ("n", "peers")}
    return {name: np.array([_number(value)]) for name, value in values.items()}


def _day_compared(day: int, of: dict[str, Floats]) -> int:
    """The price's day, but one after the statistics: a move within a day that they include has no length."""
    last = of["last_day"][0]
    return max(day, int(last) + 1) if np.isfinite(last) else day


def _number(value: Any) -> float:
    if value is None:
        return float("nan")
    return float((value - EPOCH).days) if isinstance(value, date) else float(value)


def _reasons(
    violated: list[str], rules: PriceRules, shown: dict[str, Any], scores: Scores, commodity: Commodity
) -> list[dict[str, str]]:
    reasons = [
        {"rule": name, "severity": rules.by_name[name].severity, "message": rules.message(name, shown)}
        for name in violated
    ]
    if scores["outside_band"][0]:
        band = next(rule for rule in kinds()["price"].rules if rule.name == "price_in_band")
        low, high = commodity.band_idr
        values = {"band_low_idr": float(low), "band_high_idr": float(high), "commodity": commodity.id}
        text = render_message(band.message, {"p.price": shown["price_idr"], **values})
        reasons.append({"rule": band.name, "severity": band.severity, "message": text})
    return sorted(reasons, key=lambda reason: reason["severity"] != "error")
