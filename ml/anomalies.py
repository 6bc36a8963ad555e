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
from deltalake import CommitProperties, DeltaTable, write_deltalake

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.paths import table_path
from lakehouse.reference import provinces
from lakehouse.validation import forest
from lakehouse.validation.thresholds import Thresholds
from ml.anomaly_context import TABLES, Place, context
from ml.anomaly_events import Event, events
from ml.anomaly_forecast import VOTE, Issued, issued
from ml.anomaly_labels import Goods, label_of
from ml.anomaly_reports import Reports, reports
from ml.anomaly_scores import Scores, forest_scores, scores
from ml.anomaly_severity import Past, rarity
from ml.anomaly_space import outliers

log = logging.getLogger("lumbung.anomalies")
TABLE = "gold.anomalies"
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
    forest: np.ndarray
    apart: np.ndarray  # DBSCAN's -1
    past: Past

    @classmethod
    def of(cls, given: Reports, thresholds: Thresholds) -> "Judged":
        made = scores(given, thresholds)
        past = Past.of(given.days, made.strength, made.hard)
        return cls(given, made, forest_scores(made), outliers(made, given.days), past)

    @property
    def alarms(self) -> np.ndarray:
        """The residual and geographic score decides; the other detectors are heard, see README for why."""
        return (np.nan_to_num(self.scores.strength) > 1) | self.scores.hard


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
            found = [event for event in events(one.alarms, one.scores.strength, one.reports.days)]
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
        "evidence": orjson.dumps(evidence, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY).decode(),
        "model_version": model_version(thresholds),
    }  # fmt: skip


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(type(value).__name__)


def refresh(lake: str | None = None) -> None:
    """Bring gold.anomalies up to silver.price_verdicts; nothing is written when nothing that it rests on has changed.

    `lake`: root of the lake, that of the settings when None. Events older than knob anomalies.days stay as they are.
    """
    root = lake or settings().lake_root
    verdicts = DeltaTable(table_path(root, "silver.price_verdicts"))
    dataset = verdicts.to_pyarrow_dataset()
    marks = dataset.to_table(columns=["market_date", "ingested_at"])
    newest, measured_at = pc.max(marks["market_date"]).as_py(), pc.max(marks["ingested_at"]).as_py()
    if newest is None:
        return
    thresholds, knobs = thresholds_of_day(), settings().anomalies
    forecasts = _opened(root, "gold.forecasts")
    versions = {"verdicts": verdicts.version(), "forecasts": forecasts.version() if forecasts else None}
    tag = orjson.dumps({"model": model_version(thresholds), **versions}).decode()
    held = _opened(root, TABLE)
    if held and any(commit.get("lumbung") == tag for commit in held.history(1)):
        return
    since = newest - timedelta(days=knobs.days)
    given = list(reports(dataset, newest - timedelta(days=knobs.history_days)))
    tables = {name: _opened_or_empty(root, name) for name in TABLES}
    served = issued(forecasts.to_pyarrow_dataset() if forecasts else None)
    found = anomalies(given, thresholds, (since - EPOCH).days, lambda places: context(tables, places), served)
    schema = arrow_schema(contracts()[TABLE])
    rows = pa.Table.from_pylist([{**row, "measured_at": measured_at} for row in found], schema=schema)
    if held:
        older = held.to_pyarrow_dataset().to_table(filter=pc.field("market_date") < pa.scalar(since))
        rows = pa.concat_tables([older.select(schema.names).cast(schema), rows])
    write_deltalake(
        table_path(root, TABLE), rows, mode="overwrite", commit_properties=CommitProperties(custom_metadata={"lumbung": tag})
    )
    log.info("%d anomalies since %s, %d of them not yet final", len(found), since, sum(not row["final"] for row in found))


def _opened(root: str, table: str) -> DeltaTable | None:
    path = table_path(root, table)
    return DeltaTable(path) if DeltaTable.is_deltatable(path) else None


def _opened_or_empty(root: str, table: str) -> object:
    opened = _opened(root, table)
    return opened.to_pyarrow_dataset() if opened else arrow_schema(contracts()[table]).empty_table()
