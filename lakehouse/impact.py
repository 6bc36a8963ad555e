"""The size of a price move and what moved with it: pure functions of the impact rows and macro values.

An attribution is an association, not a cause.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# In the order that decides ties.
FACTORS = ("cuaca", "hama", "distribusi", "oversupply", "musim", "permintaan_nasional")
UNEXPLAINED = "tak_terjelaskan"
LEAST_SCALE = 0.02  # log ratio of a week
WEEK_DAYS = 7
P90_OF_NORMAL = 1.645  # standard deviations within which 90 % of a normal change lie
MULTIPLIER_BOUNDS = (0.80, 1.25)
# Assumed elasticities: per percentage point of inflation, per log change of the others.
ELASTICITIES = {"inflation": 0.02, "fuel_coefficient": 0.10, "fertilizer_trend": 0.05}
NOT_A_CAUSE = "faktor dan harga bergerak bersama; ini bukan bukti sebab"
MOSTLY_UNEXPLAINED = "lebih dari separuh gerak harga tidak terjelaskan oleh faktor yang diketahui"
NO_ROW = "belum ada hasil pengukuran faktor untuk komoditas dan wilayah ini"
TYPICAL_SCALE = "ukuran gerak mingguan dari daftar acuan, karena belum cukup harga"
ASSUMED_ELASTICITIES = "elastisitas makro adalah asumsi: inflasi 0,02 per poin, BBM 0,10, pupuk 0,05"


@dataclass(frozen=True)
class MacroState:
    """Newest values (null where none is released), and how far each is from where it was."""

    values: Mapping[str, float | None]
    changes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Attribution:
    """How a move is shared out. `weights`: percent of the six factors, 100 together or all 0.

    `directions`: up or down, the way in which each factor moved with the price; None for a share of 0.
    """

    dominant: str | None
    weights: dict[str, float]
    unexplained_pct: float
    directions: dict[str, str | None]


def weekly_scale(daily_volatility: float) -> float:
    """The usual large weekly move (log ratio) of a commodity, from its daily standard deviation."""
    return max(P90_OF_NORMAL * daily_volatility * math.sqrt(WEEK_DAYS), LEAST_SCALE)


def multiplier(state: MacroState) -> float:
    """What macro conditions add to a rise; 1 where nothing is known."""
    effect = sum(ELASTICITIES[name] * change for name, change in state.changes.items())
    low, high = MULTIPLIER_BOUNDS
    return min(max(1 + effect, low), high)


def impact_score(change: float, scale: float, macro: float) -> float:
    """0 to 100 from a log change: 50 for a move of the usual large size, before the multiplier.

    A fall is divided by the multiplier that a rise is multiplied by.
    """
    base = 100 * (1 - 2 ** (-abs(change) / max(scale, LEAST_SCALE)))
    return min(100.0, base * (macro if change >= 0 else 1 / macro))


def attribution(change: float, contributions: Mapping[str, float]) -> Attribution:
    """Shares of a log change. `contributions`: log points of each factor; what they leave is unexplained."""
    sizes = {name: abs(contributions.get(name, 0.0)) for name in FACTORS}
    explained = sum(sizes.values())
    if not explained:
        return Attribution(None, dict.fromkeys(FACTORS, 0.0), 100.0, dict.fromkeys(FACTORS))
    rest = abs(change - sum(contributions.get(name, 0.0) for name in FACTORS))
    return Attribution(
        dominant=max(FACTORS, key=lambda name: sizes[name]),
        weights={name: 100 * size / explained for name, size in sizes.items()},
        unexplained_pct=100 * rest / (explained + rest),
        directions={name: _direction(contributions.get(name, 0.0)) for name in FACTORS},
    )


def _direction(contribution: float) -> str | None:
    if not contribution:
        return None
    return "up" if contribution > 0 else "down"


def impact_of(
    previous: float, new: float, row: Mapping[str, Any] | None, typical_scale: float, macro: MacroState
) -> dict[str, Any]:
    """The answer about a move from one price to another.

    `row`: the newest of gold.impact_factors of the commodity and province; None before there is one.
    """
    change = math.log(new / previous)
    scale = row["scale"] if row else typical_scale
    shared = attribution(change, {name: row[name] for name in FACTORS} if row else {})
    return {
        "price_change": new / previous - 1,
        "impact_score": impact_score(change, scale, multiplier(macro)),
        "dominant_factor": shared.dominant,
        "factors_with_weights": shared.weights,
        "directions": shared.directions,
        "unexplained_pct": shared.unexplained_pct,
        "unavailable": list(row["unavailable"]) if row else list(FACTORS),
        "assumptions": assumptions(shared, row is not None, macro),
        "macro": dict(macro.values),
    }


def assumptions(shared: Attribution, is_measured: bool, macro: MacroState) -> list[str]:
    """Sentences in Indonesian; the unexplained share comes first when it is the largest."""
    sentences = [MOSTLY_UNEXPLAINED] if shared.unexplained_pct > 50 else []
    sentences += [NOT_A_CAUSE] if is_measured else [NO_ROW, TYPICAL_SCALE]
    return [*sentences, *([ASSUMED_ELASTICITIES] if macro.changes else [])]


def macro_state(released: Mapping[str, Sequence[tuple[Any, float]]]) -> MacroState:
    """Newest values and changes of the macro indicators.

    `released`: indicator -> (time of release, value), oldest first, of the last three years. Inflation is
    compared with its mean of that time (percentage points), the others with their value 90 days before (log).
    """
    values = {name: (rows[-1][1] if (rows := released.get(name)) else None) for name in ELASTICITIES}
    changes: dict[str, float] = {}
    for name, value in values.items():
        rows = released.get(name, ())
        if value is None or len(rows) < 2:
            continue
        if name == "inflation":
            changes[name] = value - sum(past for _, past in rows) / len(rows)
            continue
        before = [past for time, past in rows if (rows[-1][0] - time).days >= 90]
        if before and before[-1] > 0 and value > 0:
            changes[name] = math.log(value / before[-1])
    return MacroState(values, changes)
