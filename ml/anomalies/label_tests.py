"""The tests that separate a shock from a suspected manipulation and from noise, each with its value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from lakehouse.reference import ceiling_on
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.windows import median_of
from ml.anomalies.moves import FINAL_DAYS, Move
from ml.anomalies.observations import Reports
from ml.anomalies.scores import Scores

REPORTERS_DAYS = 28
REPORTERS_SHARE = 0.6  # of the usual number; fewer reporters are few
NEIGHBOUR_SHARE = 0.5
ISOLATED_PART = 0.25
TRUST_LEAST = 0.6
REVERTS_LEAST = 0.15
CEILING_NEAR = 0.01  # log distance
COPIED_DAYS = 5
SAME_AS_DAYS = 3
MOVING_SHARE = 0.5
SOURCE_DAYS = 180
SWAP_FLOOR = 0.005  # log distance to the price of another commodity that still counts as its price
EPOCH = date(1970, 1, 1)
Outcome = dict[str, Any]  # values of the test, and `passed`: true, false or None (nothing to test with)


@dataclass(frozen=True)
class LabelTests:
    """Outcomes of all tests of one event. The field names are keys of gold.anomalies' `evidence`."""

    entry_error: Outcome
    noise: dict[str, Outcome]
    shock: dict[str, Outcome]
    isolated: Outcome
    manipulation: dict[str, Outcome]


def reporters(reports: Reports, move: Move, series: int, row: int) -> dict[str, Outcome]:
    """Fewer reporters than usual, or a single new one.

    A move that lasts is no noise, whoever reported it first.
    """
    start = int(np.searchsorted(reports.days, reports.days[row] - REPORTERS_DAYS))
    before = reports.reporters[start:row, series]
    before = before[np.isfinite(before)]
    usual = float(np.median(before)) if len(before) else None
    today = float(reports.reporters[row, series])
    few = None if usual is None else bool(today < REPORTERS_SHARE * usual)
    newcomer = bool(reports.newcomer[row, series])
    brief = not move.persisted
    return {
        "few_reporters": {"reporters": today, "usual": usual, "passed": few and brief if few else few},
        "new_reporter_alone": {"new": newcomer, "passed": newcomer and brief},
    }


def thin_day(reports: Reports, series: int, row: int, thresholds: Thresholds) -> Outcome:
    """The sample of the day is thin: few places reported, or many prices are round."""
    sample = reports.thin_sample(series, row, thresholds)
    return {**(asdict(sample) if sample else {}), "passed": sample is not None}


def shared(move: Move, region: str, thresholds: Thresholds) -> dict[str, Outcome]:
    """Shares of all provinces (own included) and of the nearest that moved the same way by half or more."""
    alike = {**move.alike(thresholds.shock_part), region: not move.stayed}
    enough = len(alike) >= thresholds.min_peers
    share = sum(alike.values()) / len(alike)
    near = move.neighbours(region)
    near_share = float((near >= thresholds.shock_part).mean()) if len(near) else None
    return {
        "provinces": {
            "share": share,
            "count": len(alike),
            "passed": share >= thresholds.shock_share if enough else None,
        },
        "neighbours": {
            "share": near_share,
            "passed": None if near_share is None else near_share >= NEIGHBOUR_SHARE,
        },
    }


def isolated(move: Move, region: str) -> Outcome:
    """No neighbour moved the same way by a quarter of it, the country's move subtracted from both."""
    near = move.neighbours(region, less_country=True)
    most = float(near.max()) if len(near) else None
    return {"largest_neighbour_share": most, "passed": None if most is None else most < ISOLATED_PART}


def sources(
    reports: Reports, scores: Scores, move: Move, series: int, row: int, thresholds: Thresholds
) -> tuple[Outcome, Outcome]:
    """(agreement, mismatch) with other sources of the region and level, less the usual distance of 180 days.

    A source agrees when on the day, or on one of the next days while the move lasts, it is within the
    tolerance and has itself moved the same way by half: an unchanged price nearby is no agreement. The
    mismatch is that of the day itself.
    """
    provider, _, region = reports.series[series]
    tolerance = thresholds.tolerance_of(reports.commodity)
    level = reports.levels[series]
    start = int(np.searchsorted(reports.days, reports.days[row] - SOURCE_DAYS))
    own = np.log(scores.closing[start:row, series])
    half = thresholds.shock_part * abs(move.size)
    gaps: dict[str, float] = {}
    agreeing: list[str] = []
    pairs = 0
    for other in sorted({name for name, _, _ in reports.series} - {provider}):
        columns = [
            number
            for number, (name, _, code) in enumerate(reports.series)
            if (name, code, reports.levels[number]) == (other, region, level)
        ]
        distance = own - median_of(np.log(scores.closing[start:row][:, columns]), 1)
        distance = distance[np.isfinite(distance)]
        if len(distance) < thresholds.source_pairs:
            continue
        pairs = max(pairs, len(distance))
        other_price = median_of(np.log(move.prices[:, columns]), 1)
        gap = np.log(move.prices[:, series]) - other_price - np.median(distance)
        direction = np.sign(move.size)
        both = np.fmin(median_of(move.moves[:, columns], 1) * direction, move.moves[:, series] * direction)
        if np.isfinite(gap[0]):
            gaps[other] = float(gap[0])
        if ((np.abs(gap) <= tolerance) & (both >= half)).any():
            agreeing.append(other)
    measured = {"gaps": gaps, "tolerance": tolerance, "pairs": pairs}
    nearest_gap = min((abs(gap) for gap in gaps.values()), default=None)
    return (
        {**measured, "agreeing": agreeing, "passed": bool(agreeing) if pairs else None},
        {**measured, "passed": None if nearest_gap is None else nearest_gap > tolerance},
    )


