"""gold.daily_prices -> gold.forecasts by those who speak now: no training, and nothing written when nothing has changed."""

import json
import logging
from datetime import UTC, datetime

import numpy as np

from conf.settings import settings
from ml import rounds
from ml.fingerprint import data_fingerprint
from ml.materialise import TABLE, Issue, issue_rows
from ml.panel import Panel
from ml.read_panel import daily_prices
from ml.tables import append

log = logging.getLogger("lumbung.training")


def known_panel(now: datetime) -> Panel:
    """Prices of the lake up to the last day that counts as known. Raises FileNotFoundError while there is none."""
    panel = daily_prices(settings().lake_root, settings().forecast.publishing_lag_days)
    known = np.flatnonzero(panel.days <= np.datetime64(rounds.last_known_day(now)))
    if not len(known):
        raise FileNotFoundError("gold.daily_prices holds no price of a day that counts as known")
    return panel.until(int(known[-1]))


def issue_now(issue: Issue, panel: Panel, now: datetime) -> int:
    """Write the issue and note it; returns its rows, 0 when the last one was made from the same."""
    horizons = range(1, settings().forecast.horizon_days + 1)
    made_from = json.dumps(
        [
            data_fingerprint(panel),
            list(horizons),
            sorted((one.name, one.run_id, sorted(one.versions.items())) for one in issue.speakers),
            sorted(issue.champions.items()),
        ],
        default=str,
    )
    rows = issue_rows(panel, issue, horizons, datetime.now(UTC))
    written = rows.num_rows > 0 and append(TABLE, rows, made_from)
    log.info("forecasts: %s", f"{rows.num_rows} rows issued" if written else "the last issue stands")
    stands = rounds.prices(now)
    if stands is not None:
        rounds.note("issue", last_day=str(stands.last_day), rows=stands.rows, version=stands.version)
    return rows.num_rows if written else 0
