"""gold.daily_prices -> gold.risk_scores by the model that serves. Nothing is trained."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.io.delta import append_once, read_columns
from lakehouse.reference import provinces
from ml.data.panel import Panel
from ml.evaluation.fingerprint import data_fingerprint
from ml.risk.champion import RiskChampion, load_champion

TABLE = "gold.risk_scores"
MOST_DAYS = 7  # before the last known one that are caught up with


def issue(panel: Panel) -> int:
    """Issue the risks of the newest days that have none; returns the rows written, 0 without a model.

    A day's risk is computed from the columns up to that day, by a model that was fitted on earlier ones. It
    is issued once: prices that are corrected later do not change it.
    """
    champion = load_champion()
    if champion is None:
        return 0
    rows = risk_rows(panel, champion, _issued(panel))
    if not rows:
        return 0
    made_from = json.dumps([data_fingerprint(panel), champion.run_id])
    return len(rows) if append_once(TABLE, rows, made_from) else 0


def risk_rows(
    panel: Panel, champion: RiskChampion, issued: set[tuple[str, str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Rows of the series with a price on one of the newest MOST_DAYS days after the fit.

    `issued`: keys of rows that exist.
    """
    rows = []
    for column in range(max(len(panel.days) - MOST_DAYS, 0), len(panel.days)):
        day = panel.days[column].astype(object)
        if day > champion.fitted_until and np.isfinite(panel.price[:, column]).any():
            rows += [
                row
                for row in _rows_of_day(panel.until(column), champion)
                if (row["commodity"], row["region_code"], day) not in (issued or set())
            ]
    return rows


def _rows_of_day(panel: Panel, champion: RiskChampion) -> list[dict[str, Any]]:
    model = champion.model
    risk = model.predict(panel)[:, 0]
    drivers = model.drivers(panel)
    about = {
        "market_date": panel.days[-1].astype(object),
        "budget_level": 100 * champion.budget_level,
        "run_id": champion.run_id,
        "data_version": panel.source.get("version"),
        "issued_at": datetime.now(UTC),
    }
    return [
        {
            "commodity": commodity,
            "region_code": region,
            "region": provinces()[region].name if region in provinces() else region,
            "risk": round(100 * float(risk[row]), 2),
            "climatology": round(100 * model.climatology_of(commodity), 2),
            "drivers": drivers[row],
            **about,
        }
        for row, (commodity, region) in enumerate(panel.series)
        if np.isfinite(risk[row]) and np.isfinite(panel.price[row, -1])
    ]


def _issued(panel: Panel) -> set[tuple[str, str, Any]]:
    """Keys of the rows of the panel's newest days."""
    newest = pc.field("market_date") >= pa.scalar(panel.days[-MOST_DAYS:][0].astype(object))
    keys = ["commodity", "region_code", "market_date"]
    rows = read_columns(TABLE, keys, newest)
    return {tuple(row.values()) for row in rows.to_pylist()} if rows else set()