def reverts(move: Move) -> Outcome:
    """Part of the move was reversed within four market days."""
    back = move.reverted
    return {
        "share": back,
        "days": len(move.remaining),
        "passed": None if back is None else back >= REVERTS_LEAST,
    }


def copied(reports: Reports, move: Move, series: int, row: int) -> Outcome:
    """The same price for five days in a series that usually moves, or another market's on three of them."""
    own = move.prices[:, series]
    before = reports.price[max(row - 60, 0) : row, series]
    before = before[np.isfinite(before)]
    moving = float((np.diff(before) != 0).mean()) if len(before) > 1 else 0.0
    same_digits = bool(
        np.isfinite(own).sum() >= COPIED_DAYS and (own == own[0]).all() and moving >= MOVING_SHARE
    )
    equal = np.delete(own[:, None] == move.prices, series, axis=1).sum(axis=0)
    past = reports.price[max(row - FINAL_DAYS - 1, 0) : row]
    equal_before = np.delete(past[:, [series]] == past, series, axis=1).sum(axis=0)
    same_as = bool(((equal >= SAME_AS_DAYS) & (equal_before <= 1)).any()) and moving >= MOVING_SHARE
    known = len(move.prices) > SAME_AS_DAYS - 1
    return {
        "same_digits": same_digits, "same_as_another": same_as, "days_that_moved": moving,
        "passed": (same_digits or same_as) if known else None,
    }  # fmt: skip


def at_ceiling(reports: Reports, move: Move, series: int, row: int) -> Outcome:
    """The move ends within one percent of the legal ceiling or floor, and began farther away."""
    level = {"retail": "consumer", "producer": "producer"}.get(reports.channel)
    day = EPOCH + timedelta(days=int(reports.days[row]))
    bound = ceiling_on(day, reports.commodity, reports.regions[series], level) if level else None
    if bound is None or bound.bound_idr is None:
        return {"ceiling_idr": None, "passed": None}
    distance = float(np.log(reports.price[row, series] / bound.bound_idr))
    passed = abs(distance) <= CEILING_NEAR < abs(distance - move.size)
    return {"ceiling_idr": bound.bound_idr, "log_distance": distance, "passed": passed}


def trust(reports: Reports, series: int, row: int) -> Outcome:
    """(1 + accepted) / (2 + accepted + refused) of the reporting device over 90 days."""
    value = float(reports.trust[row, series])
    return {
        "trust": value if np.isfinite(value) else None,
        "passed": value < TRUST_LEAST if np.isfinite(value) else None,
    }


def entry_error(
    reports: Reports,
    scores: Scores,
    by_commodity: Mapping[str, tuple[Reports, Scores]],
    series: int,
    row: int,
    thresholds: Thresholds,
) -> Outcome:
    """A power of ten, a multiple that no market moves by, or the price of another commodity of the series."""
    power = int(np.nan_to_num(scores.unit_power[row, series]))
    swapped = None
    day = reports.days[row]
    price = reports.price[row, series]
    is_alarm = np.nan_to_num(scores.strength[row, series]) > 1
    for name, (other, other_scores) in by_commodity.items():
        at = int(np.searchsorted(other.days, day))
        if not is_alarm or name == reports.commodity or reports.series[series] not in other.series:
            continue
        column = other.series.index(reports.series[series])
        if at >= len(other.days) or other.days[at] != day:
            continue
        usual_move = float(np.nan_to_num(other_scores.own_scale[at, column]))
        reach = max(SWAP_FLOOR, min(usual_move, 2 * SWAP_FLOOR))
        prices = (other.price[at, column], other_scores.last_price_idr[at, column])
        distances = [abs(np.log(price / other_price)) for other_price in prices if np.isfinite(other_price)]
        if distances and min(distances) <= reach:
            swapped = name
    ratio = float(np.exp(np.log(price) - scores.level[row, series]))
    beyond = bool(max(ratio, 1 / ratio) > thresholds.range_factor) if np.isfinite(ratio) else False
    return {
        "unit_power": power,
        "ratio_to_week": ratio,
        "price_of": swapped,
        "passed": bool(power or beyond or swapped),
    }
