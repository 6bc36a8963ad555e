"""Models: how well they forecast, what they look at, and orders to train them."""

from typing import Annotated, Any, cast

import orjson
import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request, Response

from conf import training_jobs
from conf.training_jobs import Job, JobRunning
from lakehouse.event import Fault
from lakehouse.reference import commodities, commodity_aliases, matching_key
from serving_api.access import Role, at_least
from serving_api.answers import JSON, PRIVATE, Page, accepts, after, listed, page_of, utc
from serving_api.bodies import document
from serving_api.forecasts import served
from serving_api.gold import Gold, Snapshot
from serving_api.names import area, commodity_ids, single_good
from serving_api.newest import next_rows
from serving_api.paging import Key
from serving_api.problems import Problem, nothing_asked
from serving_api.routes.decisions import body_of
from serving_api.routes.forecasts import made_from_simulated
from serving_api.shapes import Many, problems
from serving_api.shapes_models import (
    AccuracyAsked,
    AccuracyRow,
    ImportanceAsked,
    ImportanceRow,
    JobReceipt,
    JobState,
    RetrainBody,
)

router = APIRouter(prefix="/api/v1/models", tags=["models"])
FIGURES = ("model", "commodity", "region", "horizon_days", "mape_pct", "wape_pct", "mae_idr", "rmse_idr")
KEY = ("model", "commodity", "region_code", "horizon_days")
ORDER = (("measured_at", "descending"), *((name, "ascending") for name in KEY))


def central(request: Request) -> Role:
    """Dependency: central or above."""
    return at_least(request, Role.CENTRAL)


@router.get(
    "/accuracy", response_model=Many[AccuracyRow], responses=problems(404, 410, 422), summary="How far forecasts lay from prices"
)
async def accuracy(request: Request, query: Annotated[AccuracyAsked, Query()]) -> Response:
    """Every model on the same forecasts, measured in a rolling-origin backtest or (`kind=issued`) as they were served; the newest
    figures first."""
    gold: Gold = request.app.state.gold
    snapshot = gold["gold.model_accuracy"]

    def read(key: Key | None, limit: int) -> Page:
        return page_of(accuracy_rows(snapshot, query, key, limit), limit, made_from_simulated(gold))

    return listed(request, [snapshot], query, read)


def accuracy_rows(snapshot: Snapshot, query: AccuracyAsked, key: Key | None, limit: int) -> list[tuple[Key, dict[str, Any]]]:
    """Up to limit + 1 (sort key, item) behind `key`. Raises Problem 404 for names that nobody knows."""
    assert snapshot.rows is not None
    wanted = (pc.field("kind") == query.kind) & (pc.field("origins") >= 1)
    if query.commodity is not None:
        wanted &= pc.field("commodity").isin(sorted(commodity_ids(query.commodity)))
    if query.region is not None:
        wanted &= pc.field("region_code") == area(query.region)[0]
    if query.model is not None:
        wanted &= pc.field("model") == query.model
    if query.horizon_days is not None:
        wanted &= pc.field("horizon_days") == query.horizon_days
    rows = next_rows(snapshot.rows.filter(wanted), ORDER, key, limit + 1)
    return [(place, told(row)) for place, row in rows]


