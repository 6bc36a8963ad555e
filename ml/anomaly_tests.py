"""The tests that tell a shock from a suspected manipulation from noise, each with its value."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from lakehouse.reference import ceiling_on
from lakehouse.validation.thresholds import Thresholds
from ml.anomaly_moves import FINAL_DAYS, Move
from ml.anomaly_reports import Floats, Reports
from ml.anomaly_scores import Scores

REPORTERS_DAYS, REPORTERS_SHARE = 28, 0.6
NEIGHBOUR_SHARE, ISOLATED_PART = 0.5, 0.25
TRUST_LEAST, REVERTS_LEAST, CEILING_NEAR = 0.6, 0.15, 0.01
COPIED_DAYS, SAME_AS_DAYS, MOVING_SHARE = 5, 3, 0.5
SOURCE_DAYS = 180
SWAP_FLOOR = 0.005  # log distance to another good's price that is still "its" price
EPOCH = date(1970, 1, 1)
Value = dict[str, Any]


@dataclass(frozen=True)
class Tests:
    """Name -> {value …, passed: true | false | None (nothing to test by)}."""

    entry_error: Value
    noise: dict[str, Value]
    shock: dict[str, Value]
    isolated: Value
    manipulation: dict[str, Value]


def reporters(reports: Reports, move: Move, series: int, row: int) -> dict[str, Value]:
    """Fewer reporters than usual, or one whom nobody knows; a move that lasts is no noise, whoever saw it first."""
    start = int(np.searchsorted(reports.days, reports.days[row] - REPORTERS_DAYS))
    before = reports.reporters[start:row, series]
    before = before[np.isfinite(before)]
    usual = float(np.median(before)) if len(before) else None
    today = float(reports.reporters[row, series])
    few = None if usual is None else bool(today < REPORTERS_SHARE * usual)
    newcomer, brief = bool(reports.newcomer[row, series]), not move.persisted
    return {
        "few_reporters": {"reporters": today, "usual": usual, "passed": few and brief if few else few},
        "new_reporter_alone": {"new": newcomer, "passed": newcomer and brief},
    }


def shared(move: Move, region: str, thresholds: Thresholds) -> dict[str, Value]:
    """Provinces, the own one among them, and its nearest ones, that moved the same way by at least half."""
    alike = {**move.alike(thresholds.shock_part), region: not move.stayed}
    enough = len(alike) >= thresholds.min_peers
    share = sum(alike.values()) / len(alike)
    near = move.neighbours(region)
    near_share = float((near >= thresholds.shock_part).mean()) if len(near) else None
    return {
        "provinces": {"share": share, "count": len(alike), "passed": share >= thresholds.shock_share if enough else None},
        "neighbours": {"share": near_share, "passed": None if near_share is None else near_share >= NEIGHBOUR_SHARE},
    }


def isolated(move: Move, region: str) -> Value:
    """No neighbour moved the same way by a quarter of it, the country's move taken out of both."""
    near = move.neighbours(region, less_country=True)
    most = float(near.max()) if len(near) else None
    return {"largest_neighbour_share": most, "passed": None if most is None else most < ISOLATED_PART}


def sources(reports: Reports, found: Scores, move: Move, series: int, row: int, thresholds: Thresholds) -> tuple[Value, Value]:
    """(agreement, mismatch) with other sources of the region and level, centred on their usual distance of 180 days.

    Another agrees when on the day, or while the move lasts on the next ones, it is within the tolerance and has itself moved the
    same way by half: standing still near it is no agreement. The mismatch is that of the day itself.
    """
    provider, _, region = reports.series[series]
    tolerance, level = thresholds.tolerance_of(reports.commodity), reports.levels[series]
    start = int(np.searchsorted(reports.days, reports.days[row] - SOURCE_DAYS))
    own, half = np.log(found.closing[start:row, series]), thresholds.shock_part * abs(move.size)
    gaps, agreeing, pairs = {}, [], 0
    for other in sorted({name for name, _, _ in reports.series} - {provider}):
        where = [n for n, one in enumerate(reports.series) if (one[0], one[2], reports.levels[n]) == (other, region, level)]
        distance = own - _row_median(np.log(found.closing[start:row][:, where]))
        distance = distance[np.isfinite(distance)]
        if len(distance) < thresholds.source_pairs:
            continue
        pairs = max(pairs, len(distance))
        gap = np.log(move.prices[:, series]) - _row_median(np.log(move.prices[:, where])) - np.median(distance)
        both = np.fmin(_row_median(move.moves[:, where]) * np.sign(move.size), move.moves[:, series] * np.sign(move.size))
        if np.isfinite(gap[0]):
            gaps[other] = float(gap[0])
        if ((np.abs(gap) <= tolerance) & (both >= half)).any():
            agreeing.append(other)
    told = {"gaps": gaps, "tolerance": tolerance, "pairs": pairs}
    nearest_gap = min((abs(gap) for gap in gaps.values()), default=None)
    return (
        {**told, "agreeing": agreeing, "passed": bool(agreeing) if pairs else None},
        {**told, "passed": None if nearest_gap is None else nearest_gap > tolerance},
    )


