"""How good probabilities of a rise are, and the gate that a risk model has to pass."""

from dataclasses import asdict, dataclass
from math import isnan

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score

from ml.data.panel import Floats, Panel
from ml.evaluation.backtest import SATURDAY, Plan, Report
from ml.evaluation.leakage_checks import ModelChecks
from ml.evaluation.predictions import Ints
from ml.features import feature_matrix
from ml.features.inputs import FeatureInputs
from ml.features.related_series import find_related_series
from ml.models.training_rows import features_by_name, features_with_data
from ml.risk.model import HORIZON, RISE, RiskModel

BINS = 10  # of equal width
LEAST_CASES = 100  # in a bin whose reliability counts
BUDGET_SHARE = 0.05  # of series-days that may alert
VOLATILE = ("cabai", "bawang-merah")  # begin of the ids of chillies and shallots
LONGEST_DAYS = 1200  # of a panel: a year before the first of 78 origins, and what features look back on


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
    values = asdict(measured)
    faults = []
    for name, limit in asdict(requirements).items():
        value = values[name]
        is_most = name == "reliability_gap"
        # what is not a number is no ratio to reach, and else a fault
        reached = value <= limit if is_most else value >= limit or (name == "volatile_ratio" and isnan(value))
        if not reached:
            text = str(limit) if name == "origins" else f"{limit:.2f}"
            required = f"{text} {'allowed' if is_most else 'needed'}"
            faults.append(f"{name.replace('_', ' ')} {value:.3g}, {required}")
    if measured.average_precision <= measured.volatility_precision:
        faults.append("volatility alone ranks as well")
    return (*faults, *(f"check {name} failed" for name in checks.faults))


def risk_cases(panel: Panel, plan: Plan, model: RiskModel, report: Report) -> RiskCases:
    """Risks at the origins of the plan, by a fit at the first origin of each block.

    Features are computed once for all days: none of them depends on a later day, which the gate checks
    (ml.evaluation.leakage_checks). Related series are chosen before the first origin. A fit learns from
    targets that are not after its origin.
    """
    related = find_related_series(panel.until(plan.origins[0]))
    features = features_by_name(features_with_data(model.features, panel))
    model.features = [feature.name for feature in features]
    inputs = FeatureInputs(panel, related)
    days = np.arange(plan.origins[-1] + 1)
    every = np.meshgrid(np.arange(len(panel.series)), days, indexing="ij")
    values = feature_matrix(inputs, features, every[0].ravel(), every[1].ravel())
    values = values.reshape(len(panel.series), len(days), len(features))
    blocks = plan.blocks()
    parts = []
    for number, block in enumerate(blocks, 1):
        known = FeatureInputs(panel.until(block[0]), related)
        model.fit_inputs(known, lambda series, day: values[series, day])
        for origin in block:
            risk = model.predict_features(panel.until(origin), values[:, origin])
            parts.append(_cases(inputs, origin, risk))
        report(number, len(blocks), f"risk {panel.days[block[0]]}")
    return RiskCases(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _cases(inputs: FeatureInputs, origin: int, risk: np.ndarray) -> tuple[np.ndarray, ...]:
    """The columns of RiskCases of one origin."""
    panel = inputs.panel
    target = origin + HORIZON
    is_weekday = (int(panel.days[target].astype(np.int64)) + 3) % 7 < SATURDAY
    rows: Ints = np.flatnonzero(np.isfinite(risk) & np.isfinite(panel.price[:, target]) & is_weekday)
    rises = inputs.y[rows, target] - inputs.y[rows, origin] >= RISE
    names = np.array(panel.commodities)[rows]
    is_higher = inputs.y[rows, origin + 1 : target + 1] - inputs.y[rows, origin, None] >= RISE
    lead_days = np.where(rises, 1 + is_higher.argmax(axis=1), 0)
    return names, np.full(len(rows), origin), risk[rows], rises, inputs.v[rows, origin], lead_days