def told(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it is listed."""
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
    response_model=Many[ImportanceRow],
    responses=problems(404, 410, 422),
    summary="What a model looks at, weightiest first",
)
async def importance(request: Request, query: Annotated[ImportanceAsked, Query()]) -> Response:
    """Features of the model that was trained last, by rank; 404 before one was."""
    gold: Gold = request.app.state.gold
    snapshot = gold["gold.feature_importance"]

    def read(key: Key | None, limit: int) -> Page:
        rows, model = features(gold, snapshot, query)
        page = page_of(after(rows, key)[: limit + 1], limit)
        return Page(page.items, page.last, made_from_simulated(gold), model=model)

    return listed(request, [snapshot, gold["gold.forecasts"]], query, read)


def features(gold: Gold, snapshot: Snapshot, query: ImportanceAsked) -> tuple[list[tuple[Key, dict[str, Any]]], dict[str, Any]]:
    """((rank, feature), item) of the newest run, and its model. Raises Problem 404."""
    assert snapshot.rows is not None
    good = None if query.commodity is None else single_good(query.commodity)
    rows = snapshot.rows.filter(pc.field("model") == query.model).to_pylist()
    own = [row for row in rows if row["commodity"] == good] or [row for row in rows if row["commodity"] is None]
    if not own:
        raise Problem("no-model", name=query.model)
    newest = max(own, key=lambda row: row["measured_at"])
    items = [{name: row[name] for name in ("feature", "importance", "rank")} for row in own if row["run_id"] == newest["run_id"]]
    keyed: list[tuple[Key, dict[str, Any]]] = sorted(((item["rank"], item["feature"]), item) for item in items)
    return keyed, model_of(gold, query.model, newest)


def model_of(gold: Gold, name: str, row: dict[str, Any]) -> dict[str, Any]:
    """The run behind importances as provenance; what it was trained on as far as its forecasts say."""
    known = served(gold["gold.forecasts"])
    same = known.rows.filter(pc.field("run_id") == row["run_id"]) if known.issues and row["run_id"] else None
    told = same.slice(0, 1).to_pylist()[0] if same is not None and same.num_rows else {}
    version = told.get("data_version")
    return {
        "name": name,
        "version": told.get("model_version") or "0",
        "run_id": row["run_id"] or "none",
        "alias": "latest",
        "trained_on": {} if version is None else {"gold.daily_prices": version},
    }


@router.post(
    "/retrain",
    status_code=202,
    responses={202: {"model": JobReceipt}, **problems(400, 401, 403, 409, 413, 415, 422, 503)},
    openapi_extra=body_of(RetrainBody),
    summary="Order a training",
)
async def retrain(request: Request) -> Response:
    """202 with an order; the trainer takes it. One at a time: while one is queued or running another is 409."""
    accepts(request, "application/json")
    given = await document(request, central)
    asked = given.shaped(RetrainBody)
    goods = goods_of(asked.commodities)
    try:
        job = await run_sync(training_jobs.submit, asked.models, goods, asked.reason, given.who.name.lower())
    except JobRunning as running:
        raise Problem("job-running", name=running.job_id) from None
    receipt = {"job_id": job.job_id, "status": job.status, "created_at": utc(job.created_at)}
    where = f"{request.url.path.removesuffix('retrain')}jobs/{job.job_id}"
    return Response(orjson.dumps(receipt), 202, headers={"Location": where, "Cache-Control": PRIVATE}, media_type=JSON)


def goods_of(names: list[str]) -> list[str]:
    """Ids, each once; a group stands for its members. Raises Problem 422 with every name that is in no list."""
    wrong = [
        Fault(f"/commodities/{number}", "unknown_commodity", f"no commodity is called '{name[:60]}'")
        for number, name in enumerate(names)
        if matching_key(name) not in commodity_aliases()
    ]
    if wrong:
        raise Problem("validation", wrong, why="; ".join(fault.message for fault in wrong[:5]))
    found = [commodity_aliases()[matching_key(name)] for name in names]
    return list(dict.fromkeys(good for one in found for good in (commodities()[one].members or (one,))))


@router.get(
    "/jobs/{job_id}",
    response_model=JobState,
    responses=problems(401, 403, 404, 422),
    summary="How far a training is",
    dependencies=[Depends(central), Depends(nothing_asked)],
)
async def job_state(request: Request, job_id: str) -> Response:
    """The order as it stands."""
    accepts(request, "application/json")
    job = cast(Job | None, await run_sync(training_jobs.job, job_id))
    if job is None:
        raise Problem("not-found")
    said = {name: getattr(job, name) for name in ("job_id", "status", "progress_pct", "run_id", "promoted", "detail")}
    said |= {"created_at": utc(job.created_at), "finished_at": utc(job.finished_at)}
    return Response(orjson.dumps(said), headers={"Cache-Control": PRIVATE}, media_type=JSON)
