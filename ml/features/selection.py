"""Which other series say something about a series: chosen from the days before a fit and kept with the model."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.panel import Floats, Panel

Rows = npt.NDArray[np.int64]
LEADERS = 5
LEAST_PAIRS = 60  # days on which both have a weekly move
WEEK = 7


@dataclass(frozen=True)
class Selection:
    """Rows of other series per series, (series, ≤ LEADERS or more), -1 where there are fewer."""

    leaders: Rows  # whose weekly move foretells the next one best (of the same good)
    neighbours: Rows  # same island; where none is known those that move alike most
    cheapest: Rows  # of the same good, lowest prices in the last year: where it is grown, mostly
    siblings: Rows  # (series, 1) same province, the good whose national weekly moves are most alike


def chosen(panel: Panel) -> Selection:
    """The selection that a fit on this panel makes. Looks at nothing but the panel, which ends at the origin of the fit."""
    y = np.log(panel.filled)
    week = np.full(y.shape, np.nan)
    week[:, WEEK:] = y[:, WEEK:] - y[:, :-WEEK]
    before, after = week[:, :-WEEK], week[:, WEEK:]
    count = len(panel.commodities)
    leaders, near, cheap = (np.full((count, LEADERS), -1) for _ in range(3))
    near_lists: list[Rows] = [np.array([], dtype=np.int64)] * count
    for good in panel.goods:
        rows = panel.of(good)
        leading, alike = _correlations(before[rows], after[rows]), _correlations(week[rows], week[rows])
        level = np.nanmedian(np.where(np.isfinite(panel.filled[rows]), panel.filled[rows], np.inf)[:, -365:], axis=1)
        cheapest = rows[np.argsort(level, kind="stable")[:LEADERS]]
        for place, row in enumerate(rows):
            _put(leaders, row, rows[_best(leading[:, place], place)])
            alike_here = rows[_best(alike[:, place], place)]
            at_home = np.array(
                [other for other in rows if other != row and island(panel.regions[other]) == island(panel.regions[row])]
            )
            near_lists[row] = at_home if island(panel.regions[row]) and len(at_home) >= 2 else alike_here
            _put(cheap, row, cheapest[cheapest != row])
    near = np.full((count, max([1, *(len(one) for one in near_lists)])), -1)
    for row, one in enumerate(near_lists):
        _put(near, row, one)
    return Selection(leaders, near, cheap, _siblings(panel, week))


def _siblings(panel: Panel, week: Floats) -> Rows:
    """Row of the good whose national weekly moves go most alike with the series' own good, in the same province."""
    found = np.full((len(panel.commodities), 1), -1)
    goods = panel.goods
    moves = np.array([_mean(week[panel.of(good)]) for good in goods])
    alike = _correlations(moves, moves)
    where = {key: row for row, key in enumerate(zip(panel.commodities, panel.regions, strict=True))}
    for place, good in enumerate(goods):
        best = _best(alike[:, place], place)
        if len(best):
            for row in panel.of(good):
                found[row, 0] = where.get((goods[best[0]], panel.regions[row]), -1)
    return found


def island(region: str) -> str:
    """First digit of a province code: the island group. Empty for other names: nothing is known about them."""
    return {"2": "1"}.get(region[0], region[0]) if len(region) == 2 and region.isdigit() else ""


def _mean(values: Floats) -> Floats:
    there = np.isfinite(values)
    return np.where(there.any(axis=0), np.where(there, values, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1), np.nan)


def _correlations(one: Floats, other: Floats) -> Floats:
    """(rows of one, rows of other) correlation over days on which both are there; NaN with fewer than LEAST_PAIRS."""
    a, b = np.isfinite(one), np.isfinite(other)
    x, y = np.where(a, one, 0.0), np.where(b, other, 0.0)
    wa, wb = a.astype(float), b.astype(float)
    pairs = wa @ wb.T
    with np.errstate(invalid="ignore", divide="ignore"):
        mx, my = (x @ wb.T) / pairs, (wa @ y.T) / pairs
        joint = (x @ y.T) / pairs - mx * my
        spread = np.sqrt(((x**2) @ wb.T / pairs - mx**2) * (wa @ (y**2).T / pairs - my**2))
        return np.where((pairs >= LEAST_PAIRS) & (spread > 1e-12), joint / spread, np.nan)


def _best(scores: Floats, own: int) -> Rows:
    """Places of the LEADERS highest scores above 0, own place and unknown ones left out; ties by place."""
    allowed = np.where(np.isfinite(scores) & (np.arange(len(scores)) != own) & (scores > 0), scores, -np.inf)
    order = np.argsort(-allowed, kind="stable")[:LEADERS]
    return order[np.isfinite(allowed[order])]


def _put(table: Rows, row: int, rows: Rows) -> None:
    table[row, : len(rows)] = rows[: table.shape[1]]
