"""Models: forecast accuracy, feature importance, training jobs."""

from typing import Annotated, Any, get_args

import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response

from lakehouse.identity.roles import Principal
from lakehouse.io import training_jobs
from lakehouse.io.process_status import trainer_status
from lakehouse.io.training_jobs import STATUS_TEXTS, JobRunning
from lakehouse.reference import commodities
from lakehouse.times import utc_text
from lakehouse.translation import in_language
from serving_api.http.cursors import Key
from serving_api.http.dependencies import (
    CENTRAL,
    CurrentResponses,
    CurrentSnapshots,
    central,
)
from serving_api.http.messages import message, text_in
from serving_api.http.openapi import takes_json
from serving_api.http.path_parameters import JobIdInPath
from serving_api.http.problems import Problem, language_of
from serving_api.http.request_bodies import JsonBody, json_body
from serving_api.http.request_checks import NO_QUERY_PARAMETERS, require_acceptable
from serving_api.reads.forecasts import BASELINE, served_forecasts
from serving_api.reads.keyset import next_rows
from serving_api.reads.names import commodity_ids, commodity_ids_in_body, region_of, single_commodity
from serving_api.reads.provenance import from_simulated, simulated_rows
from serving_api.reads.responses import (
    PRIVATE,
    EncodedPage,
    KeyedItem,
    encode_page,
    json_response,
    rows_after,
    to_json_value,
)
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.schemas.envelope import Page
from serving_api.schemas.models import (
    AccuracyQuery,
    AccuracyRow,
    ImportanceQuery,
    ImportanceRow,
    JobReceipt,
    JobState,
    RetrainBody,
)
from serving_api.schemas.predictions import PredictionModel
from serving_api.schemas.problem import problems

router = APIRouter(prefix="/api/v1/models", tags=["models"])
FIGURES = ("model", "commodity", "region", "horizon_days", "mape_pct", "wape_pct", "mae_idr", "rmse_idr")
KEY = ("model", "commodity", "region_code", "horizon_days")
ORDER = (("measured_at", "descending"), *((name, "ascending") for name in KEY))


