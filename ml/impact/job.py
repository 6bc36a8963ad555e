"""gold.daily_prices with its context -> gold.impact_factors."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from lakehouse.contracts.contract import contracts
from lakehouse.impact import FACTORS, UNEXPLAINED, attribution
from lakehouse.io.delta import inputs_fingerprint, last_made_from, open_if_exists, replace_once
from lakehouse.reference import provinces
from ml.data.load import daily_prices
from ml.data.panel import NothingToLearn
from ml.impact.context import with_context
from ml.impact.fit import Attributions, attribute

TABLE = "gold.impact_factors"
METHOD = "ridge regression of weekly log changes, version 2"


def refresh(root: str) -> bool:
    """Bring the table of the lake `root` up to date.

    False, and nothing computed, when its inputs have not changed or prices are too few.
    """
    versions = {name: _version(name, root) for name in contracts()[TABLE].reads}
    made_from = f"{METHOD}: {versions}"
    if last_made_from(TABLE) == inputs_fingerprint(made_from):
        return False
    try:
        attributions = attribute(with_context(daily_prices(root), root))
    except NothingToLearn:
        return False
    inputs = {"prices_version": versions["gold.daily_prices"], "measured_at": datetime.now(UTC)}
    rows = [row | inputs for row in impact_rows(attributions)]
    return replace_once(TABLE, rows, made_from)


def _version(table: str, root: str) -> int | None:
    opened = open_if_exists(table, root=root)
    return opened.version() if opened else None


def impact_rows(attributions: Attributions) -> list[dict[str, Any]]:
    """One row per series and shown day with a known weekly change."""
    panel = attributions.panel
    rows = []
    for series, column in np.argwhere(np.isfinite(attributions.contributions[UNEXPLAINED])):
        commodity, region = panel.series[series]
        volatility = attributions.classes[commodity]
        fit = attributions.fits[volatility]
        parts = {name: float(values[series, column]) for name, values in attributions.contributions.items()}
        change = float(attributions.change[series, column])
        shared = attribution(change, parts)
        province = provinces().get(region)
        day: date = panel.days[attributions.first + column].astype(date)
        rows.append(
            {
                "commodity": commodity,
                "region_code": region,
                "region": province.name if province else region,
                "market_date": day,
                "change": change,
                "scale": float(attributions.scale[series, column]),
                **parts,
                "dominant_factor": shared.dominant,
                "unexplained_pct": shared.unexplained_pct,
                "unavailable": [name for name in FACTORS if not attributions.available[name][series, column]],
                "volatility_class": volatility,
                "r2": fit.r2,
                "penalty": fit.penalty,
            }
        )
    return rows
