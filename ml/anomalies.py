"""silver.price_verdicts -> gold.anomalies"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.reference import provinces
from lakehouse.validation import forest
from lakehouse.validation.thresholds import Thresholds
from ml import tables
from ml.anomaly_context import TABLES, Place, context
from ml.anomaly_events import Event, events
from ml.anomaly_forecast import VOTE, Issued, issued
from ml.anomaly_labels import Goods, label_of
from ml.anomaly_reports import Reports, reports
from ml.anomaly_scores import Scores, forest_scores, scores
from ml.anomaly_severity import Past, rarity
from ml.anomaly_space import outliers

log = logging.getLogger("lumbung.anomalies")
TABLE, SOURCE = "gold.anomalies", "silver.price_verdicts"
FORMULAS = "anomalies-1"  # changes with any formula of ml/anomaly_*.py
EPOCH = date(1970, 1, 1)
Contexts = Callable[[Sequence[Place]], Mapping[Place, Mapping[str, Any]]]


def thresholds_of_day() -> Thresholds:
    """Those of the stream, with the limits of a closed day."""
    knobs = settings().anomalies
    return Thresholds.of({**settings().validation.model_dump(), "residual": knobs.residual, "geographic": knobs.geographic})


def model_version(thresholds: Thresholds) -> str:
    """12 hex digits: changes with any threshold, formula, or the forest."""
    return hashlib.sha256(f"{FORMULAS} {forest.MODEL} {thresholds.version}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Judged:
    """One commodity and channel with all that its detectors say, [days, series]."""

    reports: Reports
    scores: Scores
    forest: np.ndarray  # NaN where it was not asked
    apart: np.ndarray  # DBSCAN's -1
    past: Past

    @classmethod
    def of(cls, given: Reports, thresholds: Thresholds, everywhere: bool = False) -> "Judged":
        """The forest is asked about alarms only, unless `everywhere`."""
        made = scores(given, thresholds)
        asked = None if everywhere else _alarms(made)
        past = Past.of(given.days, made.strength, made.hard)
        return cls(given, made, forest_scores(made, asked), outliers(made, given.days), past)

    @property
    def alarms(self) -> np.ndarray:
        """Residual and geographic score decide; the others are heard but raise no alarm: `bench anomalies` shows why."""
        return _alarms(self.scores)


def _alarms(made: Scores) -> np.ndarray:
    return (np.nan_to_num(made.strength) > 1) | made.hard


def anomalies(
    given: Sequence[Reports], thresholds: Thresholds, since: int, contexts: Contexts, forecasts: Mapping[Place, Issued]
) -> list[dict[str, Any]]:
    """Rows of gold.anomalies but for `measured_at`: events that begin on epoch day `since` or later, oldest first."""
    judged = [Judged.of(one, thresholds) for one in given]
    rows = []
    for channel in sorted({one.reports.channel for one in judged}):
        mine = [one for one in judged if one.reports.channel == channel]
        goods = {one.reports.commodity: (one.reports, one.scores) for one in mine}
        every = [one.past for one in mine]
        for one in mine:
            found = events(one.alarms, one.scores.strength, one.reports.days)
            found = [event for event in found if one.reports.days[event.first] >= since]
            places = {_place(one.reports, event) for event in found}
            known = contexts(sorted(places)) if places else {}
            rows += [_row(one, event, goods, every, thresholds, known, forecasts) for event in found]
    return sorted(
        (row for row in rows if row["severity"] != "none"),
        key=lambda row: (row["market_date"], row["commodity"], row["region_code"], row["market_id"] or "", row["provider"]),
    )


def _place(given: Reports, event: Event) -> Place:
    return given.commodity, given.regions[event.series], EPOCH + timedelta(days=int(given.days[event.first]))


def _row(
    one: Judged, event: Event, goods: Goods, every: list[Past], thresholds: Thresholds,
    known: Mapping[Place, Mapping[str, Any]], forecasts: Mapping[Place, Issued],
) -> dict[str, Any]:  # fmt: skip
    given, made, series, first, peak = one.reports, one.scores, event.series, event.first, event.strongest
    provider, market, region = given.series[series]
    place = _place(given, event)
    strength = float(np.nan_to_num(made.strength[peak, series]))
    rare = rarity(strength, int(given.days[peak]), one.past, every)
    hard = bool(made.hard[list(event.rows), series].any())
    label = label_of(goods, given.commodity, series, first, thresholds, known.get(place, {}))
    forecast = forecasts.get(place) if given.channel == "retail" and given.levels[series] == "province" else None
    price = float(given.price[first, series])
    p_forecast = forecast.p_value(price) if forecast else None
    days = list(event.rows)
    votes = {
        "residual": bool((np.nan_to_num(made.strength[days, series]) > 1).any()) or hard,
        "isolation_forest": bool((np.nan_to_num(one.forest[days, series]) > thresholds.forest).any()),
        "dbscan": bool(one.apart[days, series].any()),
        "forecast": p_forecast is not None and p_forecast <= VOTE,
    }
    ratios = made.score_r[peak, series] / thresholds.residual, made.score_g[peak, series] / thresholds.geographic
    evidence = {
        "from_idr": made.last_price_idr[first, series],
        "scores": {
            "residual": made.score_r[peak, series], "residual_limit": thresholds.residual,
            "geographic": made.score_g[peak, series], "geographic_limit": thresholds.geographic,
            "isolation_forest": one.forest[peak, series], "isolation_forest_limit": thresholds.forest,
            "dbscan_outlier": bool(one.apart[peak, series]), "forecast_p": p_forecast,
        },
        "p": rare.p, "calibration_scores": rare.n, "calibration": rare.basis,
        "days_flagged": len(days), "strongest_date": EPOCH + timedelta(days=int(given.days[peak])),
        **label.told(),
    }  # fmt: skip
    return {
        "commodity": given.commodity, "region_code": region, "region": provinces()[region].name,
        "market_id": market if given.levels[series] == "market" else None, "channel": given.channel, "provider": provider,
        "market_date": place[2], "last_date": EPOCH + timedelta(days=int(given.days[days[-1]])),
        "event_time": datetime.fromtimestamp(given.time[first, series] / 1e6, UTC), "price_idr": price,
        "score": 1 - rare.p, "severity": rare.severity(hard), "label": label.label, "final": label.final,
        "kind": "temporal" if hard or np.nan_to_num(ratios[0]) >= np.nan_to_num(ratios[1]) else "geographic",
        "methods": [name for name, vote in votes.items() if vote],
        "evidence": orjson.dumps(_shown(evidence)).decode(),
        "model_version": model_version(thresholds),
    }  # fmt: skip


def _shown(value: Any) -> Any:
    """JSON-able: figures with six significant digits, NaN as None."""
    if isinstance(value, Mapping):
        return {name: _shown(one) for name, one in value.items()}
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def refresh(lake: str | None = None) -> None:
    """Bring gold.anomalies up to silver.price_verdicts; nothing is written when nothing that it rests on has changed.

    `lake`: must be the root of the settings when given. Events that began before knob anomalies.days stay as they are.
    """
    if lake not in (None, settings().lake_root):
        raise ValueError(f"ml writes the lake of the settings, {settings().lake_root}, not {lake}")
    if not tables.is_there(SOURCE):
        return
    verdicts, thresholds = DeltaTable(tables.path_of(SOURCE)), thresholds_of_day()
    forecasts = DeltaTable(tables.path_of("gold.forecasts")) if tables.is_there("gold.forecasts") else None
    versions = f"{SOURCE} {verdicts.version()}, gold.forecasts {forecasts.version() if forecasts else None}"
    context_of = [f"{name} {DeltaTable(tables.path_of(name)).version()}" for name in TABLES if tables.is_there(name)]
    knobs = settings().anomalies
    made_from = f"{model_version(thresholds)} of {versions}, {', '.join(context_of)}, {knobs.days} {knobs.history_days}"
    if tables.last_made_from(TABLE) == tables.fingerprint(made_from):
        return
    dataset = verdicts.to_pyarrow_dataset()
    marks = dataset.to_table(columns=["market_date", "ingested_at"])
    newest, measured_at = pc.max(marks["market_date"]).as_py(), pc.max(marks["ingested_at"]).as_py()
    if newest is None:
        return
    since = newest - timedelta(days=settings().anomalies.days)
    given = list(reports(dataset, newest - timedelta(days=settings().anomalies.history_days)))
    around = {name: _opened_or_empty(name) for name in TABLES}
    served = issued(forecasts.to_pyarrow_dataset() if forecasts else None)
    found = anomalies(given, thresholds, (since - EPOCH).days, lambda places: context(around, places), served)
    schema = arrow_schema(contracts()[TABLE])
    rows = pa.Table.from_pylist([{**row, "measured_at": measured_at} for row in found], schema=schema)
    tables.replace(TABLE, pa.concat_tables([_older(since), rows]), made_from)
    log.info("%d anomalies since %s, %d of them not yet final", len(found), since, sum(not row["final"] for row in found))


def _older(since: date) -> pa.Table:
    """Events that are not looked at again."""
    held = tables.ensure(TABLE).to_pyarrow_dataset().to_table(filter=pc.field("market_date") < pa.scalar(since))
    return tables.shaped(held, contracts()[TABLE])


def _opened_or_empty(table: str) -> object:
    if tables.is_there(table):
        return DeltaTable(tables.path_of(table)).to_pyarrow_dataset()
    return arrow_schema(contracts()[table]).empty_table()
