"""Risks from past origins, each by a model that was fitted on earlier days alone."""

import numpy as np

from ml.data.panel import Panel
from ml.evaluation.backtest import SATURDAY, Plan, Report
from ml.evaluation.predictions import Ints
from ml.features import feature_matrix
from ml.features.inputs import FeatureInputs
from ml.features.related_series import find_related_series
from ml.models.training_rows import features_by_name, features_with_data
from ml.risk.evaluation import RiskCases
from ml.risk.model import HORIZON, RISE, RiskModel

LONGEST_DAYS = 1200  # of a panel: a year before the first of 78 origins, and what features look back on


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
