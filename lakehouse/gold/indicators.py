"""Formulas of gold.indicators: change, volatility, and the gaps of a daily price to ceiling and nation."""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from lakehouse.gold.price_panel import Floats, Ints, PricePanel
from lakehouse.reference import Ceiling

CHANGE_DAYS = (1, 7, 28, 30, 365)  # calendar days back
VOLATILITY_DAYS = 30
Texts = npt.NDArray[np.object_]
EPOCH = date(1970, 1, 1)


def change_level(change_7d_pct: Floats, rises_pct: Mapping[str, float]) -> Texts:
    """Name of the highest threshold that the 7-day rise exceeds, else "normal"; None without a change."""
    levels = np.full(change_7d_pct.shape, "normal", dtype=object)
    levels[np.isnan(change_7d_pct)] = None
    for name, above in sorted(rises_pct.items(), key=lambda entry: entry[1]):
        levels[change_7d_pct > above] = name
    return levels


def volatility_pct(price: Floats, window: int = VOLATILITY_DAYS) -> Floats:
    """100 · sd (ddof 1) of the last `window` changes of log price between observed days, percent a day.

    Returns (regions, days); NaN before `window` changes, and on days without a price.
    """
    volatility = np.full(price.shape, np.nan)
    for row, observed in enumerate(np.isfinite(price)):
        changes = np.diff(np.log(price[row, observed]))
        if len(changes) >= window:
            sd = np.lib.stride_tricks.sliding_window_view(changes, window).std(axis=1, ddof=1)
            volatility[row, np.flatnonzero(observed)[window:]] = 100 * sd
    return volatility


def national_price(price: Floats, weights: Floats) -> tuple[Floats, Ints]:
    """Weighted mean of the provinces that reported, (days,), and their number, (days,).

    `weights`: (regions,).
    """
    observed = np.isfinite(price)
    total = (np.where(observed, price, 0.0) * weights[:, None]).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return total / (observed * weights[:, None]).sum(axis=0), observed.sum(axis=0)


def dispersion_pct(price: Floats) -> Floats:
    """Variation between provinces, 100 · sd (ddof 1) / mean, (days,); NaN below two provinces."""
    observed = np.isfinite(price)
    n = observed.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = np.where(observed, price, 0.0).sum(axis=0) / n
        square = np.where(observed, price - mean, 0.0) ** 2
        sd: Floats = np.sqrt(square.sum(axis=0) / np.where(n > 1, n - 1, np.nan))
        dispersion: Floats = 100 * sd / mean
    return dispersion


def bounds(days: Ints, ceilings: Sequence[Sequence[Ceiling]]) -> tuple[Floats, Texts]:
    """Reference price of each day and its kind, (regions, days) each; NaN and None where none applied.

    `ceilings`: per region those of its zone, oldest first.
    """
    price = np.full((len(ceilings), len(days)), np.nan)
    kind = np.full(price.shape, None, dtype=object)
    for row, rows in enumerate(ceilings):
        starts = np.array([(ceiling.valid_from - EPOCH).days for ceiling in rows], dtype=np.int64)
        newest = np.searchsorted(starts, days, side="right") - 1
        for nth, ceiling in enumerate(rows):
            last = ((ceiling.valid_to or date.max) - EPOCH).days
            applies = (newest == nth) & (days <= last)
            price[row, applies] = np.nan if ceiling.bound_idr is None else ceiling.bound_idr
            kind[row, applies] = ceiling.kind
    return price, kind


def gap_pct(price: Floats, bound: Floats, producer: bool) -> Floats:
    """Percent by which a consumer price exceeds its ceiling, or a producer price is below its floor."""
    gap = 100 * (price - bound) / bound
    return -gap if producer else gap


def days_in_a_row(beyond: Floats) -> Floats:
    """Consecutive observed days, up to this one, with a gap above zero, (regions, days); NaN without a gap.

    A day without a report neither counts nor ends the run.
    """
    runs = np.full(beyond.shape, np.nan)
    for row, observed in enumerate(np.isfinite(beyond)):
        above = beyond[row, observed] > 0
        counted = np.cumsum(above)
        reset = np.maximum.accumulate(np.where(above, 0, counted)) if len(above) else counted
        runs[row, observed] = counted - reset
    return runs


def margin_pct(retail: Floats, producer: Floats) -> Floats:
    """100 · (retail - producer) / retail, percent of the retail price; NaN without both."""
    return 100 * (retail - producer) / retail


def producer_of(panel: PricePanel, all_panels: Sequence[PricePanel]) -> Floats | None:
    """Prices of the producer channel at the same level; None without any."""
    return next((p.price for p in all_panels if (p.channel, p.level) == ("producer", panel.level)), None)
