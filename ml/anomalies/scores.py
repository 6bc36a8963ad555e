"""Scores of every series-day, by the formulas of the validator and the cross-section of the day itself."""

from dataclasses import dataclass

import numpy as np

from lakehouse.reference import commodities
from lakehouse.validation.prices import isolation_forest
from lakehouse.validation.prices.closings import FRESH_DAYS, ClosingPanel
from lakehouse.validation.prices.day_close import FOLLOW_DAYS, LEVEL_FLOOR
from lakehouse.validation.prices.scores import forest_features, score
from lakehouse.validation.prices.statistics import Statistics, statistics
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.windows import median_of
from ml.anomalies.observations import Flags, Floats, Ints, Reports

STORED_SCORES = ("score_r", "score_g", "unit_power", "last_price_idr")
WEEK = 7


@dataclass(frozen=True)
class Scores:
    """[days, series]; NaN without a score: too little history, or a value carried over the weekend."""

    # move less the national move of the day, in usual moves; 0 for a return to the week's level
    score_r: Floats
    score_g: Floats  # gap to the national level of the day less the usual gap, in usual gaps
    strength: Floats  # max(score_r / its limit, score_g / its limit): above 1 is an alarm; wider on thin days
    unit_power: Floats  # k when the price is 10^k times the last one, else 0
    last_price_idr: Floats  # last accepted closing
    level: Floats  # log price of the week before: moves are measured from it
    own_scale: Floats  # mean size of a daily move, log
    gap: Floats  # score_g's gap less the usual one, log
    move_7: Floats  # log move over a week
    closing: Floats  # rupiah, the closing for the days that follow; NaN where the report was refused
    features: Floats  # [days, series, forest.FEATURES]

    @property
    def hard(self) -> Flags:
        """Unit errors: always an alarm."""
        return np.asarray(np.nan_to_num(self.unit_power) != 0)


def score_reports(reports: Reports, thresholds: Thresholds) -> Scores:
    """Scores day by day.

    Statistics come from closings of earlier days only; the cross-section from the reports of the day itself.
    """
    panel = ClosingPanel(thresholds.allowed_lateness_days, thresholds.min_peers)
    columns = np.array(
        [panel.column(series, level) for series, level in zip(reports.series, reports.levels, strict=True)]
    )
    shape = reports.price.shape
    names = (*STORED_SCORES, "strength", "level", "own_scale", "gap", "move_7", "closing")
    scores: dict[str, Floats] = {name: np.full(shape, np.nan) for name in names}
    scores["features"] = np.full((*shape, len(isolation_forest.FEATURES)), np.nan)
    for row, day in enumerate(reports.days.tolist()):
        reported = np.flatnonzero(np.isfinite(reports.price[row]))
        _score_day(panel, columns, reports, row, reported, thresholds, scores)
        prices = scores["closing"][row, reported]
        closed = np.isfinite(prices)
        accepted = reported[closed]
        ids = np.array([f"{row:08}-{number}" for number in accepted.tolist()], dtype=object)
        panel.add(
            np.full(len(accepted), day), columns[accepted], prices[closed], reports.time[row, accepted], ids
        )
    return Scores(**scores)


