"""gold.daily_prices -> gold.forecasts by those who speak now: no training, and nothing written when nothing has changed."""

import json
import logging
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from conf.settings import settings
from ml import drift, issued, rounds
from ml.fingerprint import data_fingerprint
from ml.materialise import TABLE, Issue, issue_rows
from ml.naive import Naive
from ml.panel import NothingToLearn, Panel
from ml.progress import Progress
from ml.read_panel import daily_prices
from ml.speakers import NAIVE, NOT_TRIED, Judged, Speaker
from ml.tables import append

if TYPE_CHECKING:
    from ml.tracking import Champion

log = logging.getLogger("lumbung.training")


def known_panel(now: datetime) -> Panel:
    """Prices of the lake up to the last day that counts as known. Raises NothingToLearn while there is none."""
    panel = daily_prices(settings().lake_root, settings().forecast.publishing_lag_days)
    known = np.flatnonzero(panel.days <= np.datetime64(rounds.last_known_day(now)))
    if not len(known):
        raise NothingToLearn("gold.daily_prices holds no price of a day that counts as known")
    return panel.until(int(known[-1]))


def issue(panel: Panel, stands: rounds.Prices | None, told: Progress, reason: str = NOT_TRIED) -> int:
    """Issue from the newest prices, measure what was issued before. `stands`: the prices as they were watched before they were
    read; `reason`: why naive is served where nobody was judged."""
    with told.stage("issue", "forecasts and their accuracy") as progress:
        rows = issue_now(standing(panel, reason), panel, stands)
        progress(1, 2, "issued")
        measured = issued.measure(panel)
        if drift.take_note(drift.look(panel), str(panel.days[-1])):
            log.warning("prices have left the law that forecasts were judged by: training is due")
        progress(2, 2, "measured")
    told.say(f"{rows} forecasts issued" if rows else "the last issue stands")
    log.info("%d rows issued, %d rows of measured accuracy", rows, measured)
    return rows


def issue_now(issue: Issue, panel: Panel, stands: rounds.Prices | None) -> int:
    """Write the issue and note it; returns its rows, 0 when the last one was made from the same."""
    horizons = range(1, settings().forecast.horizon_days + 1)
    made_from = json.dumps(
        [
            data_fingerprint(panel),
            list(horizons),
            sorted((one.name, one.run_id or "", sorted(one.versions.items()), sorted(one.goods or ())) for one in issue.speakers),
            sorted(issue.champions.items()),
        ]
    )
    rows = issue_rows(panel, issue, horizons, datetime.now(UTC))
    written = rows.num_rows > 0 and append(TABLE, rows, made_from)
    if stands is not None:
        rounds.note("issue", last_day=str(stands.last_day), rows=stands.rows, version=stands.version)
    return rows.num_rows if written else 0


def standing(panel: Panel, reason: str = NOT_TRIED) -> Issue:
    """Who speaks now, by the registry: the newest fit of every model, and champions, each for its commodities."""
    alone = Speaker(Naive(), judged={good: Judged(None, reason) for good in panel.goods})
    if not has_registry():
        return Issue([alone])
    from ml import tracking

    tracking.connect()
    latest = {name: found for name, uri in tracking.latest().items() if (found := _loaded(uri))}
    speakers, champions = {NAIVE: alone} | latest, {}
    held = defaultdict(list)
    for champion in tracking.champions().values():
        held[champion.uri].append(champion)
    older = []
    for uri, of in held.items():
        if of[0].model in speakers and speakers[of[0].model].run_id == of[0].run_id:
            speakers[of[0].model] = _crowned(speakers[of[0].model], of)
        elif found := _loaded(uri):
            older.append(replace(_crowned(found, of), goods=frozenset(one.commodity for one in of)))
        else:
            continue  # naive serves what it cannot
        champions |= {one.commodity: one.model for one in of}
    return Issue([*speakers.values(), *older], champions)


def _loaded(uri: str) -> Speaker | None:
    """A kept model; None, and a word in the log, when it cannot be loaded: one of them must not silence the others."""
    from ml import tracking

    try:
        return tracking.load(uri)
    except Exception:  # noqa: BLE001  (whatever a foreign pickle raises)
        log.exception("%s cannot be loaded; the others speak", uri)
        return None


def has_registry() -> bool:
    """Whether a run was ever kept; asked without MLflow, which takes seconds to load."""
    return bool(settings().mlflow_tracking_uri) or (settings().mlflow_dir / "mlflow.db").exists()


def standing_champions() -> dict[str, str]:
    """Commodity -> model that has the alias."""
    if not has_registry():
        return {}
    from ml import tracking

    tracking.connect()
    return {good: one.model for good, one in tracking.champions().items()}


def _crowned(speaker: Speaker, of: "list[Champion]") -> Speaker:
    versions = {**speaker.versions, **{one.commodity: one.version for one in of}}
    judged = {**speaker.judged, **{one.commodity: Judged(one.skill, one.reason) for one in of}}
    return replace(speaker, versions=versions, judged=judged)
