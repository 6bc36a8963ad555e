"""A lake holds sources that end at different times: which series end together, and at which day each is forecast from."""

from dataclasses import dataclass, replace

import numpy as np

from ml.panel import Panel

APART_DAYS = 30  # between the ends of two series before they belong to different eras


@dataclass(frozen=True)
class Era:
    """Series whose prices end within `APART_DAYS` of the next one's. `end` is the number of the last day among them."""

    end: int
    rows: np.ndarray  # series numbers
    cells: int  # observed prices of these series

    def __len__(self) -> int:
        return len(self.rows)


def eras(panel: Panel) -> list[Era]:
    """All eras, latest first; series without a price belong to none.

    One stray price of today must not make all series of an archive look silent, nor an archive hold back what is reported now.
    """
    seen = np.isfinite(panel.price)
    alive = np.flatnonzero(seen.any(axis=1))
    if not len(alive):
        return []
    last = panel.price.shape[1] - 1 - seen[alive, ::-1].argmax(axis=1)
    order = np.argsort(last, kind="stable")
    starts = np.flatnonzero(np.diff(last[order]) > APART_DAYS) + 1
    parts = np.split(order, starts)
    return [Era(int(last[part].max()), np.sort(alive[part]), int(seen[alive[part]].sum())) for part in reversed(parts)]


def main_era(panel: Panel) -> Era | None:
    """The era with the most prices: what models are judged on. None when there is no price."""
    return max(eras(panel), key=lambda era: era.cells, default=None)


def judged_panel(panel: Panel) -> Panel | None:
    """The panel up to the end of its main era, all series with a price by then. None when there is no price."""
    era = main_era(panel)
    if era is None:
        return None
    cut = panel.until(era.end)
    return only(cut, np.flatnonzero(np.isfinite(cut.price).any(axis=1)))


def only(panel: Panel, rows: np.ndarray) -> Panel:
    """The panel with these series alone, in this order."""
    pick = {name: tuple(getattr(panel, name)[row] for row in rows) for name in ("commodities", "regions", "units")}
    outside = tuple(replace(one, value=one.value[rows]) if one.value.ndim == 2 else one for one in panel.outside)
    return replace(panel, **pick, price=panel.price[rows], outside=outside)
