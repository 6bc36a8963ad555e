"""One round of forecasts of daily closes: backtest against naive, gate, issue. Naive serves unless beaten."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import append_once
from ml import schedule
from ml.data.panel import Floats, NothingToLearn, Panel
from ml.evaluation.backtest import LEAST_ORIGINS, plan, run
from ml.evaluation.block_cache import Factory
from ml.evaluation.candidates import check_candidates, random_walk_test
from ml.evaluation.fingerprint import data_fingerprint
from ml.evaluation.gate import Assessment, assess
from ml.evaluation.predictions import NAIVE
from ml.forecasts.fitted_model import FittedModel, GateResult, IntervalModel, gate_results
from ml.forecasts.interval_widths import CalibratedMargins, reference_margins
from ml.forecasts.rows import ServedModels, model_rows
from ml.models.forecaster import HORIZONS, scale
from ml.models.naive import Drift, Naive
from ml.progress import TrainingProgress
from ml.trading.bars import daily_panel

TABLE = "gold.equity_forecasts"
EXPERIMENT = "signal"
LONGEST = 30  # days ahead
TOO_SHORT = "naive serves: history is too short to evaluate a model"
OF_SYMBOL = {
    "commodity": "symbol",
    "region_code": "asset_class",
    "unit": "currency",
}  # gold.forecasts -> here
FIRST_DAYS = 150  # history before the first origin
HOLDOUT = 8
FITTED_HORIZONS = (1, 2, 3, 5, 7, 10, 14, 21, 30)
SPANS = (1, 5, 20, 60)  # days over which returns are features
STEP_DAYS = 3  # between two training days of a series: nearer ones are nearly the same
LEAST_ROWS = 200
PENALTY = 100.0  # of standardised features: returns hold little to learn


class MomentumRidge:
    """A small model: a pooled ridge regression on past returns for each horizon.

    Forecasts between two of them are interpolated in log price.
    """

    name = "momentum_ridge"

    def __init__(self) -> None:
        self._weights: dict[int, Floats] = {}

    def fit(self, panel: Panel) -> None:
        """Learn from every STEP_DAYS-th day; without enough of them nothing is forecast."""
        logs = np.log(panel.filled)
        scales = scale(panel)[:, None]
        self._weights = {}
        for horizon in FITTED_HORIZONS:
            days = np.arange(max(SPANS), logs.shape[1] - horizon, STEP_DAYS)
            inputs = features(logs, scales, days).reshape(-1, len(SPANS) + 1)
            change = (logs[:, days + horizon] - logs[:, days]) / (scales * np.sqrt(horizon))
            target = change.reshape(-1)
            seen = np.isfinite(target) & np.isfinite(inputs).all(axis=1)
            if seen.sum() < LEAST_ROWS:
                continue
            inputs, target = inputs[seen], np.clip(target[seen], -5, 5)
            penalty = PENALTY * np.eye(inputs.shape[1])
            self._weights[horizon] = np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ target)

    def predict(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) in the currency of each symbol; NaN where nothing was learned."""
        last = panel.price.shape[1] - 1
        if last < max(SPANS) or not self._weights:
            return np.full((len(panel.price), len(horizons)), np.nan)
        logs = np.log(panel.filled)
        scales = scale(panel)[:, None]
        inputs = features(logs, scales, np.array([last]))[:, 0]
        fitted = sorted(self._weights)
        change = np.stack([inputs @ self._weights[horizon] for horizon in fitted], axis=1)
        change *= scales * np.sqrt(np.array(fitted))[None, :]
        wanted = np.asarray(horizons, dtype=np.float64)
        between = np.stack([np.interp(wanted, [0, *fitted], [0.0, *row]) for row in change])
        return np.asarray(np.exp(logs[:, -1:] + between))


def features(logs: Floats, scales: Floats, days: npt.NDArray[np.int64]) -> Floats:
    """(series, days, features) returns over each span and the distance from the mean of 20 days.

    All in units of the series' usual move.
    """
    columns = [(logs[:, days] - logs[:, days - span]) / (scales * np.sqrt(span)) for span in SPANS]
    mean = np.mean([logs[:, days - back] for back in range(20)], axis=0)
    columns.append((logs[:, days] - mean) / (scales * np.sqrt(20)))
    return np.asarray(np.clip(np.stack(columns, axis=2), -5, 5))


LEARNING: Mapping[str, Factory] = {"momentum_ridge": MomentumRidge}
CANDIDATES: Mapping[str, Factory] = {"drift": Drift, **LEARNING}


