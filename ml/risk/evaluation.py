"""How good probabilities of a rise are, and the gate that a risk model has to pass."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score

from ml.data.panel import Floats
from ml.evaluation.leakage_checks import ModelChecks
from ml.evaluation.predictions import Ints

BINS = 10  # of equal width
LEAST_CASES = 100  # in a bin whose reliability counts
BUDGET_SHARE = 0.05  # of series-days that may alert
VOLATILE = ("cabai", "bawang-merah")  # begin of the ids of chillies and shallots


@dataclass(frozen=True)
class RiskCases:
    """Cases of a backtest, arrays (cases,): a series at an origin with a price on the target day."""

    commodity: npt.NDArray[np.str_]
    origin: Ints  # column of the panel
    risk: Floats  # 0 to 1
    rises: npt.NDArray[np.bool_]  # whether the price was 10 % higher a week later
    volatility: Floats  # v: mean absolute daily change of log price
    lead_days: Ints  # from the origin to the first day on which the price was 10 % higher; 0 without a rise


@dataclass(frozen=True)
class RiskFigures:
    """Figures over the cases of a backtest.

    `brier_skill`: 1 - Brier / Brier of each commodity's own share of rises among the cases, which no forecast
    could know: a stricter baseline than the past. `reliability_gap`: largest difference of mean risk and
    share of rises in a bin. `volatile_ratio`: average precision within chillies and shallots / their share of
    rises. `alerts` reach the threshold; `hit_rate`, `false_alarm_ratio`, `alerts_a_day` (of an origin, all
    series together) and `median_lead_days` (of those that were right) are theirs.
    """

    cases: int
    origins: int
    base_rate: float
    average_precision: float
    volatility_precision: float  # average precision of v alone, which the model must beat
    brier: float
    brier_skill: float
    reliability_gap: float
    volatile_ratio: float
    budget_level: float  # risk (0 to 1) that BUDGET_SHARE of the cases exceed
    alerts: int
    hit_rate: float | None
    false_alarm_ratio: float | None
    alerts_a_day: float
    median_lead_days: float | None


@dataclass(frozen=True)
class RiskRequirements:
    """What a risk model must reach."""

    origins: int = 52  # a year of weeks
    average_precision: float = 0.40
    brier_skill: float = 0.22
    reliability_gap: float = 0.05
    volatile_ratio: float = 2.5  # not required where no chilli and no shallot has risen


def figures(cases: RiskCases, threshold: float) -> RiskFigures:
    """Figures of the cases. `threshold`: risk (0 to 1) that alerts.

    Raises ValueError when there is no rise among them.
    """
    risk = cases.risk
    rises = cases.rises
    if not rises.any():
        raise ValueError("no price rose by 10 % within a week: there is nothing to evaluate")
    volatile = np.char.startswith(cases.commodity, VOLATILE[0]) | (cases.commodity == VOLATILE[1])
    alerted = risk >= threshold
    right = alerted & rises
    hits = int(right.sum())
    origins = len(np.unique(cases.origin))
    brier = float(np.mean((risk - rises) ** 2))
    return RiskFigures(
        cases=len(rises),
        origins=origins,
        base_rate=float(rises.mean()),
        average_precision=float(average_precision_score(rises, risk)),
        volatility_precision=float(average_precision_score(rises, cases.volatility)),
        brier=brier,
        brier_skill=1 - brier / climatology_brier(rises, cases.commodity),
        reliability_gap=reliability_gap(risk, rises),
        volatile_ratio=_precision_ratio(risk[volatile], rises[volatile]),
        budget_level=float(np.quantile(risk, 1 - BUDGET_SHARE)),
        alerts=int(alerted.sum()),
        hit_rate=hits / int(rises.sum()) if alerted.any() else None,
        false_alarm_ratio=1 - hits / int(alerted.sum()) if alerted.any() else None,
        alerts_a_day=int(alerted.sum()) / origins,
        median_lead_days=float(np.median(cases.lead_days[right])) if hits else None,
    )


def climatology_brier(rises: npt.NDArray[np.bool_], names: npt.NDArray[np.str_]) -> float:
    """Brier score of each commodity's own share of rises."""
    errors = [rises[names == name] - rises[names == name].mean() for name in np.unique(names)]
    return float(np.mean(np.concatenate(errors) ** 2))


def reliability_gap(risk: Floats, rises: npt.NDArray[np.bool_]) -> float:
    """Largest |mean risk - share of rises| over the bins with LEAST_CASES; 0 without such a bin."""
    number = np.minimum((risk * BINS).astype(int), BINS - 1)
    gaps = [
        abs(float(risk[own].mean() - rises[own].mean()))
        for own in (number == each for each in range(BINS))
        if own.sum() >= LEAST_CASES
    ]
    return max(gaps, default=0.0)


def _precision_ratio(risk: Floats, rises: npt.NDArray[np.bool_]) -> float:
    if not rises.any():
        return float("nan")
    return float(average_precision_score(rises, risk) / rises.mean())


def gate_faults(
    measured: RiskFigures, checks: ModelChecks, requirements: RiskRequirements
) -> tuple[str, ...]:
    """What the model fails; empty when it passes."""
    required: Mapping[str, tuple[bool, str]] = {
        "origins": (measured.origins >= requirements.origins, f"{requirements.origins} needed"),
        "average_precision": (
            measured.average_precision >= requirements.average_precision,
            f"{requirements.average_precision:.2f} needed",
        ),
        "brier_skill": (
            measured.brier_skill >= requirements.brier_skill,
            f"{requirements.brier_skill:.2f} needed",
        ),
        "reliability_gap": (
            measured.reliability_gap <= requirements.reliability_gap,
            f"{requirements.reliability_gap:.2f} allowed",
        ),
        "volatile_ratio": (
            not measured.volatile_ratio < requirements.volatile_ratio,
            f"{requirements.volatile_ratio:.2f} needed",
        ),
    }
    values = asdict(measured)
    faults = [
        f"{name.replace('_', ' ')} {values[name]:.3g}, {limit}"
        for name, (reached, limit) in required.items()
        if not reached
    ]
    if measured.average_precision <= measured.volatility_precision:
        faults.append("volatility alone ranks as well")
    return (*faults, *(f"check {name} failed" for name in checks.faults))
