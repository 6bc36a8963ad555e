"""The laboratory: experiments with models, ordered, listed and read by their owner alone."""

from functools import partial
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import Path, Query, Request, Response

from lakehouse.event import Fault
from lakehouse.io.personal_jobs import PersonalJob
from lakehouse.times import utc_text
from lakehouse.trading.features import FEATURES
from lakehouse.translation import Language, in_language
from serving_api.http.dependencies import CurrentUser
from serving_api.http.messages import message
from serving_api.http.problems import invalid, invalid_fields, language_of
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.responses import PRIVATE, CurrentResponses, json_response
from serving_api.reads.supported import Symbols, required_symbol
from serving_api.reads.trading.own_jobs import one_own, page_of_own, submit_own
from serving_api.schemas.envelope import Page, PageQuery
from serving_api.schemas.trading.backtests import ExperimentBody, ExperimentItem

router = Router(prefix="/api/v1/lab/experiments", tags=["trading"])
ExperimentIdInPath = Annotated[
    str, Path(max_length=64, description="`id` of the experiment", examples=["0b1c2d3e4f506172"])
]


def experiment_item(job: PersonalJob, language: Language) -> dict[str, Any]:
    """The job as its owner sees it, with its texts in a language."""
    return {
        "id": job.job_id,
        **job.request,
        "status": job.status,
        "metrics": job.result,
        "run_id": job.run_id,
        "detail": None if job.detail is None else in_language(job.detail, language),
        "created_at": utc_text(job.created_at),
    }


@router.get("", response_model=Page[ExperimentItem], summary="Experiments of the caller")
async def list_experiments(
    query: Annotated[PageQuery, Query()], caller: CurrentUser, responses: CurrentResponses
) -> Response:
    """The newest first."""
    item = partial(experiment_item, language=language_of(responses.request))
    return await page_of_own("experiment", caller.subject, query, responses, item)


@router.post("", status_code=202, response_model=ExperimentItem, summary="Order an experiment")
async def create_experiment(
    request: Request,
    body: ExperimentBody,
    caller: CurrentUser,
    symbols: Shared[Symbols],
) -> Response:
    """The model learns from the bars up to `train_to`, and is measured on the later ones.

    At most three of a person are queued or run: 429 until one of them has ended.
    """
    unknown = [
        Fault(f"/features/{number}", "unknown_feature", message("no_feature", name=name[:60]))
        for number, name in enumerate(body.features)
        if name not in FEATURES
    ]
    if unknown:
        raise invalid_fields(unknown)
    if body.train_from >= body.train_to:
        raise invalid("/train_from", "range_order", message("train_order"))
    symbol = await run_sync(required_symbol, symbols, body.symbol)
    features = list(dict.fromkeys(body.features))
    order = body.model_dump(mode="json") | {"symbol": symbol, "features": features}
    job = await submit_own("experiment", caller.subject, order)
    item = experiment_item(job, language_of(request))
    return json_response(item, 202, cache=PRIVATE, Location=f"{router.prefix}/{job.job_id}")


@router.get(
    "/{experiment_id}",
    response_model=ExperimentItem,
    summary="An experiment of the caller",
)
async def get_experiment(
    request: Request, experiment_id: ExperimentIdInPath, caller: CurrentUser
) -> Response:
    """An experiment of somebody else is 404."""
    job = await one_own("experiment", caller.subject, experiment_id)
    return json_response(experiment_item(job, language_of(request)), cache=PRIVATE)