def run_round(job: str | None = None) -> tuple[str, bool, str]:
    """(id of the MLflow run, whether a model beats naive, what was found). Raises NothingToLearn."""
    progress = TrainingProgress(job)
    bars = schedule.daily_bars()  # before they are read: what arrives meanwhile starts the next round
    panel = daily_panel()
    if len(panel.days) < 2:
        schedule.write_note("signal", bars=bars)
        raise NothingToLearn("one day of bars is no history")
    assessment = compare(panel, progress)
    promoted = assessment is not None and bool(assessment.passed)
    detail = summary(panel, assessment)
    run_id = _record(panel, assessment, promoted, detail)
    rows = issue(panel, assessment, run_id)
    progress.print(f"{rows} forecasts of closes issued; {detail}")
    schedule.write_note("signal", bars=bars, run_id=run_id)
    return run_id, promoted, detail


def compare(panel: Panel, progress: TrainingProgress) -> Assessment | None:
    """The models against naive on past origins, the last ones held out; None for too short a history."""
    chosen = plan(panel, holdout=HOLDOUT, first_days=FIRST_DAYS, horizons=FITTED_HORIZONS)
    before = chosen.part(opened=False)
    if len(before.origins) < LEAST_ORIGINS:
        return None
    state = schedule.state_folder() / "signal_backtest"
    predictions = run(panel, CANDIDATES, before, state, progress=lambda done, total, step: None)
    progress.percent(60)
    checks = check_candidates(panel, CANDIDATES, before.horizons)
    walks = {
        name: random_walk_test(panel, factory, before, state / "walks", settings().training.seed)
        for name, factory in LEARNING.items()
    }
    progress.percent(90)
    return assess(panel, predictions, checks, walks)


def summary(panel: Panel, assessment: Assessment | None) -> str:
    """How many symbols each model serves, and why."""
    if assessment is None:
        return TOO_SHORT
    symbols = len(panel.series)
    better = len(assessment.passed)
    if not better:
        return f"naive serves all {symbols} symbols: no model is significantly better"
    return f"{better} of {symbols} symbols are served by a model that beats naive"


def issue(panel: Panel, assessment: Assessment | None, run_id: str) -> int:
    """Append the forecasts of every model; returns their rows, 0 when these were issued before."""
    horizons = range(1, LONGEST + 1)
    champions = (
        {symbol: decision.model for symbol, decision in assessment.passed.items()} if assessment else {}
    )
    served = ServedModels([], champions)
    versions = dict.fromkeys(panel.commodities, str(panel.days[-1]))
    issued_at = datetime.now(UTC)
    tables = []
    for name, make in {NAIVE: Naive, **CANDIDATES}.items():
        model = make()
        model.fit(panel)
        if assessment:
            margins_of: IntervalModel = CalibratedMargins(assessment.calibrations[name])
            results = gate_results(assessment, name)
        else:
            margins_of = reference_margins
            results = dict.fromkeys(panel.commodities, GateResult(None, TOO_SHORT))
        fitted = FittedModel(model, margins_of, results, run_id, versions=versions)
        price = fitted.predict(panel, horizons)
        margins = margins_of(panel, horizons)
        tables.append(model_rows(panel, price, margins, fitted, served, horizons, issued_at))
    rows = pa.concat_tables(tables)
    rows = rows.rename_columns([OF_SYMBOL.get(name, name.removesuffix("_idr")) for name in rows.column_names])
    rows = rows.filter((pc.field("price") > 0) & pc.is_finite(pc.field("price")))
    schema = arrow_schema(contracts()[TABLE])
    made_from = json.dumps([data_fingerprint(panel), sorted(CANDIDATES), champions])
    return rows.num_rows if append_once(TABLE, rows.select(schema.names).cast(schema), made_from) else 0


def _record(panel: Panel, assessment: Assessment | None, promoted: bool, detail: str) -> str:
    """Log the round as one MLflow run; returns the run's id."""
    from ml.forecasts import mlflow_store

    parameters = {"symbols": len(panel.series), "days": len(panel.days), "models": ",".join(CANDIDATES)}
    tags = {"promoted": str(promoted), "summary": detail}
    with mlflow_store.start_run(EXPERIMENT, parameters, tags) as run_id:
        if assessment is not None:
            for model, by_symbol in assessment.decisions.items():
                pooled = [decision.scores.skill for decision in by_symbol.values()]
                mlflow_store.log_metrics({f"skill_{model}": float(np.mean(pooled)) if pooled else 0.0})
    return str(run_id)
