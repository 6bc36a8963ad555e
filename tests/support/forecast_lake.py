"""A small lake of the tables that models write, for the API to serve."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from lakehouse.reference import provinces
from scripts.bench.api_lake import write
from tests.support.served_lake import NOW

ISSUED = NOW - timedelta(days=1)
ORIGIN = ISSUED.date()
COMMODITY = "cabai-merah-keriting"  # the representative of its group, cabai
MEASURED = NOW - timedelta(hours=3)


def issue(
    model: str,
    commodity: str = COMMODITY,
    region_code: str = "32",
    days: int = 7,
    price_idr: float = 40_000.0,
    issued_at: datetime = ISSUED,
    champion: bool = False,
    **more: Any,
) -> list[dict[str, Any]]:
    """Rows of gold.forecasts of one model and series: a constant price with intervals of 10 and 20 %."""
    return [
        {
            "commodity": commodity,
            "region_code": region_code,
            "region": "Indonesia" if region_code == "ID" else provinces()[region_code].name,
            "provider": "panel-harga",
            "unit": "kg",
            "issued_at": issued_at,
            "origin_date": issued_at.date(),
            "target_date": issued_at.date() + timedelta(days=day),
            "horizon_days": day,
            "model": model,
            "champion": champion,
            "price_idr": price_idr,
            "lower_80_idr": price_idr / 1.1,
            "upper_80_idr": price_idr * 1.1,
            "lower_95_idr": price_idr / 1.2,
            "upper_95_idr": price_idr * 1.2,
            "confidence": round(0.9 - day / 100, 2),
            "interval_basis": "pooled",
            "model_version": "3",
            "run_id": "run-new",
            "data_version": 17,
            "skill_vs_naive": 0.09,
            "gate_reason": f"{model}: skill +9.0% (+2.0% … +16.0%)",
            **more,
        }
        for day in range(1, days + 1)
    ]


FORECASTS = [
    *issue(
        "naive", issued_at=ISSUED - timedelta(days=4), price_idr=39_000.0, champion=True, run_id="run-old"
    ),
    *issue("naive", price_idr=41_000.0),
    *issue("ensemble", days=10, champion=True),
    *issue("lstm", days=3, price_idr=42_000.0),
    *issue("naive", region_code="ID", champion=True, run_id=None, data_version=None, model_version="0"),
    *issue("naive", "bawang-merah", champion=True),
    *issue(
        "naive", "garam", issued_at=ISSUED - timedelta(days=30), champion=True
    ),  # not forecast again since
]


def accuracy(
    model: str, region_code: str = "32", days: int = 7, commodity: str = COMMODITY, **more: Any
) -> dict[str, Any]:
    """A row of gold.model_accuracy."""
    region = "Indonesia" if region_code == "ID" else provinces()[region_code].name
    return {
        "model": model,
        "commodity": commodity,
        "region_code": region_code,
        "region": region,
        "horizon_days": days,
        "kind": "backtest",
        "mape_pct": 8.0,
        "wape_pct": 7.5,
        "mae_idr": 3000.0,
        "rmse_idr": 4500.0,
        "mase": 0.9,
        "skill_vs_naive": 0.1,
        "p_value": 0.002,
        "skill_low": 0.02 if region_code == "ID" else None,
        "skill_high": 0.18 if region_code == "ID" else None,
        "coverage_80": 0.81,
        "origins": 52,
        "cells": 1700,
        "run_id": "run-new",
        "measured_at": MEASURED,
        "alias": "champion" if model == "ensemble" else None,
        **more,
    }


ACCURACY = [
    *(accuracy("ensemble", place, days) for place in ("32", "ID") for days in range(1, 8)),
    *(accuracy("naive", place, days, skill_vs_naive=0.0) for place in ("32", "ID") for days in range(1, 8)),
    accuracy("naive", commodity="garam"),
    accuracy("ensemble", kind="issued", wape_pct=9.0, coverage_80=None, run_id=None, alias=None),
]


def importances(
    run_id: str, age: timedelta, *names: str, model: str = "price", commodity: str | None = None
) -> list[dict[str, Any]]:
    """Rows of gold.feature_importance, most important first."""
    return [
        {
            "model": model,
            "commodity": commodity,
            "feature": name,
            "importance": 1 / (rank + 1),
            "rank": rank,
            "run_id": run_id,
            "measured_at": NOW - age,
        }
        for rank, name in enumerate(names, 1)
    ]


IMPORTANCE = [
    *importances("run-old", timedelta(days=9), "own_r_1", "gone"),
    *importances("run-new", timedelta(hours=3), "own_r_7", "national_r_7", "month"),
    *importances("run-new", timedelta(hours=3), "own_r_1", commodity="bawang-merah"),
]


def anomaly(number: int, commodity: str = COMMODITY, region_code: str = "32", **more: Any) -> dict[str, Any]:
    """A row of gold.anomalies, `number` days old."""
    at = NOW - timedelta(days=number)
    province = provinces()[region_code]
    return {
        "commodity": commodity,
        "region_code": region_code,
        "region": province.name,
        "market_id": None,
        "channel": "retail",
        "market_date": at.astimezone(ZoneInfo(province.timezone)).date(),
        "event_time": at,
        "price_idr": 60_000.0,
        "score": 0.995,
        "severity": "medium",
        "kind": "temporal",
        "label": "unknown",
        "final": True,
        "methods": ["residual"],
        "evidence": "{}",
        "model_version": "1",
        "measured_at": NOW,
        **more,
    }


ANOMALIES = [
    *(anomaly(number) for number in range(1, 6)),
    anomaly(2, "cabai-rawit-merah", severity="high", market_id="PASAR-001", kind="geographic", label="shock"),
    anomaly(3, "garam", region_code="51"),
    anomaly(200),
]


def series(region_code: str, nth: int = 0, **more: Any) -> dict[str, Any]:
    """A row of gold.series_stats: shallots stable at 35,500 rupiah, with small differences by province."""
    level = 10.477 + 0.01 * (nth % 5 - 2)
    yesterday = NOW.date() - timedelta(days=1)
    return {
        "commodity": "bawang-merah",
        "channel": "retail",
        "provider": "panel_harga",
        "market_id": f"PROV-{region_code}",
        "region_code": region_code,
        "level": "province",
        "as_of": NOW.date(),
        "n": 60,
        "last_log": level,
        "last_day": yesterday,
        "change_day": yesterday,
        "level_7": level - 0.005 * (nth % 3 - 1),
        "average_28": level,
        "own_scale": 0.01,
        "residual_scale": 0.0125,
        "gap_median": 0.01 * (nth % 5 - 2) - 0.004 * (nth % 4),
        "gap_scale": 0.02,
        "national_move": 0.0,
        "national_level": 10.477,
        "national_median_idr": 35_500.0,
        "peers": 34,
        "peers_moved": 0.8,
        **more,
    }


STATISTICS = [series(code, nth) for nth, code in enumerate(provinces())]


def lag(days: int, p_value: float, **more: Any) -> dict[str, Any]:
    """A row of gold.weather_prices."""
    return {
        "commodity": "bawang-merah",
        "region_code": "32",
        "region": "Jawa Barat",
        "variable": "rainfall_mm",
        "lag_days": days,
        "correlation": 0.1 + days / 1000,
        "n": 1300,
        "n_eff": 240.0,
        "ci_low": 0.01,
        "ci_high": 0.2,
        "p_value": p_value,
        "p_value_adjusted": 2 * p_value,
        "placebo_p_value": 0.04,
        "significant": p_value < 0.01,
        "strongest": days == 30,
        "text": f"{days} hari",
        "method": "Pearson",
        "from_date": date(2020, 1, 1),
        "to_date": date(2025, 3, 31),
        "measured_at": MEASURED,
        **more,
    }


WEATHER = [lag(0, 0.4), lag(7, 0.03), lag(14, 0.02), lag(30, 0.001), lag(7, 0.5, variable="humidity_pct")]


def fill_models(root: str) -> None:
    """Every table that models write, and the statistics that prices are validated by."""
    write(root, "gold.forecasts", FORECASTS)
    write(root, "gold.model_accuracy", ACCURACY)
    write(root, "gold.feature_importance", IMPORTANCE)
    write(root, "gold.anomalies", ANOMALIES)
    write(root, "gold.series_stats", STATISTICS)
    write(root, "gold.weather_prices", WEATHER)
