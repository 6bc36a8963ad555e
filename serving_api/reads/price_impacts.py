"""How large the newest moves of prices are, and what moved together with prices of their province."""

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pyarrow.compute as pc

from lakehouse.impact import (
    ELASTICITIES,
    FACTORS,
    MacroState,
    attribution,
    impact_score,
    macro_state,
    multiplier,
    weekly_scale,
)
from lakehouse.reference import commodities
from serving_api.reads.snapshots import Snapshot, Snapshots

FACTORS_TABLE = "gold.impact_factors"
MACRO_TABLE = "silver.macro"
MEAN_DAYS = 3 * 365  # of releases that inflation is compared with


class PriceImpacts:
    """Impacts of rows of gold.live_prices: of the price against the one of the market day before.

    As `GET /api/public/impact`: by the newest measured week of the commodity in the province, before one is
    measured by the commodity's usual move. None without an earlier price.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        factors, macro = snapshots.or_empty(FACTORS_TABLE), snapshots.or_empty(MACRO_TABLE)
        self.version = f"{factors.identity} {factors.version} {macro.identity} {macro.version}"
        self._rows = newest_factors(factors)
        self._multiplier = multiplier(current_macro(macro))

    def score(self, price: Mapping[str, Any]) -> float | None:
        """0 to 100."""
        previous = price["previous_price_idr"]
        if previous is None:
            return None
        row = self._rows.get((price["commodity"], price["region_code"]))
        scale = row["scale"] if row else typical_scale(price["commodity"])
        return impact_score(math.log(price["price_idr"] / previous), scale, self._multiplier)

    def impact(self, price: Mapping[str, Any]) -> dict[str, Any] | None:
        """Score, dominant factor, and the weights of the six factors in percent; all 0 before a measure."""
        score = self.score(price)
        if score is None:
            return None
        row = self._rows.get((price["commodity"], price["region_code"]))
        shared = attribution(
            row["change"] if row else 0.0, {name: row[name] for name in FACTORS} if row else {}
        )
        return {
            "impact_score": score,
            "dominant_factor": shared.dominant,
            "factors_with_weights": shared.weights,
        }


def typical_scale(commodity: str) -> float:
    """The usual large weekly move (log ratio) of a commodity, from the list of commodities."""
    return weekly_scale(commodities()[commodity].daily_volatility)


def newest_factors(snapshot: Snapshot) -> dict[tuple[str, str], dict[str, Any]]:
    """(commodity, province code) -> the newest row of gold.impact_factors."""
    return snapshot.cached(
        "newest of each series",
        lambda: {
            (row["commodity"], row["region_code"]): row
            for row in snapshot.rows.sort_by("market_date").to_pylist()
        },
    )


def current_macro(snapshot: Snapshot) -> MacroState:
    """Values and changes of the macro indicators at their newest release."""

    def read() -> MacroState:
        rows = snapshot.rows.filter(
            pc.field("indicator").isin(list(ELASTICITIES)) & pc.field("value").is_valid()
        )
        if not rows.num_rows:
            return macro_state({})
        since = pc.max(rows["released_at"]).as_py() - timedelta(days=MEAN_DAYS)
        recent = rows.filter(pc.field("released_at") >= since)
        released: dict[str, list[tuple[Any, float]]] = {}
        for row in recent.sort_by("released_at").select(["indicator", "released_at", "value"]).to_pylist():
            released.setdefault(row["indicator"], []).append((row["released_at"], row["value"]))
        return macro_state(released)

    return snapshot.cached("macro state", read)