@router.get(
    "/accuracy",
    response_model=Page[AccuracyRow],
    responses=problems(404, 410, 422),
    summary="Accuracy of forecasts",
)
async def list_model_accuracy(
    query: Annotated[AccuracyQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """The accuracy of every model on the same forecasts, newest figures first.

    Measured in a rolling-origin backtest or, with `kind=issued`, on the forecasts that were served.
    """
    snapshot = snapshots["gold.model_accuracy"]

    def read(key: Key | None, limit: int) -> EncodedPage:
        rows = accuracy_rows(snapshot, query, key, limit)
        return encode_page(rows, limit, lambda item: from_simulated(snapshots, [item["commodity"]]))

    return responses.page([snapshot], query, read)


def accuracy_rows(snapshot: Snapshot, query: AccuracyQuery, key: Key | None, limit: int) -> list[KeyedItem]:
    """Up to limit + 1 (sort key, item) after `key`. Raises Problem 404 for unknown names."""
    assert snapshot.rows is not None
    condition = (pc.field("kind") == query.kind) & (pc.field("origins") >= 1)
    if query.commodity is not None:
        condition &= pc.field("commodity").isin(sorted(commodity_ids(query.commodity)))
    if query.region is not None:
        condition &= pc.field("region_code") == region_of(query.region)[0]
    if query.model is not None:
        if query.model not in (BASELINE, *get_args(PredictionModel), *measured_models(snapshot)):
            raise Problem("no-model", name=query.model)
        condition &= pc.field("model") == query.model
    if query.horizon_days is not None:
        condition &= pc.field("horizon_days") == query.horizon_days
    rows = next_rows(snapshot.rows.filter(condition), ORDER, key, limit + 1)
    return [(sort_key, accuracy_item(row)) for sort_key, row in rows]


def measured_models(snapshot: Snapshot) -> frozenset[str]:
    """The models that have figures."""
    assert snapshot.rows is not None
    rows = snapshot.rows
    return snapshot.cached("models", lambda: frozenset(rows["model"].to_pylist()))


def accuracy_item(row: dict[str, Any]) -> dict[str, Any]:
    """A row as an item of the list."""
    return {
        **{name: row[name] for name in FIGURES},
        "accuracy_pct": 100 - row["mape_pct"],
        "skill_vs_naive": row["skill_vs_naive"],
        "coverage": row["coverage_80"],
        "origins": row["origins"],
        "alias": row["alias"],
    }


@router.get(
    "/importance",
    response_model=Page[ImportanceRow],
    responses=problems(404, 410, 422),
    summary="Feature importance of a model, most important first",
)
async def list_feature_importance(
    query: Annotated[ImportanceQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """Features of the model that was trained last, by rank; 404 before the first training."""
    snapshot = snapshots["gold.feature_importance"]

    def read(key: Key | None, limit: int) -> EncodedPage:
        rows, model = importance_rows(snapshots, snapshot, query)
        demo = any(simulated_rows(snapshots["gold.live_prices"], ["commodity"]))  # a model learns from all
        return encode_page(rows_after(rows, key)[: limit + 1], limit, lambda item: demo, model)

    return responses.page([snapshot, snapshots["gold.forecasts"]], query, read)


def importance_rows(
    snapshots: Snapshots, snapshot: Snapshot, query: ImportanceQuery
) -> tuple[list[KeyedItem], dict[str, Any]]:
    """((rank, feature), item) of the newest run, and its model. Raises Problem 404."""
    assert snapshot.rows is not None
    commodity = None if query.commodity is None else single_commodity(query.commodity)
    rows = snapshot.rows.filter(pc.field("model") == query.model).to_pylist()
    of_commodity = [row for row in rows if row["commodity"] == commodity]
    of_model = of_commodity or [row for row in rows if row["commodity"] is None]
    if not of_model:
        raise Problem("no-model", name=query.model)
    newest = max(of_model, key=lambda row: row["measured_at"])
    items = [
        {name: row[name] for name in ("feature", "importance", "rank")}
        for row in of_model
        if row["run_id"] == newest["run_id"]
    ]
    keyed: list[KeyedItem] = [((item["rank"], item["feature"]), item) for item in items]
    return sorted(keyed, key=lambda pair: pair[0]), run_of(snapshots, query.model, newest)


def run_of(snapshots: Snapshots, name: str, row: dict[str, Any]) -> dict[str, Any]:
    """The run that the importances come from, with its training data if its forecasts name them."""
    served = served_forecasts(snapshots["gold.forecasts"])
    forecasts: list[dict[str, Any]] = []
    if served.issues and row["run_id"]:
        forecasts = served.rows.filter(pc.field("run_id") == row["run_id"]).slice(0, 1).to_pylist()
    forecast = forecasts[0] if forecasts else {}
    version = forecast.get("data_version")
    return {
        "name": name,
        "version": forecast.get("model_version") or "0",
        "run_id": row["run_id"] or "none",
        "alias": "latest",
        "trained_on": {} if version is None else {"gold.daily_prices": version},
    }


@router.post(
    "/retrain",
    status_code=202,
    response_model=JobReceipt,
    **takes_json(RetrainBody, 401, 403, 409),
    summary="Start a training",
)
async def retrain(
    request: Request, body: Annotated[JsonBody[Principal, RetrainBody], json_body(RetrainBody, central)]
) -> Response:
    """202 when the job is queued for the trainer.

    Only one job at a time: 409 while another is queued or running.
    """
    ids = commodities_to_train(body.value.commodities)
    requested_by = body.caller.subject
    try:
        job = await run_sync(training_jobs.submit, body.value.models, ids, body.value.reason, requested_by)
    except JobRunning as running:
        raise Problem("job-running", name=running.job_id) from None
    receipt = {"job_id": job.job_id, "status": job.status, "created_at": utc_text(job.created_at)}
    location = f"{request.url.path.removesuffix('retrain')}jobs/{job.job_id}"
    return json_response(receipt, 202, cache=PRIVATE, Location=location)


def commodities_to_train(names: list[str]) -> list[str]:
    """Ids, each once; for a group, its members. Raises Problem 422 with every unknown name."""
    ids = commodity_ids_in_body(names)
    return list(dict.fromkeys(member for name in ids for member in (commodities()[name].members or (name,))))


@router.get(
    "/jobs/{job_id}",
    response_model=JobState,
    responses=problems(401, 403, 404, 422),
    summary="State of a training job",
    dependencies=[CENTRAL, NO_QUERY_PARAMETERS],
)
async def get_training_job(request: Request, job_id: JobIdInPath) -> Response:
    """Progress and outcome of the job. `status_text` and `detail` are in the language of Accept-Language."""
    require_acceptable(request)
    job = await run_sync(training_jobs.job, job_id)
    if job is None:
        raise Problem("not-found", reason=message("no_job", name=job_id))
    language = language_of(request)
    texts = {
        "status_text": in_language(STATUS_TEXTS[job.status], language),
        "detail": None if job.detail is None else in_language(job.detail, language),
    }
    trainer = trainer_status()
    if job.status == "queued" and trainer and trainer["round"]:
        waits = message("waits_for_round", since=trainer["round"]["since"], why=trainer["round"]["why"])
        texts["detail"] = text_in(waits, language)
    state = {
        name: texts[name] if name in texts else to_json_value(getattr(job, name))
        for name in JobState.model_fields
    }
    return json_response(state, cache=PRIVATE)
