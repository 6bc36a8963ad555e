"""Volatility classes of commodities: how much a price moves in a week."""

import numpy as np

from ml.data.panel import Panel

STABLE = "stable"
MEDIUM = "medium"
VOLATILE = "volatile"
# Mean absolute log change in 7 days; rice, sugar and beef lie below both, chillies and shallot above.
BOUNDS = (0.015, 0.035)
WEEK = 7
YEAR = 365


def weekly_change(panel: Panel) -> dict[str, float]:
    """Commodity -> mean |y_t − y_{t−7}| of log prices over its series in the panel's last year.

    0 without two prices.
    """
    price = np.log(panel.filled[:, -YEAR - WEEK :])
    change = np.abs(price[:, WEEK:] - price[:, :-WEEK])
    seen = np.isfinite(change)
    total = np.where(seen, change, 0).sum(axis=1)
    count = seen.sum(axis=1)
    return {
        commodity: float(total[rows].sum() / max(count[rows].sum(), 1))
        for commodity in panel.distinct_commodities
        if (rows := panel.rows_of(commodity)).size
    }


def volatility_classes(panel: Panel) -> dict[str, str]:
    """Commodity -> stable, medium or volatile, from the prices of the panel alone."""
    names = np.array([STABLE, MEDIUM, VOLATILE])
    return {
        commodity: str(names[np.searchsorted(BOUNDS, change, side="right")])
        for commodity, change in weekly_change(panel).items()
    }
