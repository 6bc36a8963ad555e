"""Detections -> rows of gold.anomalies: events with severity, label, votes and evidence."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import orjson

from lakehouse.reference import provinces
from lakehouse.validation.prices import isolation_forest
from lakehouse.validation.prices.thresholds import Thresholds
from ml.anomalies.context import Place
from ml.anomalies.detection import (
    AnomalyEvent,
    Detection,
    Rarity,
    StrengthHistory,
    detect,
    group_alarms,
    measure_rarity,
)
from ml.anomalies.forecast_vote import VOTE, DayAheadForecast
from ml.anomalies.labels import ByCommodity, label_of
from ml.anomalies.observations import Reports

FORMULAS = "anomalies-1"  # changes with any formula of ml/anomalies
EPOCH = date(1970, 1, 1)
ORDER = ("market_date", "commodity", "region_code", "market_id", "provider")  # of the rows
Contexts = Callable[[Sequence[Place]], Mapping[Place, Mapping[str, Any]]]
Row = dict[str, Any]


def model_version(thresholds: Thresholds) -> str:
    """12 hex digits that change with any threshold, formula, or the forest."""
    text = f"{FORMULAS} {isolation_forest.MODEL} {thresholds.version}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def anomaly_rows(
    reports: Sequence[Reports],
    thresholds: Thresholds,
    since: int,
    contexts: Contexts,
    forecasts: Mapping[Place, DayAheadForecast],
) -> list[Row]:
    """Rows of gold.anomalies, oldest first, of events since epoch day `since`; without `measured_at`."""
    detections = [detect(each, thresholds) for each in reports]
    rows: list[Row] = []
    for channel in sorted({detection.reports.channel for detection in detections}):
        own = [detection for detection in detections if detection.reports.channel == channel]
        described = _Channel(
            {detection.reports.commodity: (detection.reports, detection.scores) for detection in own},
            [detection.history for detection in own],
            thresholds,
            forecasts,
        )
        for detection in own:
            days = detection.reports.days
            events = group_alarms(detection.alarms, detection.scores.strength, days)
            events = [event for event in events if days[event.first] >= since]
            places = {_place(detection.reports, event) for event in events}
            known = contexts(sorted(places)) if places else {}
            rows += [_row(detection, event, described, known) for event in events]
    return sorted(
        (row for row in rows if row["severity"] != "none"),
        key=lambda row: [row[name] or "" for name in ORDER],
    )


@dataclass(frozen=True)
class _Channel:
    """What all rows of one channel are computed from."""

    by_commodity: ByCommodity
    histories: list[StrengthHistory]
    thresholds: Thresholds
    forecasts: Mapping[Place, DayAheadForecast]


def _day(reports: Reports, row: int) -> date:
    return EPOCH + timedelta(days=int(reports.days[row]))


def _place(reports: Reports, event: AnomalyEvent) -> Place:
    return reports.commodity, reports.regions[event.series], _day(reports, event.first)


def _row(
    detection: Detection, event: AnomalyEvent, channel: _Channel, known: Mapping[Place, Mapping[str, Any]]
) -> Row:
    reports = detection.reports
    scores = detection.scores
    thresholds = channel.thresholds
    series = event.series
    first = event.first
    peak = event.strongest
    provider, market, region = reports.series[series]
    place = _place(reports, event)
    strength = float(np.nan_to_num(scores.strength[peak, series]))
    rarity = measure_rarity(strength, int(reports.days[peak]), detection.history, channel.histories)
    hard = bool(scores.hard[list(event.rows), series].any())
    label = label_of(channel.by_commodity, reports.commodity, series, first, thresholds, known.get(place, {}))
    price = float(reports.price[first, series])
    is_province = reports.channel == "retail" and reports.levels[series] == "province"
    forecast = channel.forecasts.get(place) if is_province else None
    p_forecast = forecast.p_value(price) if forecast else None
    residual = scores.score_r[peak, series] / thresholds.residual
    geographic = scores.score_g[peak, series] / thresholds.geographic
    temporal = hard or np.nan_to_num(residual) >= np.nan_to_num(geographic)
    evidence = _evidence(detection, event, thresholds, rarity, p_forecast) | label.evidence()
    return {
        "commodity": reports.commodity,
        "region_code": region,
        "region": provinces()[region].name,
        "market_id": market if reports.levels[series] == "market" else None,
        "channel": reports.channel,
        "provider": provider,
        "market_date": place[2],
        "last_date": _day(reports, event.rows[-1]),
        "event_time": datetime.fromtimestamp(reports.time[first, series] / 1e6, UTC),
        "price_idr": price,
        "score": 1 - rarity.p,
        "severity": rarity.severity(hard),
        "label": label.label,
        "final": label.final,
        "kind": "temporal" if temporal else "geographic",
        "methods": _methods(detection, event, thresholds, hard, p_forecast),
        "evidence": orjson.dumps(_rounded(evidence)).decode(),
        "model_version": model_version(thresholds),
    }


def _methods(
    detection: Detection,
    event: AnomalyEvent,
    thresholds: Thresholds,
    hard: bool,
    p_forecast: float | None,
) -> list[str]:
    """Names of the detectors that vote for the event on any of its days."""
    days = list(event.rows)
    strength = np.nan_to_num(detection.scores.strength[days, event.series])
    forest = np.nan_to_num(detection.forest[days, event.series])
    votes = {
        "residual": bool((strength > 1).any()) or hard,
        "isolation_forest": bool((forest > thresholds.forest).any()),
        "dbscan": bool(detection.dbscan[days, event.series].any()),
        "forecast": p_forecast is not None and p_forecast <= VOTE,
    }
    return [name for name, vote in votes.items() if vote]


def _evidence(
    detection: Detection,
    event: AnomalyEvent,
    thresholds: Thresholds,
    rarity: Rarity,
    p_forecast: float | None,
) -> dict[str, Any]:
    scores = detection.scores
    series = event.series
    peak = event.strongest
    return {
        "from_idr": scores.last_price_idr[event.first, series],
        "scores": {
            "residual": scores.score_r[peak, series],
            "residual_limit": thresholds.residual,
            "geographic": scores.score_g[peak, series],
            "geographic_limit": thresholds.geographic,
            "isolation_forest": detection.forest[peak, series],
            "isolation_forest_limit": thresholds.forest,
            "dbscan_outlier": bool(detection.dbscan[peak, series]),
            "forecast_p": p_forecast,
        },
        "p": rarity.p,
        "calibration_scores": rarity.n,
        "calibration": rarity.basis,
        "days_flagged": len(event.rows),
        "strongest_date": _day(detection.reports, peak),
    }


def _rounded(value: Any) -> Any:
    """JSON-able: figures with six significant digits, NaN as None."""
    if isinstance(value, Mapping):
        return {name: _rounded(entry) for name, entry in value.items()}
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
