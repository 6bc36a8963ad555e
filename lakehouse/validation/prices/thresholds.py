"""The thresholds that a price verdict depends on, and the version that names them on every verdict."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

# Changes with any formula of statistics, scores, siblings or isolation_forest.
FORMULAS = "prices-3"


@dataclass(frozen=True)
class Thresholds:
    """Knobs `validation.*` that price verdicts read; conf/lumbung.yml has their meaning, unit and reason."""

    policy: Literal["calibrated", "seed"]
    allowed_lateness_days: int
    warmup_observations: int
    min_peers: int
    zscore: float
    iqr: float
    deviation: float
    hampel: float
    min_votes: int
    forest: float
    residual: float
    geographic: float
    confirmation: float
    step_share: float
    soft: float
    unit_tolerance: float
    national_gap: float
    range_factor: float
    stale_days: int
    source_tolerance: Mapping[str, float]
    source_pairs: int
    source_age_days: int
    shock_share: float
    shock_part: float
    shock_days: int
    thin_coverage: float
    thin_heaping: float
    thin_limit: float
    level_days: int

    @classmethod
    def of(cls, knobs: Mapping[str, Any]) -> "Thresholds":
        """From settings().rule_values(). Raises KeyError for a knob that is not there."""
        return cls(**{field.name: knobs[field.name] for field in fields(cls)})

    @property
    def version(self) -> str:
        """12 hex digits: changes with any threshold or formula."""
        values = [(field.name, getattr(self, field.name)) for field in fields(self)]
        text = repr(
            [FORMULAS, *((name, sorted(v.items()) if isinstance(v, Mapping) else v) for name, v in values)]
        )
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def limits(self) -> dict[str, float]:
        """Statistic of a verdict -> the limit beyond which it counts against a price."""
        return {
            "score_r": self.residual,
            "score_g": self.geographic,
            "zscore": self.zscore,
            "hampel": self.hampel,
            "deviation": self.deviation,
            "forest_score": self.forest,
            "national_ratio": self.range_factor,
        }

    def tolerance_of(self, commodity: str) -> float:
        """How far two sources may be apart after centring, as a log ratio."""
        return self.source_tolerance.get(commodity, self.source_tolerance["default"])
