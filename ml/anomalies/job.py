"""silver.price_verdicts -> gold.anomalies"""

import logging
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io import delta
from lakehouse.io.query import run_sql
from lakehouse.validation.prices.thresholds import Thresholds
from ml.anomalies.context import TABLES, read_context
from ml.anomalies.forecast_vote import day_ahead_forecasts
from ml.anomalies.observations import read_reports
from ml.anomalies.rows import EPOCH, anomaly_rows, model_version

log = logging.getLogger("lumbung.anomalies")
TABLE = "gold.anomalies"
VERDICTS = "silver.price_verdicts"
FORECASTS = "gold.forecasts"
LABELLED_DAYS = 14  # before prices that arrive late: labels of events there may change with them
Series = tuple[str | None, ...]  # commodity, channel, provider, market, province
SINCE_SQL = """
  select commodity, channel, provider, if(level = 'market', market_id, null) as market_id, region_code,
    least(coalesce(min(market_date) filter ($judged_at is null or ingested_at > $judged_at) - $labelled,
      $recent), $recent) as since
  from verdicts group by all
"""


def thresholds_of_day() -> Thresholds:
    """The thresholds of the stream, with the limits of a closed day."""
    knobs = settings().anomalies
    limits = {"residual": knobs.residual, "geographic": knobs.geographic}
    return Thresholds.of({**settings().rule_values(), **limits})


def refresh(lake: str | None = None) -> None:
    """Bring gold.anomalies up to date; nothing is written when none of its inputs has changed.

    Events that began before the last anomalies.days stay as they are, unless verdicts of such days of their
    series have arrived since the last run, as in a replay. Raises ValueError when `lake` is given and is not
    the root of the settings.
    """
    if lake not in (None, settings().lake_root):
        raise ValueError(f"ml writes the lake of the settings, {settings().lake_root}, not {lake}")
    verdicts = delta.open_if_exists(VERDICTS)
    if verdicts is None:
        return
    knobs = settings().anomalies
    thresholds = thresholds_of_day()
    forecasts = delta.open_if_exists(FORECASTS)
    context = {name: delta.open_if_exists(name) for name in TABLES}
    versions = {VERDICTS: verdicts.version(), FORECASTS: forecasts.version() if forecasts else None}
    versions |= {name: table.version() for name, table in context.items() if table}
    inputs = ", ".join(f"{name} {version}" for name, version in versions.items())
    made_from = f"{model_version(thresholds)} of {inputs}, {knobs.days} {knobs.history_days}"
    if delta.last_made_from(TABLE) == delta.inputs_fingerprint(made_from):
        return
    dataset = verdicts.to_pyarrow_dataset()
    dates = dataset.to_table(columns=["market_date", "ingested_at"])
    newest = pc.max(dates["market_date"]).as_py()
    if newest is None:
        return
    measured_at = pc.max(dates["ingested_at"]).as_py()
    before = delta.ensure_table(TABLE).to_pyarrow_dataset().to_table()
    since = _days_to_judge(
        dataset, pc.max(before["measured_at"]).as_py(), newest - timedelta(days=knobs.days)
    )
    first = min(since.values())
    reports = list(read_reports(dataset, first - timedelta(days=knobs.history_days - knobs.days)))
    sources = {
        name: table.to_pyarrow_dataset() if table else arrow_schema(contracts()[name]).empty_table()
        for name, table in context.items()
    }
    anomalies = anomaly_rows(
        reports,
        thresholds,
        (first - EPOCH).days,
        lambda places: read_context(sources, places),
        day_ahead_forecasts(forecasts.to_pyarrow_dataset() if forecasts else None),
    )
    rows = [
        *(row for row in before.to_pylist() if row["market_date"] < since.get(_series_of(row), first)),
        *(
            row | {"measured_at": measured_at}
            for row in anomalies
            if row["market_date"] >= since[_series_of(row)]
        ),
    ]
    delta.replace_once(TABLE, rows, made_from)
    open_labels = sum(not row["final"] for row in rows)
    log.info("%d anomalies, judged since %s, %d of them not yet final", len(rows), first, open_labels)


def _days_to_judge(verdicts: object, judged_at: datetime | None, recent: date) -> dict[Series, date]:
    """Series -> first day to judge: `recent`, or LABELLED_DAYS before the first verdict since `judged_at`."""
    rows = run_sql(
        SINCE_SQL,
        {"verdicts": verdicts},
        {"judged_at": judged_at, "recent": recent, "labelled": LABELLED_DAYS},
    )
    return {_series_of(row): row["since"] for row in rows.to_pylist()}


def _series_of(row: Mapping[str, Any]) -> Series:
    return tuple(row[name] for name in ("commodity", "channel", "provider", "market_id", "region_code"))