def _score_day(
    panel: ClosingPanel,
    columns: Ints,
    reports: Reports,
    row: int,
    reported: Ints,
    thresholds: Thresholds,
    scores: dict[str, Floats],
) -> None:
    """Fill the rows of one day; `reported`: the series with a report."""
    day = int(reports.days[row])
    commodity = commodities()[reports.commodity]
    own_columns = columns[reported]
    known, _ = statistics(panel, day, thresholds)
    own = {name: values[own_columns] for name, values in known.items()}
    prices = reports.price[row, reported]
    now = np.full(panel.width, np.nan)
    now[own_columns] = np.log(prices)
    for name, value in cross_section(now, known, day, thresholds).items():
        own[name] = np.full(len(reported), value)
    columns_of_score = score(prices, day, own, thresholds, commodity)
    score_r = columns_of_score["score_r"]
    score_g = columns_of_score["score_g"]
    unconfirmed = np.where(np.isfinite(score_r), 0.0, np.nan)
    confirmed_r = np.where(columns_of_score["confirmed"], score_r, unconfirmed)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(prices)
        strength = np.fmax(confirmed_r / thresholds.residual, score_g / thresholds.geographic)
        strength /= widening(reports, row, reported, strength, thresholds)
        scored = np.isfinite(score_r) & (own["own_scale"] > 0)
        features = forest_features(columns_of_score, log, day, own)
        scores["features"][row, reported] = np.where(scored[:, None], features, np.nan)
        gap = log - own["national_level"] - own["gap_median"]
    values = {name: columns_of_score[name] for name in STORED_SCORES} | {
        "score_r": confirmed_r,
        "strength": strength,
        "level": own["level_7"],
        "own_scale": own["own_scale"],
        "gap": gap,
        "move_7": log - _log_of_week_before(panel, day)[own_columns],
    }
    for name, value in values.items():
        scores[name][row, reported] = value
    if reports.accepted is None:
        refused = (strength > 1) | (columns_of_score["unit_power"] != 0)
        lasts = (columns_of_score["unit_power"] == 0) & held(
            reports, row, reported, columns_of_score["move"], thresholds
        )
        scores["closing"][row, reported] = np.where(refused & ~lasts, np.nan, prices)
    else:
        scores["closing"][row, reported] = reports.accepted[row, reported]


def widening(reports: Reports, row: int, reported: Ints, strength: Floats, thresholds: Thresholds) -> Floats:
    """By how much limits are wider: `thin_limit` for an alarm on a day whose sample is thin, else 1."""
    by_panel: dict[tuple[str, str], float] = {}
    factors = np.ones(len(reported))
    for nth in np.flatnonzero(strength > 1).tolist():
        series = int(reported[nth])
        panel = (reports.series[series][0], reports.levels[series])
        if panel not in by_panel:
            sample = reports.thin_sample(series, row, thresholds)
            by_panel[panel] = thresholds.thin_limit if sample else 1.0
        factors[nth] = by_panel[panel]
    return factors


def held(reports: Reports, row: int, reported: Ints, moves: Floats, thresholds: Thresholds) -> Flags:
    """Whether the last `level_days` reports of each series lie near the newest: their level is accepted.

    Near is within `shock_part` of its move, or LEVEL_FLOOR, as at the close of a day.
    """
    near = np.fmax(thresholds.shock_part * np.abs(moves), LEVEL_FLOOR)
    lasts = np.zeros(len(reported), dtype=bool)
    for nth, series in enumerate(reported.tolist()):
        own = reports.price[max(row - FOLLOW_DAYS, 0) : row + 1, series]
        last = np.log(own[np.isfinite(own)][-thresholds.level_days :])
        lasts[nth] = len(last) == thresholds.level_days and np.abs(last - last[-1]).max() <= near[nth]
    return lasts


def _log_of_week_before(panel: ClosingPanel, day: int) -> Floats:
    """(panel.width,) log of the last closing a week before the day; NaN without one."""
    rows = panel.closed(day)
    if not rows:
        return np.full(panel.width, np.nan)
    closings: Floats = panel.grid("last_log", 0, rows)
    return np.asarray(closings[max(panel.closed(day - WEEK + 1) - 1, 0)])


def cross_section(now: Floats, known: Statistics, day: int, thresholds: Thresholds) -> dict[str, float]:
    """National move and level of the day itself.

    With too few reports they are left out, so that those of the last closed day count. `now`: log price of
    every series of the panel, NaN without a report; in the level a closing of the last week is used instead.
    """
    age = day - known["last_day"]
    moves = np.where(age <= FRESH_DAYS, now - known["last_log"], np.nan)
    move = float(median_of(moves, thresholds.min_peers))
    latest = np.where(np.isfinite(now), now, np.where(age < FRESH_DAYS, known["last_log"], np.nan))
    level = float(median_of(latest, thresholds.min_peers))
    national = {"national_move": move, "national_level": level}
    return {name: value for name, value in national.items() if np.isfinite(value)}


def forest_scores(scores: Scores, only_at: Flags | None = None) -> Floats:
    """[days, series] isolation-forest score 0..1, all days at once; NaN where not `only_at`."""
    scored = np.isfinite(scores.features).all(axis=2)
    if only_at is not None:
        scored &= only_at
    values = np.full(scored.shape, np.nan)
    if scored.any():
        values[scored] = isolation_forest.score(scores.features[scored])
    return values
