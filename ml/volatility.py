"""How much a commodity's price moves in a week, as a class: what a model must show to be trusted with it."""

import numpy as np

from ml.panel import Panel

STABLE, MEDIUM, VOLATILE = "stable", "medium", "volatile"
BOUNDS = (0.015, 0.035)  # mean absolute log change in 7 days; rice, sugar and beef lie below both, chillies and shallot above
WEEK, YEAR = 7, 365


def weekly_change(panel: Panel) -> dict[str, float]:
    """Commodity → mean |y_t − y_{t−7}| over its series and the panel's last year; 0 for one never seen twice."""
    price = np.log(panel.filled[:, -YEAR - WEEK :])
    change = np.abs(price[:, WEEK:] - price[:, :-WEEK])
    seen = np.isfinite(change)
    total, count = np.where(seen, change, 0).sum(axis=1), seen.sum(axis=1)
    return {good: float(total[rows].sum() / max(count[rows].sum(), 1)) for good in panel.goods if (rows := panel.of(good)).size}


def classes(panel: Panel) -> dict[str, str]:
    """Commodity → stable, medium or volatile, from the panel alone: names say nothing."""
    names = np.array([STABLE, MEDIUM, VOLATILE])
    return {good: str(names[np.searchsorted(BOUNDS, change, side="right")]) for good, change in weekly_change(panel).items()}
