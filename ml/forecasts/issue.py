"""gold.daily_prices -> gold.forecasts by the models that serve now. Nothing is trained."""

import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from conf.settings import settings
from lakehouse.io.delta import append_once
from ml import schedule
from ml.data.load import daily_prices, read_panel
from ml.data.panel import NothingToLearn, Panel
from ml.evaluation.fingerprint import data_fingerprint
from ml.forecasts import live_accuracy
from ml.forecasts.fitted_model import NAIVE, NOT_EVALUATED, Champion, FittedModel, GateResult
from ml.forecasts.model_files import UnknownFiles
from ml.forecasts.rows import TABLE, ServedModels, forecast_rows
from ml.models.naive import Naive
from ml.progress import TrainingProgress

log = logging.getLogger("lumbung.training")


def known_panel(now: datetime, files: Path | None = None) -> Panel:
    """Prices of the lake up to the last day that counts as known, or all of a file or folder.

    Raises NothingToLearn while there is none.
    """
    lag_days = settings().forecast.publishing_lag_days
    if files:
        return read_panel(files, lag_days)
    panel = daily_prices(settings().lake_root, lag_days)
    known = np.flatnonzero(panel.days <= np.datetime64(schedule.last_known_day(now)))
    if not len(known):
        raise NothingToLearn("gold.daily_prices holds no price of a day that counts as known")
    return panel.until(int(known[-1]))


def issue(
    panel: Panel,
    prices: schedule.PriceState | None,
    progress: TrainingProgress,
    reason: str = NOT_EVALUATED,
) -> int:
    """Issue forecasts, then measure the accuracy of earlier ones and check for drift.

    Returns the forecasts written.

    `prices`: the state of the lake's prices, read before the panel was; None for a panel of files, by which
    no accuracy is measured. `reason`: why naive serves a commodity for
    which no model was evaluated.
    """
    with progress.stage("issue", "forecasts and their accuracy") as report:
        rows = append_forecasts(served_models(panel, reason), panel, prices)
        report(1, 2, "issued")
        measured = live_accuracy.measure(panel) if prices else 0
        if prices and live_accuracy.record_check(live_accuracy.check_drift(panel), str(panel.days[-1])):
            log.warning("prices fall into their intervals less often than they should: training is due")
        report(2, 2, "measured")
    progress.print(f"{rows} forecasts issued" if rows else "forecasts are up to date")
    log.info("%d rows issued, %d rows of measured accuracy", rows, measured)
    return rows


def append_forecasts(served: ServedModels, panel: Panel, prices: schedule.PriceState | None) -> int:
    """Append the forecasts and note the issue.

    Returns their rows, 0 when the last issue had the same inputs.
    """
    horizons = range(1, settings().forecast.horizon_days + 1)
    models = sorted(
        (
            model.name,
            model.run_id or "",
            sorted(model.versions.items()),
            sorted(model.commodities or ()),
        )
        for model in served.models
    )
    champions = sorted(served.champions.items())
    made_from = json.dumps([data_fingerprint(panel), list(horizons), models, champions])
    rows = forecast_rows(panel, served, horizons, datetime.now(UTC))
    written = rows.num_rows > 0 and append_once(TABLE, rows, made_from)
    if prices is not None:
        schedule.write_note("issue", last_day=str(prices.last_day), rows=prices.rows, version=prices.version)
    return rows.num_rows if written else 0


def served_models(panel: Panel, reason: str = NOT_EVALUATED) -> ServedModels:
    """The newest fit of every model in the registry, and the champions, each for its commodities.

    A champion from an older run is added as a fit of its own, limited to the commodities that it serves.
    """
    results = {commodity: GateResult(None, reason) for commodity in panel.distinct_commodities}
    naive = FittedModel(Naive(), gate_results=results)
    if not registry_exists():
        return ServedModels([naive])
    from ml.forecasts import mlflow_store

    mlflow_store.connect()
    models = {NAIVE: naive}
    for name, uri in mlflow_store.newest_models().items():
        if model := _load(name, uri):
            models[name] = model
    by_uri = defaultdict(list)
    for champion in mlflow_store.champions().values():
        by_uri[champion.uri].append(champion)
    older: list[FittedModel] = []
    champions: dict[str, str] = {}
    for uri, served in by_uri.items():
        name = served[0].model
        if name in models and models[name].run_id == served[0].run_id:
            models[name] = _with_registry_entries(models[name], served)
        elif model := _load(name, uri):
            limits = frozenset(champion.commodity for champion in served)
            older.append(replace(_with_registry_entries(model, served), commodities=limits))
        else:
            continue  # naive serves these commodities
        champions |= {champion.commodity: champion.model for champion in served}
    return ServedModels([*models.values(), *older], champions)


def _load(name: str, uri: str) -> FittedModel | None:
    """A saved model; None, with a message in the log, when it cannot be loaded.

    The other models are not affected.
    """
    from ml.forecasts import mlflow_store

    try:
        return mlflow_store.load_model(uri)
    except UnknownFiles as refusal:
        log.error(
            "model %s (%s) is not loaded: %s. Its commodities are served by the naive forecast until a model "
            "is trained again: ./run.sh train",
            name,
            uri,
            refusal,
        )
    except (ImportError, AttributeError) as error:  # a module or class that its pickle names is gone
        log.warning(
            "model %s (%s) was saved by an earlier version and cannot be loaded (%s). Its commodities are "
            "served by the naive forecast until a model is trained again: ./run.sh train",
            name,
            uri,
            error,
        )
    except Exception:  # noqa: BLE001  (whatever unpickling raises)
        log.exception("model %s (%s) cannot be loaded; the other models serve", name, uri)
    return None


def registry_exists() -> bool:
    """Whether a run was ever recorded. Does not import MLflow, which takes seconds."""
    return bool(settings().mlflow_tracking_uri) or (settings().mlflow_dir / "mlflow.db").exists()


def current_champions() -> dict[str, str]:
    """Commodity -> model that has the alias."""
    if not registry_exists():
        return {}
    from ml.forecasts import mlflow_store

    mlflow_store.connect()
    return {commodity: champion.model for commodity, champion in mlflow_store.champions().items()}


def _with_registry_entries(model: FittedModel, champions: Sequence[Champion]) -> FittedModel:
    """The model with the versions and gate results that the registry has for it."""
    versions = {champion.commodity: champion.version for champion in champions}
    results = {champion.commodity: GateResult(champion.skill, champion.reason) for champion in champions}
    return replace(
        model, versions={**model.versions, **versions}, gate_results={**model.gate_results, **results}
    )
