"""The origins of a round: the past days from which its models forecast."""

from conf.settings import settings
from ml.data.panel import Panel
from ml.evaluation.backtest import Plan, plan

LEAST_ORIGINS = 12  # with fewer no model is evaluated
QUICK_ORIGINS = 12
HOLDOUT = 13


def plan_round(panel: Panel, quick: bool) -> Plan:
    """The plan of a round. A quick round has fewer origins before a holdout of the same length.

    The gate requires a year of origins, so a quick round, which covers a season, promotes no model.
    """
    horizons = tuple(range(1, settings().forecast.horizon_days + 1))
    return (
        plan(panel, QUICK_ORIGINS + HOLDOUT, HOLDOUT, horizons=horizons)
        if quick
        else plan(panel, horizons=horizons)
    )
