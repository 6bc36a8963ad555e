"""Groups of series whose prices end together: the sources of a lake end at different times."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.data.panel import Panel

GAP_DAYS = 30  # between the ends of two series before they belong to different periods


@dataclass(frozen=True)
class ReportingPeriod:
    """Series whose last prices lie at most `GAP_DAYS` from that of the next one."""

    end: int  # column of the last day with a price among them
    rows: npt.NDArray[np.int64]  # row numbers of the series, ascending
    prices: int  # observed prices of these series

    def __len__(self) -> int:
        return len(self.rows)


def reporting_periods(panel: Panel) -> list[ReportingPeriod]:
    """All periods, the latest first; series without a price belong to none.

    Forecasts start at the end of each period. One stray price of today does not make the series of an archive
    look silent, and an archive does not hold back what is reported now.
    """
    seen = np.isfinite(panel.price)
    reporting = np.flatnonzero(seen.any(axis=1))
    if not len(reporting):
        return []
    last = panel.price.shape[1] - 1 - seen[reporting, ::-1].argmax(axis=1)
    order = np.argsort(last, kind="stable")
    starts = np.flatnonzero(np.diff(last[order]) > GAP_DAYS) + 1
    return [
        ReportingPeriod(int(last[part].max()), np.sort(reporting[part]), int(seen[reporting[part]].sum()))
        for part in reversed(np.split(order, starts))
    ]


def evaluation_panel(panel: Panel) -> Panel | None:
    """The panel up to the end of its main period, with the series that have a price by then.

    That is the period with the most prices, on which models are evaluated. None without a price.
    """
    period = max(reporting_periods(panel), key=lambda period: period.prices, default=None)
    if period is None:
        return None
    cut = panel.until(period.end)
    return cut.select(np.flatnonzero(np.isfinite(cut.price).any(axis=1)))
