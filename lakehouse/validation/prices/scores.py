"""Scores and flags of a price by the statistics of its series, for the stream, the day close and the API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.reference import Commodity
from lakehouse.validation.prices import isolation_forest
from lakehouse.validation.prices.siblings import NO_SIBLINGS, SiblingLevels
from lakehouse.validation.prices.statistics import LEVEL_DAYS, OF_WINDOW, friday_before, weekday
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.windows import Floats, Ints

Flags = npt.NDArray[np.bool_]
# Columns of silver.price_verdicts.
Scores = dict[str, npt.NDArray[Any]]
# Shares of the median: most changes of stable commodities are exactly zero.
FLOOR_SD = 0.005
FLOOR_IQR = 0.01
FLOOR_MAD = 0.005
# Log units.
FLOOR_RESIDUAL = 0.01
FLOOR_GAP = 0.02
FLOOR_PACE = 1e-4
# Log units; 10 is 2.3 away from 1.
MAX_UNIT_TOLERANCE = 0.5


@dataclass(frozen=True)
class _Prices:
    """Prices with what several of their scores are computed from, an entry a row."""

    idr: Floats
    log: Floats
    move: Floats
    age: Floats
    day: int | Ints
    of: Mapping[str, Floats]
    warm: Flags
    thresholds: Thresholds


def score(
    prices: Floats,
    day: int | Ints,
    of: Mapping[str, Floats],
    thresholds: Thresholds,
    commodity: Commodity,
    ai: bool = False,
    siblings: SiblingLevels = NO_SIBLINGS,
) -> Scores:
    """Columns of silver.price_verdicts that follow from the price, one entry a row.

    `prices`: rupiah, finite and above 0. `day`: epoch day of all rows, or of each. `of`: statistics of each
    row's series (`statistics.NUMBERS`). `commodity`: its daily volatility is used until a series has its own.
    `ai`: evaluate the isolation forest for all rows, not only where its vote decides. `siblings`: their
    levels, an entry a row.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        days: Ints = np.asarray(day)
        log = np.log(prices)
        warm = of["n"] >= thresholds.warmup_observations
        age = day - of["last_day"]
        move = log - of["last_log"]
        carried = (
            (weekday(days) >= 5) & (of["friday_day"] == friday_before(days)) & (prices == of["friday_idr"])
        )
        given = _Prices(prices, log, move, age, day, of, warm, thresholds)
        scores: Scores = {name: of[name] for name in (*OF_WINDOW, "national_move")}
        scores |= {
            "last_price_idr": np.round(np.exp(of["last_log"]), 4),
            "days_since_last": age,
            "move": move,
            "carried": carried,
        }
        scores |= _votes(given)
        scores |= _calibrated(given, warm & ~carried)
        scores |= _siblings(given, siblings, scores["confirmed"])
        scores |= _unit_error(given, commodity.daily_volatility)
        scores |= _sources(given, thresholds.tolerance_of(commodity.id))
        scores |= _plausibility(given)
        scores |= _forest(given, scores, ai)
        scores["outside_band"] = (prices < commodity.band_idr[0]) | (prices > commodity.band_idr[1])
        scores["votes"] = scores["zscore_flag"].astype(np.int32) + scores["iqr_flag"] + scores["ai_flag"]
    scores["cause"] = _cause(of, warm, carried)
    return scores


def _votes(given: _Prices) -> Scores:
    """z-score, IQR fence, deviation and Hampel over the 60-day window, every scale with its floor."""
    prices, of = given.idr, given.of
    warm, thresholds = given.warm, given.thresholds
    middle = of["median_idr"]
    zscore = np.abs(prices - of["mean_idr"]) / np.fmax(of["sd_idr"], FLOOR_SD * middle)
    reach = thresholds.iqr * np.fmax(of["q3_idr"] - of["q1_idr"], FLOOR_IQR * middle)
    deviation = np.abs(prices / middle - 1)
    hampel = np.abs(prices - middle) / np.fmax(1.4826 * of["mad_idr"], FLOOR_MAD * middle)
    by_name = {"zscore": zscore, "deviation": deviation, "hampel": hampel}
    return {
        **{name: np.where(warm, value, np.nan) for name, value in by_name.items()},
        "zscore_flag": warm & (zscore > thresholds.zscore),
        "iqr_flag": warm & ((prices < of["q1_idr"] - reach) | (prices > of["q3_idr"] + reach)),
        "deviation_flag": warm & (deviation > thresholds.deviation),
        "hampel_flag": warm & (hampel > thresholds.hampel),
    }