def reverts(move: Move) -> Value:
    """Part of the move was given back within four market days."""
    back = move.reverted
    return {"share": back, "days": len(move.remaining), "passed": None if back is None else back >= REVERTS_LEAST}


def copied(reports: Reports, move: Move, series: int, row: int) -> Value:
    """The same digits five days running in a series that usually moves, or those of another market on three of them."""
    own = move.prices[:, series]
    before = reports.price[max(row - 60, 0) : row, series]
    before = before[np.isfinite(before)]
    moving = float((np.diff(before) != 0).mean()) if len(before) > 1 else 0.0
    same_digits = bool(np.isfinite(own).sum() >= COPIED_DAYS and (own == own[0]).all() and moving >= MOVING_SHARE)
    equal = np.delete(own[:, None] == move.prices, series, axis=1).sum(axis=0)
    past = reports.price[max(row - FINAL_DAYS - 1, 0) : row]
    equal_before = np.delete(past[:, [series]] == past, series, axis=1).sum(axis=0)
    same_as = bool(((equal >= SAME_AS_DAYS) & (equal_before <= 1)).any()) and moving >= MOVING_SHARE
    known = len(move.prices) > SAME_AS_DAYS - 1
    return {
        "same_digits": same_digits, "same_as_another": same_as, "days_that_moved": moving,
        "passed": (same_digits or same_as) if known else None,
    }  # fmt: skip


def at_ceiling(reports: Reports, move: Move, series: int, row: int) -> Value:
    """The move ends within one percent of the legal ceiling or floor, and began farther off."""
    level = {"retail": "consumer", "producer": "producer"}.get(reports.channel)
    day = EPOCH + timedelta(days=int(reports.days[row]))
    bound = ceiling_on(day, reports.commodity, reports.regions[series], level) if level else None
    if bound is None or bound.bound_idr is None:
        return {"ceiling_idr": None, "passed": None}
    distance = float(np.log(reports.price[row, series] / bound.bound_idr))
    passed = abs(distance) <= CEILING_NEAR < abs(distance - move.size)
    return {"ceiling_idr": bound.bound_idr, "log_distance": distance, "passed": passed}


def trust(reports: Reports, series: int, row: int) -> Value:
    """(1 + accepted) / (2 + accepted + refused) of the reporting device over 90 days."""
    value = float(reports.trust[row, series])
    return {"trust": value if np.isfinite(value) else None, "passed": value < TRUST_LEAST if np.isfinite(value) else None}


def entry_error(
    reports: Reports, found: Scores, goods: Mapping[str, tuple[Reports, Scores]], series: int, row: int, thresholds: Thresholds
) -> Value:
    """A power of ten, a multiple that no market moves by, or the price of another good of the series: slips of the pen."""
    power = int(np.nan_to_num(found.unit_power[row, series]))
    swapped = None
    day, price = reports.days[row], reports.price[row, series]
    far = np.nan_to_num(found.strength[row, series]) > 1
    for name, (other, scored) in goods.items():
        at = int(np.searchsorted(other.days, day))
        if not far or name == reports.commodity or reports.series[series] not in other.series:
            continue
        column = other.series.index(reports.series[series])
        if at >= len(other.days) or other.days[at] != day:
            continue
        reach = max(SWAP_FLOOR, min(float(np.nan_to_num(scored.own_scale[at, column])), 2 * SWAP_FLOOR))
        named = (other.price[at, column], scored.last_price_idr[at, column])
        near = [abs(np.log(price / one)) for one in named if np.isfinite(one)]
        swapped = name if near and min(near) <= reach else swapped
    ratio = float(np.exp(np.log(price) - found.level[row, series]))
    beyond = bool(max(ratio, 1 / ratio) > thresholds.range_factor) if np.isfinite(ratio) else False
    return {"unit_power": power, "ratio_to_week": ratio, "price_of": swapped, "passed": bool(power or beyond or swapped)}


def _row_median(values: Floats) -> Floats:
    """(days,) median over columns; NaN for a day without values."""
    return np.array([np.median(day[np.isfinite(day)]) if np.isfinite(day).any() else np.nan for day in values])
