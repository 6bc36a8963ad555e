"""Evidence of a refused price for a person: the value, its window, its neighbours and the other sources."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np

from lakehouse.reference import Province, provinces
from lakehouse.validation.prices.closings import ClosingPanel
from lakehouse.validation.prices.source_votes import Votes
from lakehouse.validation.prices.statistics import Statistics
from lakehouse.validation.prices.thresholds import Thresholds

NEIGHBOURS = 5


@dataclass(frozen=True)
class PriceEvidence:
    """Neighbours and sources of a refused price as they stood when it was judged."""

    price_idr: float
    market_date: date
    neighbours: list[dict[str, Any]]
    sources: list[dict[str, Any]]

    def as_json(self, verdict: dict[str, Any], thresholds: Thresholds) -> dict[str, Any]:
        """Value, window statistics and scores, neighbours, sources, and the limits that were applied."""
        tolerance = verdict["source_tolerance"]
        return {
            "price_idr": self.price_idr,
            "market_date": self.market_date.isoformat(),
            "statistics": verdict,
            "neighbours": self.neighbours,
            "sources": self.sources,
            "policy": thresholds.policy,
            "thresholds": thresholds.version,
            "limits": thresholds.limits | ({} if tolerance is None else {"source_gap": tolerance}),
        }


def price_evidence(
    panel: ClosingPanel, column: int, day: int, price_idr: float, of: Statistics, votes: Votes
) -> PriceEvidence:
    """The nearest series of the same source (own province first) and the last prices of other sources.

    `column`: of its series. `of`, `votes`: the statistics that a verdict on `day` reads.
    """
    provider, _, region = list(panel.series)[column]
    order = nearest(region)
    others = sorted(
        (order.get(province, len(order)), market, other)
        for (name, market, province), other in panel.series.items()
        if name == provider and other != column
    )
    fresh = [other for _, _, other in others if of["last_day"][other] >= day - 7][:NEIGHBOURS]
    markets = [market for _, market, _ in panel.series]
    neighbours = [
        {
            "market_id": markets[other],
            "price_idr": round(float(np.exp(of["last_log"][other])), 2),
            "market_date": _date(int(of["last_day"][other])).isoformat(),
        }
        for other in fresh
    ]
    return PriceEvidence(price_idr, _date(day), neighbours, sources(votes.others, column))


def sources(others: dict[str, Any], column: int) -> list[dict[str, Any]]:
    """[{name, price_idr, expected_price_idr}] of the other sources of a series."""
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
