"""Reports -> scores of every series-day with the same-day cross-section, through the validator's own formulas."""

from dataclasses import dataclass

import numpy as np

from lakehouse.reference import commodities
from lakehouse.validation import forest
from lakehouse.validation.price_panel import FRESH_DAYS, Panel
from lakehouse.validation.price_scores import FLOOR_PACE, score
from lakehouse.validation.price_stats import Statistics, statistics
from lakehouse.validation.thresholds import Thresholds
from lakehouse.validation.windows import median_of
from ml.anomaly_reports import Flags, Floats, Reports

KEPT = ("score_r", "score_g", "unit_power", "source_gap", "last_price_idr")
WEEK = 7


@dataclass(frozen=True)
class Scores:
    """[days, series], NaN where nothing could be said: too little history, a value carried over the weekend."""

    score_r: Floats  # move less the national move of the same day, in usual moves; 0 for a way back to the week's level
    score_g: Floats  # gap to the national level of the same day less the usual gap, in usual gaps
    strength: Floats  # max(score_r / its limit, score_g / its limit): above 1 is an alarm
    unit_power: Floats  # k when the price is 10^k times the last one, else 0
    source_gap: Floats  # log distance to what other sources lead to expect
    last_price_idr: Floats  # last accepted closing
    level: Floats  # log of the week before: what a move is measured from
    own_scale: Floats  # mean size of a daily move, log
    gap: Floats  # score_g's gap less the usual one, log
    move_7: Floats  # log move over a week
    closing: Floats  # rupiah that the next days are judged by; NaN where the report was refused
    features: Floats  # [days, series, forest.FEATURES]

    @property
    def hard(self) -> Flags:
        """Unit errors: a hard gate."""
        return np.nan_to_num(self.unit_power) != 0


def scores(reports: Reports, thresholds: Thresholds) -> Scores:
    """Judge day by day: statistics read closings of earlier days only, the cross-section reads the reports of the day itself."""
    panel = Panel(thresholds.allowed_lateness_days, thresholds.min_peers)
    columns = np.array([panel.column(one, level) for one, level in zip(reports.series, reports.levels, strict=True)])
    shape = reports.price.shape
    names = (*KEPT, "strength", "level", "own_scale", "gap", "move_7", "closing")
    made: dict[str, Floats] = {name: np.full(shape, np.nan) for name in names}
    made["features"] = np.full((*shape, len(forest.FEATURES)), np.nan)
    for row, day in enumerate(reports.days.tolist()):
        there = np.flatnonzero(np.isfinite(reports.price[row]))
        _judge_day(panel, columns, reports, row, there, thresholds, made)
        prices = made["closing"][row, there]
        kept = np.isfinite(prices)
        ids = np.array([f"{row:08}-{nth}" for nth in there[kept].tolist()], dtype=object)
        panel.take(day, columns[there[kept]], prices[kept], reports.time[row, there[kept]], ids)
    return Scores(**made)


def _judge_day(
    panel: Panel,
    columns: np.ndarray,
    reports: Reports,
    row: int,
    there: np.ndarray,
    thresholds: Thresholds,
    made: dict[str, Floats],
) -> None:
    day, good = int(reports.days[row]), commodities()[reports.commodity]
    known, _ = statistics(panel, day, thresholds)
    of = {name: values[columns[there]] for name, values in known.items()}
    prices = reports.price[row, there]
    now = np.full(panel.width, np.nan)
    now[columns[there]] = np.log(prices)
    of |= {name: np.full(len(there), value) for name, value in cross_section(now, known, day, thresholds).items()}
    said = score(prices, day, of, thresholds, good, thresholds.tolerance_of(good.id))
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(prices)
        score_r = np.where(said["confirmed"], said["score_r"], np.where(np.isfinite(said["score_r"]), 0.0, np.nan))
        strength = np.fmax(score_r / thresholds.residual, said["score_g"] / thresholds.geographic)
        pace = of["own_scale"] + FLOOR_PACE
        features = {
            "score_r": said["score_r"],
            "score_g": said["score_g"],
            "pace": np.abs(said["move"]) / pace,
            "drift": np.abs(log - of["average_28"]) / (pace * np.sqrt(28)),
            "days_since_change": day - of["change_day"],
        }
        judged = np.isfinite(said["score_r"]) & (of["own_scale"] > 0)
        stacked = np.stack([features[name] for name in forest.FEATURES], axis=1)
        made["features"][row, there] = np.where(judged[:, None], stacked, np.nan)
        gap = log - of["national_level"] - of["gap_median"]
    rows = panel.closed(day)
    before = panel.grid("last_log", 0, rows)[max(panel.closed(day - WEEK + 1) - 1, 0)] if rows else np.full(panel.width, np.nan)
    values = {name: said[name] for name in KEPT} | {
        "score_r": score_r, "strength": strength, "level": of["level_7"], "own_scale": of["own_scale"], "gap": gap,
        "move_7": log - before[columns[there]],
    }  # fmt: skip
    for name, value in values.items():
        made[name][row, there] = value
    refused = (strength > 1) | (said["unit_power"] != 0)
    own = np.where(refused, np.nan, prices)
    made["closing"][row, there] = own if reports.accepted is None else reports.accepted[row, there]


def cross_section(now: Floats, known: Statistics, day: int, thresholds: Thresholds) -> dict[str, float]:
    """National move and level as the day itself shows them; nothing, so those of the last closed day, when too few report.

    `now`: log price of every series of the panel, NaN where it did not report; a closing of the last week then stands in.
    """
    age = day - known["last_day"]
    move = median_of(np.where(age <= FRESH_DAYS, now - known["last_log"], np.nan), thresholds.min_peers)
    standing = np.where(np.isfinite(now), now, np.where(age < FRESH_DAYS, known["last_log"], np.nan))
    level = median_of(standing, thresholds.min_peers)
    found = {"national_move": move, "national_level": level}
    return {name: value for name, value in found.items() if np.isfinite(value)}


def forest_scores(found: Scores, where: Flags | None = None) -> Floats:
    """[days, series] isolation-forest score 0..1, all days at once; only at `where` when given, which is what costs."""
    judged = np.isfinite(found.features).all(axis=2)
    if where is not None:
        judged &= where
    values = np.full(judged.shape, np.nan)
    if judged.any():
        values[judged] = forest.score(found.features[judged])
    return values
