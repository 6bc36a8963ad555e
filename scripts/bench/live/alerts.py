"""The price rules over Panel Harga: how many alerts, how many fell back, and how long a computation takes."""

import time
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from conf.settings import settings
from lakehouse.alerts.rows import CHANNEL, price_alerts
from lakehouse.gold.chosen_provider import chosen_rows
from lakehouse.reference import provinces
from ml.data.files import read_files
from ml.data.holidays import distance
from ml.data.panel import Panel

MEANS = (
    "13 commodities in 34 provinces, 2022-01 to 2024-09; per 1,000 series-days with a price; fell_back: the "
    "price was 15 % or more lower 3 to 7 days after the alert became active; feast: a week around Idul Fitri"
)
FOLDER = "data/panelharga_prov_daily/Harga_Bahan_Pangan/train"
FELL_BACK_PCT = -15.0
FEAST_DAYS = 7


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
    """Figures of each rule, and seconds that one commodity takes."""
    panel = read_files(settings().shared / FOLDER)
    alerts: list[dict[str, Any]] = []
    seconds = []
    for commodity in panel.distinct_commodities:
        rows = chosen_rows(daily_prices(panel, commodity))
        began = time.perf_counter()
        alerts += price_alerts(rows, settings().alerts.levels)
        seconds.append(time.perf_counter() - began)
    observed = np.isfinite(panel.price)
    is_feast = np.abs(distance(panel.days, "fitri")) <= FEAST_DAYS
    return {
        "series_days": int(observed.sum()),
        "seconds_per_commodity": round(float(np.mean(seconds)), 3),
        **{
            rule: figures(
                [alert for alert in alerts if alert["rule"] == rule],
                int(observed.sum()),
                int(observed[:, is_feast].sum()),
                panel.days[is_feast],
            )
            for rule in sorted({alert["rule"] for alert in alerts})
        },
    }


def figures(
    alerts: list[dict[str, Any]], series_days: int, feast_days: int, feast: np.ndarray
) -> dict[str, object]:
    """Numbers of one rule. `feast`: the days around Idul Fitri, on which `feast_days` prices lie."""
    active = [alert for alert in alerts if alert["active_at"] is not None]
    fell_back = [alert for alert in active if (alert["outcome_pct"] or 0.0) <= FELL_BACK_PCT]
    near = {str(day) for day in feast}
    in_feast = [alert for alert in fell_back if f"{alert['active_at']:%Y-%m-%d}" in near]
    return {
        "states": dict(Counter(alert["state"] for alert in alerts)),
        "active_per_1000": round(1000 * len(active) / series_days, 3),
        "fell_back_per_1000": round(1000 * len(fell_back) / series_days, 3),
        "fell_back_per_1000_feast": round(1000 * len(in_feast) / feast_days, 3),
        "median_outcome_pct": round(
            float(np.median([alert["outcome_pct"] for alert in active if alert["outcome_pct"] is not None])),
            2,
        ),
    }
