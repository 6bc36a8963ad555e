"""What a person is shown of a refused price: the value, its window, its neighbours and the other sources."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np

from lakehouse.reference import Province, provinces
from lakehouse.validation.price_panel import Panel, Series
from lakehouse.validation.price_stats import statistics
from lakehouse.validation.thresholds import Thresholds

NEIGHBOURS = 5


@dataclass(frozen=True)
class Witness:
    """Neighbours and sources of a refused price as they stood when it was judged."""

    price_idr: float
    market_date: date
    neighbours: list[dict[str, Any]]
    sources: list[dict[str, Any]]

    def tell(self, verdict: dict[str, Any], thresholds: Thresholds) -> dict[str, Any]:
        """JSON-able: value, window statistics and scores, neighbours, sources, and the thresholds that were applied."""
        return {
            "price_idr": self.price_idr,
            "market_date": self.market_date.isoformat(),
            "statistics": verdict,
            "neighbours": self.neighbours,
            "sources": self.sources,
            "policy": thresholds.policy,
            "thresholds": thresholds.version,
        }


def witness(panel: Panel, series: Series, day: int, price_idr: float, thresholds: Thresholds) -> Witness:
    """The nearest series of the same source (own province first) and what other sources said last."""
    rows = panel.closed(day)
    of, said = statistics(panel, day, thresholds)
    provider, _, region = series
    order = nearest(region)
    others = sorted(
        (order.get(where, len(order)), market, column)
        for (name, market, where), column in panel.series.items()
        if name == provider and (name, market, where) != series
    )
    fresh = [column for _, _, column in others if rows and of["last_day"][column] >= day - 7][:NEIGHBOURS]
    markets = {column: market for (_, market, _), column in panel.series.items()}
    neighbours = [
        {
            "market_id": markets[column],
            "price_idr": round(float(np.exp(of["last_log"][column])), 2),
            "market_date": _date(int(of["last_day"][column])).isoformat(),
        }
        for column in fresh
    ]
    return Witness(price_idr, _date(day), neighbours, sources(said.others, panel.series[series]))


def sources(others: dict[str, Any], column: int) -> list[dict[str, Any]]:
    """[{name, price_idr, expected_price_idr}] of the other sources that say something of a series."""
    return [
        {
            "name": name,
            "price_idr": round(float(np.exp(now[column])), 2),
            "expected_price_idr": round(float(np.exp(centred[column])), 2),
        }
        for name, (now, centred) in others.items()
        if np.isfinite(now[column])
    ]


def _date(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)


@cache
def nearest(region: str) -> dict[str, int]:
    """Province code -> rank by distance from `region`, itself first (flat-earth distance: it only ranks)."""
    here = provinces().get(region)
    if here is None:
        return {}

    def away(other: Province) -> float:
        return (other.latitude - here.latitude) ** 2 + (other.longitude - here.longitude) ** 2

    return {place.code: rank for rank, place in enumerate(sorted(provinces().values(), key=away))}
