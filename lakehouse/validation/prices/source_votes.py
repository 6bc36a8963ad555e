"""Prices of the other sources of a commodity as votes on a series, centred on their usual distance."""

from dataclasses import dataclass

import numpy as np

from lakehouse.validation.prices.closings import ClosingPanel
from lakehouse.validation.windows import Floats, Ints, count, median

# Window of the usual distance.
PAIR_DAYS = 180


@dataclass(frozen=True)
class Votes:
    """Per series: `expected_log` (median of the others' centred prices; NaN: no other source), its `pairs`.

    `others`: provider -> (log price, log price centred) of that provider for each series; NaN without a
    price.
    """

    expected_log: Floats
    pairs: Floats
    others: dict[str, tuple[Floats, Floats]]


def votes(panel: ClosingPanel, days: Ints, min_pairs: int, age_days: int) -> list[Votes]:
    """Votes on a price of each day, read from closings that a verdict on that day may read.

    Sources are compared within commodity x channel x region x level; several markets of one source count by
    their median. A source votes with a closing of at most `age_days` days before (plus the allowed lateness).
    With d = log(own/other), the usual distance is the median of d over 180 days; sources with `min_pairs`
    pairs silence those with fewer.
    """
    providers = sorted({provider for provider, _, _ in panel.series})
    if len(providers) < 2:
        return [_no_votes(panel)] * len(days)
    return [_votes_on(panel, int(day), providers, min_pairs, age_days) for day in days]


def _no_votes(panel: ClosingPanel) -> Votes:
    nothing = np.full(panel.width, np.nan)
    return Votes(nothing, nothing, {})


def _votes_on(panel: ClosingPanel, day: int, providers: list[str], min_pairs: int, age_days: int) -> Votes:
    rows = panel.closed(day)
    if not rows:
        return _no_votes(panel)
    start = int(np.searchsorted(panel.days(0, rows), day - PAIR_DAYS))
    own = panel.grid("log", start, rows)
    days = panel.days(start, rows)
    # -1 for days before which there is none.
    known = np.searchsorted(panel.days(0, panel.size), days - panel.lateness_days) - 1
    centred = []
    counts = []
    others = {}
    for provider in providers:
        peers = _peers(panel, provider)
        now = _last_prices(panel, peers, np.array([rows - 1]), np.array([day]), age_days)[0]
        before = _last_prices(panel, peers, known, days, age_days)
        distance = own - before
        pairs = count(distance).astype(np.float64)
        usual = np.where(pairs > 0, median(distance), 0.0)
        others[provider] = (now, now + usual)
        centred.append(np.where(np.isfinite(now), now + usual, np.nan))
        counts.append(np.where(np.isfinite(now), pairs, np.nan))
    votes_cast = np.array(centred)
    behind = np.array(counts)
    grown = behind >= min_pairs
    voting = np.where(grown.any(axis=0), grown, np.isfinite(behind))
    expected = median(np.where(voting, votes_cast, np.nan))
    fewest = np.where(voting & np.isfinite(behind), behind, np.inf).min(axis=0)
    return Votes(expected, np.where(np.isfinite(expected), fewest, np.nan), others)


def _peers(panel: ClosingPanel, provider: str) -> np.ndarray:
    """[width, most] columns of the provider's series at the region and level of each series.

    -1 where there is none, and for the provider's own series.
    """
    of_place: dict[tuple[str, str], list[int]] = {}
    for (name, _, region), column in panel.series.items():
        if name == provider:
            of_place.setdefault((region, panel.level[column]), []).append(column)
    most = max(len(columns) for columns in of_place.values())
    peers = np.full((panel.width, most), -1)
    for (name, _, region), column in panel.series.items():
        if name != provider:
            columns = of_place.get((region, panel.level[column]), [])
            peers[column, : len(columns)] = columns
    return peers


def _last_prices(
    panel: ClosingPanel, peers: np.ndarray, rows: np.ndarray, days: np.ndarray, age_days: int
) -> Floats:
    """[rows, width] log price of the provider at the close of `rows`, as read by a verdict on `days`."""
    last, last_day = panel.grid("last_log", 0, panel.size), panel.grid("last_day", 0, panel.size)
    oldest = days - age_days - panel.lateness_days
    readable = (rows >= 0)[:, None] & (last_day[rows] >= oldest[:, None])
    values = np.where(readable, last[rows], np.nan)
    padded = np.concatenate([values, np.full((len(rows), 1), np.nan)], axis=1)
    # rows x width x most; -1 reads the column of NaN.
    gathered = padded[:, peers]
    if peers.shape[1] == 1:
        return np.asarray(gathered[:, :, 0])
    flat = gathered.reshape(-1, peers.shape[1]).T
    return median(flat).reshape(len(rows), panel.width)
