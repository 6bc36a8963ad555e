"""Models: forecast accuracy, feature importance, training jobs."""

from typing import Annotated

from fastapi import Request, Response

from lakehouse.identity.roles import Principal
from lakehouse.io import training_jobs
from lakehouse.io.process_status import trainer_status
from lakehouse.io.training_jobs import STATUS_TEXTS, JobRunning
from lakehouse.reference import commodities
from lakehouse.times import utc_text
from lakehouse.translation import in_language
from serving_api.http.dependencies import CENTRAL
from serving_api.http.messages import message, text_in
from serving_api.http.path_parameters import JobIdInPath
from serving_api.http.problems import Problem, language_of
from serving_api.http.router import Router
from serving_api.reads.names import commodity_ids_in_body
from serving_api.reads.responses import (
    PRIVATE,
    json_response,
    to_json_value,
)
from serving_api.schemas.models import (
    JobReceipt,
    JobState,
    RetrainBody,
)

router = Router(prefix="/api/v1/models", tags=["models"])


@router.post("/retrain", status_code=202, response_model=JobReceipt, summary="Start a training")
def retrain(request: Request, body: RetrainBody, caller: Annotated[Principal, CENTRAL]) -> Response:
    """202 when the job is queued for the trainer.

    Only one job at a time: 409 while another is queued or running.
    """
    named = commodity_ids_in_body(body.commodities)
    members = (member for name in named for member in (commodities()[name].members or (name,)))
    ids = list(dict.fromkeys(members))  # of a group its members, each once
    try:
        job = training_jobs.submit(body.models, ids, body.reason, caller.subject)
    except JobRunning as running:
        raise Problem("job-running", name=running.job_id) from None
    receipt = {"job_id": job.job_id, "status": job.status, "created_at": utc_text(job.created_at)}
    location = f"{request.url.path.removesuffix('retrain')}jobs/{job.job_id}"
    return json_response(receipt, 202, cache=PRIVATE, Location=location)


@router.get(
    "/jobs/{job_id}",
    response_model=JobState,
    summary="State of a training job",
    dependencies=[CENTRAL],
)
def get_training_job(request: Request, job_id: JobIdInPath) -> Response:
    """Progress and outcome of the job. `status_text` and `detail` are in the language of Accept-Language."""
    job = training_jobs.job(job_id)
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
