"""silver.price_verdicts -> gold.anomalies"""

import logging
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io import delta
from lakehouse.validation.prices.thresholds import Thresholds
from ml.anomalies.context import TABLES, read_context
from ml.anomalies.forecast_vote import day_ahead_forecasts
from ml.anomalies.observations import read_reports
from ml.anomalies.rows import EPOCH, anomaly_rows, model_version

log = logging.getLogger("lumbung.anomalies")
TABLE = "gold.anomalies"
VERDICTS = "silver.price_verdicts"
FORECASTS = "gold.forecasts"


def thresholds_of_day() -> Thresholds:
    """The thresholds of the stream, with the limits of a closed day."""
    knobs = settings().anomalies
    limits = {"residual": knobs.residual, "geographic": knobs.geographic}
    return Thresholds.of({**settings().validation.model_dump(), **limits})


def refresh(lake: str | None = None) -> None:
    """Bring gold.anomalies up to date; nothing is written when none of its inputs has changed.

    Events that began before the last anomalies.days stay as they are. Raises ValueError when `lake` is given
    and is not the root of the settings.
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
    since = newest - timedelta(days=knobs.days)
    reports = list(read_reports(dataset, newest - timedelta(days=knobs.history_days)))
    sources = {
        name: table.to_pyarrow_dataset() if table else arrow_schema(contracts()[name]).empty_table()
        for name, table in context.items()
    }
    anomalies = anomaly_rows(
        reports,
        thresholds,
        (since - EPOCH).days,
        lambda places: read_context(sources, places),
        day_ahead_forecasts(forecasts.to_pyarrow_dataset() if forecasts else None),
    )
    schema = arrow_schema(contracts()[TABLE])
    rows = pa.Table.from_pylist([{**row, "measured_at": measured_at} for row in anomalies], schema=schema)
    delta.replace_once(TABLE, pa.concat_tables([_older_rows(since), rows]), made_from)
    open_labels = sum(not row["final"] for row in anomalies)
    log.info("%d anomalies since %s, %d of them not yet final", len(anomalies), since, open_labels)


def _older_rows(since: date) -> pa.Table:
    """Rows of events before `since`, which are not computed again."""
    dataset = delta.ensure_table(TABLE).to_pyarrow_dataset()
    rows = dataset.to_table(filter=pc.field("market_date") < pa.scalar(since))
    return delta.shaped(rows, contracts()[TABLE])
