"""gold.daily_prices -> gold.indicators: change, volatility, gap to ceiling and nation of each province's daily price."""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from lakehouse.gold.price_panel import Floats, Ints, Panel
from lakehouse.reference import Ceiling

CHANGE_DAYS = (1, 7, 28, 30, 365)  # calendar days back
VOLATILITY_DAYS = 30
Texts = npt.NDArray[np.object_]
EPOCH = date(1970, 1, 1)


def change_level(change_7d_pct: Floats, rises_pct: Mapping[str, float]) -> Texts:
    """Name of the highest threshold that the rise over 7 days passes, "normal" below all; None where there is no change."""
    found = np.full(change_7d_pct.shape, "normal", dtype=object)
    found[np.isnan(change_7d_pct)] = None
    for name, above in sorted(rises_pct.items(), key=lambda entry: entry[1]):
        found[change_7d_pct > above] = name
    return found


def volatility_pct(price: Floats, window: int = VOLATILITY_DAYS) -> Floats:
    """(regions, days) percent a day: sd (ddof 1) of the last `window` changes of log price between observed days, ×100.

    NaN before `window` changes, and on days without a price.
    """
    found = np.full(price.shape, np.nan)
    for row, seen in enumerate(np.isfinite(price)):
        changes = np.diff(np.log(price[row, seen]))
        if len(changes) >= window:
            sd = np.lib.stride_tricks.sliding_window_view(changes, window).std(axis=1, ddof=1)
            found[row, np.flatnonzero(seen)[window:]] = 100 * sd
    return found


def national_price(price: Floats, weights: Floats) -> tuple[Floats, Ints]:
    """((days,) mean of the provinces that reported, weighted; (days,) how many did). weights: (regions,)."""
    there = np.isfinite(price)
    total = (np.where(there, price, 0.0) * weights[:, None]).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return total / (there * weights[:, None]).sum(axis=0), there.sum(axis=0)


def dispersion_pct(price: Floats) -> Floats:
    """(days,) coefficient of variation between provinces ×100: sd (ddof 1) / mean; NaN below two provinces."""
    there = np.isfinite(price)
    n = there.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = np.where(there, price, 0.0).sum(axis=0) / n
        square = np.where(there, price - mean, 0.0) ** 2
        sd: Floats = np.sqrt(square.sum(axis=0) / np.where(n > 1, n - 1, np.nan))
        found: Floats = 100 * sd / mean
    return found


def bounds(days: Ints, ceilings: Sequence[Sequence[Ceiling]]) -> tuple[Floats, Texts]:
    """(regions, days) the figure that counts on each day and its kind; NaN and None where none held.

    ceilings: per region those of its zone, oldest first.
    """
    figure = np.full((len(ceilings), len(days)), np.nan)
    kind = np.full(figure.shape, None, dtype=object)
    for row, rows in enumerate(ceilings):
        starts = np.array([(one.valid_from - EPOCH).days for one in rows], dtype=np.int64)
        which = np.searchsorted(starts, days, side="right") - 1
        for nth, one in enumerate(rows):
            held = (which == nth) & ((one.valid_to is None) | (days <= _day(one.valid_to)))
            figure[row, held] = np.nan if one.bound_idr is None else one.bound_idr
            kind[row, held] = one.kind
    return figure, kind


def _day(of: date | None) -> int:
    return ((of or date.max) - EPOCH).days


def gap_pct(price: Floats, bound: Floats, producer: bool) -> Floats:
    """Percent of the bound by which a consumer price lies above its ceiling, a producer price below its floor."""
    gap = 100 * (price - bound) / bound
    return -gap if producer else gap


def days_in_a_row(beyond: Floats) -> Floats:
    """(regions, days) how many observed days in a row, this one included, the gap was above zero; NaN where there is no gap.

    A day without a report neither counts nor breaks the row.
    """
    found = np.full(beyond.shape, np.nan)
    for row, seen in enumerate(np.isfinite(beyond)):
        above = beyond[row, seen] > 0
        counted = np.cumsum(above)
        reset = np.maximum.accumulate(np.where(above, 0, counted)) if len(above) else counted
        found[row, seen] = counted - reset
    return found


def margin_pct(retail: Floats, producer: Floats) -> Floats:
    """Share of the retail price that does not reach the producer, percent of the retail price; NaN without both."""
    return 100 * (retail - producer) / retail


def producer_of(panel: Panel, all_panels: Sequence[Panel]) -> Floats | None:
    """Prices of the producer channel at the same level; None when nobody reports them."""
    return next((p.price for p in all_panels if (p.channel, p.level) == ("producer", panel.level)), None)
