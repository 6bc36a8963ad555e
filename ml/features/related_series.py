"""Series that are informative about a series: found in the days before a fit and kept with the model."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lakehouse.reference import island
from ml.data.panel import Floats, Panel
from ml.features import rolling

Rows = npt.NDArray[np.int64]
LEADERS = 5
LEAST_PAIRS = 60  # days on which both have a weekly move
WEEK = 7


@dataclass(frozen=True)
class RelatedSeries:
    """Row numbers of other series for each series, (series, LEADERS or more); -1 where there are fewer."""

    leaders: Rows  # of the same commodity, those whose weekly move correlates best with the next weekly move
    neighbours: Rows  # same island; where fewer than two are known, those that move most alike
    cheapest: Rows  # of the same commodity, lowest prices in the last year: where it is grown, mostly
    siblings: Rows  # (series, 1) same province, the commodity whose national weekly moves are most alike


def find_related_series(panel: Panel) -> RelatedSeries:
    """The related series of each series, from the panel alone. The panel ends at the origin of the fit."""
    y = np.log(panel.filled)
    week = y - rolling.lagged(y, WEEK)
    before = week[:, :-WEEK]
    after = week[:, WEEK:]
    count = len(panel.commodities)
    islands = np.array([island(region) for region in panel.regions])
    leaders = np.full((count, LEADERS), -1)
    cheapest = np.full((count, LEADERS), -1)
    neighbours: list[Rows] = [np.array([], dtype=np.int64)] * count
    for commodity in panel.distinct_commodities:
        rows = panel.rows_of(commodity)
        leading = _correlations(before[rows], after[rows])
        alike = _correlations(week[rows], week[rows])
        filled = panel.filled[rows]
        level = np.nanmedian(np.where(np.isfinite(filled), filled, np.inf)[:, -365:], axis=1)
        lowest = rows[np.argsort(level, kind="stable")[:LEADERS]]
        for place, row in enumerate(rows):
            _put(leaders, row, rows[_best(leading[:, place], place)])
            _put(cheapest, row, lowest[lowest != row])
            same_island = rows[(islands[rows] == islands[row]) & (rows != row)]
            most_alike = rows[_best(alike[:, place], place)]
            known = islands[row] and len(same_island) >= 2
            neighbours[row] = same_island if known else most_alike
    near = np.full((count, max([1, *(len(rows) for rows in neighbours)])), -1)
    for row, rows in enumerate(neighbours):
        _put(near, row, rows)
    return RelatedSeries(leaders, near, cheapest, _siblings(panel, week))


def _siblings(panel: Panel, week: Floats) -> Rows:
    """(series, 1) row of the most similar commodity in the same province; -1 where there is none.

    Similar: highest correlation of the national means of weekly moves.
    """
    siblings = np.full((len(panel.commodities), 1), -1)
    commodities = panel.distinct_commodities
    moves = np.array([mean_of_rows(week[panel.rows_of(commodity)]) for commodity in commodities])
    alike = _correlations(moves, moves)
    row_of = {key: row for row, key in enumerate(panel.series)}
    for place, commodity in enumerate(commodities):
        best = _best(alike[:, place], place)
        if len(best):
            for row in panel.rows_of(commodity):
                siblings[row, 0] = row_of.get((commodities[best[0]], panel.regions[row]), -1)
    return siblings


def mean_of_rows(values: Floats) -> Floats:
    """(days,) mean over rows; NaN on days without a value."""
    present = np.isfinite(values)
    total = np.where(present, values, 0.0).sum(axis=0)
    return np.where(present.any(axis=0), total / np.maximum(present.sum(axis=0), 1), np.nan)


def _correlations(first: Floats, second: Floats) -> Floats:
    """(rows of first, rows of second) Pearson correlation over the days on which both have a value.

    NaN with fewer than LEAST_PAIRS such days.
    """
    a = np.isfinite(first)
    b = np.isfinite(second)
    x = np.where(a, first, 0.0)
    y = np.where(b, second, 0.0)
    wa = a.astype(float)
    wb = b.astype(float)
    pairs = wa @ wb.T
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x = (x @ wb.T) / pairs
        mean_y = (wa @ y.T) / pairs
        joint = (x @ y.T) / pairs - mean_x * mean_y
        spread = np.sqrt(((x**2) @ wb.T / pairs - mean_x**2) * (wa @ (y**2).T / pairs - mean_y**2))
        return np.where((pairs >= LEAST_PAIRS) & (spread > 1e-12), joint / spread, np.nan)


def _best(scores: Floats, own: int) -> Rows:
    """Positions of the LEADERS highest scores above 0, own position and NaN left out; ties by position."""
    allowed = np.where(np.isfinite(scores) & (np.arange(len(scores)) != own) & (scores > 0), scores, -np.inf)
    order = np.argsort(-allowed, kind="stable")[:LEADERS]
    return order[np.isfinite(allowed[order])]


def _put(table: Rows, row: int, rows: Rows) -> None:
    """Write `rows` at the start of a row of the table, as many as fit."""
    table[row, : len(rows)] = rows[: table.shape[1]]
