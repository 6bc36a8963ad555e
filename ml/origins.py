"""From which past days a round's models forecast."""

from conf.settings import settings
from ml.backtest import Plan, plan
from ml.panel import Panel

LEAST_ORIGINS = 12  # below it nothing is tried
QUICK_ORIGINS = 12
HOLDOUT = 13


def planned(panel: Panel, quick: bool) -> Plan:
    """A round looks at the origins before the holdout; that of a quick one is as long.

    The gate asks for a year of origins, so a quick round, which looks at a season, promotes nobody.
    """
    horizons = tuple(range(1, settings().forecast.horizon_days + 1))
    return plan(panel, QUICK_ORIGINS + HOLDOUT, HOLDOUT, horizons=horizons) if quick else plan(panel, horizons=horizons)
