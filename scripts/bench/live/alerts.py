"""Alerts over Panel Harga: false alarms and flaps of the rules, and the backtest of the risk model."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conf.settings import settings
from lakehouse.alerts.rows import CHANNEL, price_alerts
from lakehouse.gold.chosen_provider import chosen_rows
from lakehouse.reference import provinces
from ml.data.files import read_files
from ml.data.holidays import distance
from ml.data.panel import Panel
from ml.progress import TrainingProgress
from ml.risk.evaluation import RiskRequirements
from ml.risk.training_round import evaluate

MEANS = (
    "13 commodities in 34 provinces, 2022-01 to 2024-09; false alarm: the price was 15 % or more lower 3 to "
    "7 days after the alert became active, per 1,000 series-days with a price; feast: a week around Idul "
    "Fitri; thin: less than 90 % of the series report; flaps: alerts of a series and rule that became active "
    "within 7 days of the one before; risk: origins before the holdout, gate: what it has against the model"
)
FOLDER = "data/panelharga_prov_daily/Harga_Bahan_Pangan/train"
FELL_BACK_PCT = -15.0
FEAST_DAYS = 7
THIN_SHARE = 0.9
FLAP_DAYS = 7
Flags = npt.NDArray[np.bool_]
Alert = dict[str, Any]


def daily_prices(panel: Panel, commodity: str) -> pa.Table:
    """Rows as in gold.daily_prices of one commodity of a panel."""
    rows, days = np.nonzero(np.isfinite(panel.price) & (np.array(panel.commodities) == commodity)[:, None])
    count = len(rows)
    codes = [panel.regions[row] for row in rows]
    return pa.table(
        {
            "commodity": [commodity] * count,
            "region_code": codes,
            "region": [provinces()[code].name for code in codes],
            "channel": [CHANNEL] * count,
            "level": ["province"] * count,
            "provider": ["panel-harga"] * count,
            "market_date": pa.array(panel.days[days]),
            "unit": [panel.units[row] for row in rows],
            "median_price_idr": panel.price[rows, days],
            "observations": pa.array(np.ones(count, dtype=np.int64)),
            "markets": pa.array(np.ones(count, dtype=np.int64)),
        }
    )


def measure() -> dict[str, object]:
    """Figures of all rules together and of each, and of the risk model."""
    panel = read_files(settings().shared / FOLDER)
    alerts: list[Alert] = []
    for commodity in panel.distinct_commodities:
        alerts += price_alerts(chosen_rows(daily_prices(panel, commodity)), settings().alerts.levels)
    kinds = day_kinds(panel)
    rules = sorted({alert["rule"] for alert in alerts})
    return {
        "series_days": {kind: int(np.isfinite(panel.price[:, days]).sum()) for kind, days in kinds.items()},
        "all_rules": figures(alerts, panel, kinds),
        **{rule: figures([each for each in alerts if each["rule"] == rule], panel, kinds) for rule in rules},
        **risk_figures(panel),
    }


def day_kinds(panel: Panel) -> dict[str, Flags]:
    """Kind of day -> (days,) which ones are of it."""
    share = np.isfinite(panel.price).mean(axis=0)
    return {
        "all": np.ones(len(panel.days), dtype=bool),
        "feast": np.abs(distance(panel.days, "fitri")) <= FEAST_DAYS,
        "thin": share < THIN_SHARE,
    }


def figures(alerts: Sequence[Alert], panel: Panel, kinds: dict[str, Flags]) -> dict[str, object]:
    """Numbers of some alerts; `kinds`: days that false alarms are counted on."""
    active = [alert for alert in alerts if alert["active_at"] is not None]
    fell_back = [alert for alert in active if (alert["outcome_pct"] or 0.0) <= FELL_BACK_PCT]
    per_1000 = {}
    for kind, is_kind in kinds.items():
        days = set(panel.days[is_kind].tolist())
        count = sum(local_day(alert["active_at"]) in days for alert in fell_back)
        observed = int(np.isfinite(panel.price[:, is_kind]).sum())
        per_1000[f"false_alarms_per_1000_{kind}"] = round(1000 * count / max(observed, 1), 3)
    return {**per_1000, "flaps": flaps(active)}


def local_day(begin: datetime) -> Any:
    """The market day that begins at local midnight, which is in the afternoon before in UTC."""
    return (begin + timedelta(hours=12)).date()


def flaps(active: Sequence[Alert]) -> int:
    """How many became active within FLAP_DAYS of the one before of the same series and rule."""
    times: dict[tuple[str, ...], list[datetime]] = defaultdict(list)
    for alert in active:
        times[alert["rule"], alert["commodity"], alert["region_code"]].append(alert["active_at"])
    pairs = (
        (first, second) for each in times.values() for first, second in zip(each, each[1:], strict=False)
    )
    return sum(second - first < timedelta(days=FLAP_DAYS) for first, second in pairs)


def risk_figures(panel: Panel) -> dict[str, object]:
    """The backtest of the risk model. The holdout stays closed."""
    began = time.perf_counter()
    evaluated = evaluate(panel, TrainingProgress(), RiskRequirements())
    measured = {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in asdict(evaluated.figures).items()
    }
    gate = "; ".join(evaluated.faults) or "passed"
    return {"risk_model": measured, "risk_gate": gate, "risk_seconds": round(time.perf_counter() - began)}