def _calibrated(given: _Prices, judged: Flags) -> Scores:
    """Residual and geographic scores.

    score_r: the move less the national move of the last closed day, or the move itself where that is
    smaller: a price that stands still is no outlier, whatever the country did the day before. After a week
    without a change it is the distance to the usual gap where that is smaller: the price has caught up.
    A move grows with the root of the days since the last price. It is `confirmed` when it also leads away
    from the level of the last week: else it is the way back from a price that should not have been accepted.
    score_g: the gap to the national level less the usual gap; 0 for a move towards it, and for no move. When
    the last accepted price already exceeds the limit, its level was released, and only what the move adds
    counts.
    """
    log, move = given.log, given.move
    of, thresholds = given.of, given.thresholds
    expected = np.where(np.isfinite(of["national_move"]), of["national_move"], 0.0)
    away = log - of["level_7"]
    led_away = (np.sign(away) == np.sign(move)) & (np.abs(away) >= thresholds.confirmation * np.abs(move))
    gap = log - of["national_level"] - of["gap_median"]
    residual = np.fmin(np.abs(move - expected), np.abs(move))
    stood_still = given.day - of["change_day"] > LEVEL_DAYS
    residual = np.where(stood_still, np.fmin(residual, np.abs(gap)), residual) / np.sqrt(given.age)
    score_r = residual / (of["residual_scale"] + FLOOR_RESIDUAL)
    gap_scale = of["gap_scale"] + FLOOR_GAP
    before = np.abs(gap - move)
    known_level = before > thresholds.geographic * gap_scale
    widened = np.maximum(np.abs(gap) - np.where(known_level, before, 0.0), 0.0)
    score_g = np.where(np.abs(gap) <= before, 0.0 * gap, widened) / gap_scale
    return {
        "score_r": np.where(judged, score_r, np.nan),
        "confirmed": judged & (led_away | ~np.isfinite(away)),
        "score_g": np.where(judged, score_g, np.nan),
    }


def _siblings(given: _Prices, siblings: SiblingLevels, judged: Flags) -> Scores:
    """The sibling at whose level the price lies instead of its own, and that level in rupiah.

    As for score_r the move must lead away from the level of the last week.
    """
    names, levels = siblings.nearest(given.log, np.where(judged, given.of["last_log"], np.nan))
    return {"sibling": names, "sibling_idr": np.round(np.exp(levels), 4)}


def _unit_error(given: _Prices, volatility: float) -> Scores:
    """`unit_power`: k in -3..3 when the ratio to the last accepted price is near 10^k, else 0."""
    pace = np.fmax(given.of["own_scale"] + FLOOR_PACE, np.where(given.warm, 0.0, volatility))
    least = given.thresholds.unit_tolerance
    tolerance = np.clip(2 * pace * np.sqrt(given.age), least, MAX_UNIT_TOLERANCE)
    power = np.clip(np.rint(given.move / np.log(10)), -3, 3)
    is_unit_error = (power != 0) & (np.abs(given.move - power * np.log(10)) <= tolerance)
    power = np.where(is_unit_error, power, 0).astype(np.int32)
    suggested = np.where(is_unit_error, given.idr / 10.0**power, np.nan)
    return {"unit_power": power, "suggested_price_idr": suggested}


def _sources(given: _Prices, tolerance: float) -> Scores:
    """Distance to the price that other sources lead to expect.

    With too few pairs the tolerance is doubled, and there is never an error.
    """
    of = given.of
    gap = given.log - of["source_log"]
    paired = of["source_pairs"] >= given.thresholds.source_pairs
    limit = np.where(np.isfinite(gap), np.where(paired, tolerance, 2 * tolerance), np.nan)
    differs = np.abs(gap) > limit
    return {
        "source_gap": gap,
        "source_tolerance": limit,
        "source_pairs": np.where(np.isfinite(gap), of["source_pairs"], np.nan),
        "source_differs": differs,
        "source_mismatch": paired & (np.abs(gap) > 2 * tolerance),
        "multi_source_ok": ~(differs & paired),
    }


def _plausibility(given: _Prices) -> Scores:
    """Ratio to the national median, staleness among moving peers, national gap without own history."""
    of, thresholds = given.of, given.thresholds
    unchanged = (given.log == of["last_log"]) & (given.day - of["change_day"] > thresholds.stale_days)
    return {
        "national_ratio": given.idr / of["national_median_idr"],
        "stale": unchanged & (of["peers"] >= thresholds.min_peers) & (of["peers_moved"] >= 0.5),
        "national_gap": ~given.warm & (np.abs(given.log - of["national_level"]) > thresholds.national_gap),
    }


def _forest(given: _Prices, scores: Scores, everywhere: bool) -> Scores:
    """Isolation-forest score 0..1 where it can matter: under the seed policy with one other vote."""
    one_vote = scores["zscore_flag"] ^ scores["iqr_flag"]
    wanted = given.warm & (given.of["own_scale"] > 0) & ~scores["carried"]
    if not everywhere:
        wanted = wanted & one_vote & (given.thresholds.policy == "seed")
    values = np.full(len(given.log), np.nan)
    if wanted.any():
        features = forest_features(scores, given.log, given.day, given.of)
        values[wanted] = isolation_forest.score(features[wanted])
    return {"forest_score": values, "ai_flag": values > given.thresholds.forest}


def forest_features(scores: Scores, log: Floats, day: int | Ints, of: Mapping[str, Floats]) -> Floats:
    """[rows, isolation_forest.FEATURES] of prices by their scores."""
    pace = of["own_scale"] + FLOOR_PACE
    features = {
        "score_r": scores["score_r"],
        "score_g": scores["score_g"],
        "pace": np.abs(scores["move"]) / pace,
        "drift": np.abs(log - of["average_28"]) / (pace * np.sqrt(28)),
        "days_since_change": day - of["change_day"],
    }
    return np.stack([features[name] for name in isolation_forest.FEATURES], axis=1)


def _cause(of: Mapping[str, Floats], warm: Flags, carried: Flags) -> npt.NDArray[np.str_]:
    """Why a validator abstained, the most important reason first; empty when none did."""
    alone = ~np.isfinite(of["national_level"])
    return np.select(
        [~warm, carried, of["own_scale"] == 0, alone],
        ["warmup", "carried", "zero_scale", "no_peer"],
        default="",
    )
