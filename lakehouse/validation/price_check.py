"""One price judged by rows of gold.series_stats: the stream's verdict without the stream (POST /api/validation/price/check)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from lakehouse.contract import kinds
from lakehouse.reference import Commodity, commodities
from lakehouse.validation.price_rules import refused, sentence, stream_rules, violated
from lakehouse.validation.price_scores import Scores, score
from lakehouse.validation.price_stats import NUMBERS
from lakehouse.validation.price_verdicts import readable
from lakehouse.validation.thresholds import Thresholds
from lakehouse.validation.windows import Floats

NATIONAL = ("national_move", "national_level", "national_median_idr", "peers", "peers_moved")
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class PriceCheck:
    """`flags`: zscore, iqr, ai, multi_source_ok (a validator that abstains flags false; no second source: true).

    `quarantined`: under the chosen policy. `sources`: [{name, price_idr, event_time}]. `reasons`: [{rule, severity, message}],
    errors first. `policies`: seed and calibrated -> would refuse it. `suggestion`: payload fields or None. `thresholds`: version.
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
    provider: str = "market",
) -> PriceCheck:
    """What the stream would say of a price.

    `rows`: rows of gold.series_stats (dicts; dates as date, missing as None) of this commodity and channel, all of them or at
    least those of `market_id`; none at all is fine: every validator then abstains. `commodity`: id of the reference list.
    `market_date`: the price's day in the market's zone. `knobs`: settings().validation.model_dump(). Pure: it writes nothing.
    The table stands for the day after the newest closing; for another day its windows are as old as the table is.
    """
    thresholds, good = Thresholds.of(knobs), commodities()[commodity]
    own = next((row for row in rows if row["market_id"] == market_id and row["provider"] == provider), None)
    of = _statistics(own, rows)
    day = (market_date - EPOCH).days
    policies, chosen, said = {}, [], {}
    for policy in ("seed", "calibrated"):
        under = replace(thresholds, policy=policy)
        said = score(np.array([price_idr], dtype=np.float64), day, of, under, good, thresholds.tolerance_of(commodity), ai=True)
        flags = violated(said, under, policy)
        policies[policy] = bool(refused(flags)[0] or said["outside_band"][0])
        if policy == thresholds.policy:
            chosen = [name for name, flag in flags.items() if flag[0]]
    shown = {**readable(said, 0, tuple(said)), "price_idr": float(price_idr), **vars(thresholds), "policy": thresholds.policy}
    power = int(said["unit_power"][0])
    return PriceCheck(
        flags={
            "zscore": bool(said["zscore_flag"][0]),
            "iqr": bool(said["iqr_flag"][0]),
            "ai": bool(said["ai_flag"][0]),
            "multi_source_ok": bool(said["multi_source_ok"][0]),
        },
        quarantined=policies[thresholds.policy],
        sources=[{name: one[name] for name in ("name", "price_idr", "event_time")} for one in (own or {}).get("sources") or []],
        reasons=_reasons(chosen, shown, said, good),
        policies=policies,
        suggestion={"price": round(float(said["suggested_price_idr"][0]), 2)} if power else None,
        thresholds=thresholds.version,
    )


def _statistics(own: Mapping[str, Any] | None, rows: Sequence[Mapping[str, Any]]) -> dict[str, Floats]:
    """price_stats.NUMBERS as arrays of one entry; a series that is not known has only what holds for all."""
    found: dict[str, Any] = dict.fromkeys(NUMBERS)
    if rows:
        found |= {name: rows[0][name] for name in NATIONAL}
    if own is not None:
        found |= {name: own[name] for name in NUMBERS}
    found |= {name: found[name] or 0 for name in ("n", "peers")}
    return {name: np.array([_number(value)]) for name, value in found.items()}


def _number(value: Any) -> float:
    if value is None:
        return float("nan")
    return float((value - EPOCH).days) if isinstance(value, date) else float(value)


def _reasons(chosen: list[str], shown: dict[str, Any], said: Scores, good: Commodity) -> list[dict[str, str]]:
    rules = stream_rules()
    found = [{"rule": name, "severity": rules[name].severity, "message": sentence(rules[name], shown)} for name in chosen]
    if said["outside_band"][0]:
        band = next(rule for rule in kinds()["price"].rules if rule.name == "price_in_band")
        low, high = good.band_idr
        text = f"price {shown['price_idr']:,.0f} lies outside {low:,.0f} to {high:,.0f} rupiah, the bounds of '{good.id}'"
        found.append({"rule": band.name, "severity": band.severity, "message": text})
    return sorted(found, key=lambda reason: reason["severity"] != "error")
