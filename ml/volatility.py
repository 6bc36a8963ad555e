"""How lively a good is, told from its prices alone."""

import numpy as np

from ml.panel import Panel

VOLATILE, MEDIUM = 0.10, 0.03  # 90 % quantile of the absolute log change over 7 days
DAYS = 365


def classes(panel: Panel) -> dict[str, str]:
    """commodity -> volatile, medium or stable by the weekly moves of the panel's last year; stable when nothing is known."""
    y = np.log(panel.filled[:, -DAYS - 7 :])
    week = np.abs(y[:, 7:] - y[:, :-7]) if y.shape[1] > 7 else np.empty((len(y), 0))
    found = {}
    for good in panel.goods:
        moves = week[panel.of(good)]
        moves = moves[np.isfinite(moves)]
        usual = float(np.quantile(moves, 0.9)) if len(moves) else 0.0
        found[good] = "volatile" if usual >= VOLATILE else "medium" if usual >= MEDIUM else "stable"
    return found
