"""Jobs that the caller ordered: pages of them, one of them, and a new one within the limit."""

from collections.abc import Callable, Mapping
from typing import Any

from anyio.to_thread import run_sync
from pydantic import BaseModel
from starlette.responses import Response

from lakehouse.io import personal_jobs
from lakehouse.io.personal_jobs import JobKind, PersonalJob, TooManyJobs
from serving_api.http.cursors import Key
from serving_api.http.messages import message
from serving_api.http.problems import Problem
from serving_api.reads.responses import KeyedItem, Responses

MOST_OPEN = 3  # jobs of one person and kind that are queued or run
RETRY_SECONDS = 30
ToItem = Callable[[PersonalJob], dict[str, Any]]


async def page_of_own(
    kind: JobKind, owner: str, query: BaseModel, responses: Responses, item: ToItem
) -> Response:
    """One page of the caller's jobs, the newest first."""

    async def read(key: Key | None, number: int) -> list[KeyedItem]:
        after = None if key is None else (str(key[0]), str(key[1]))
        jobs = await run_sync(personal_jobs.own_jobs, kind, owner, after, number)
        return [((job.created_at.isoformat(timespec="microseconds"), job.job_id), item(job)) for job in jobs]

    return await responses.stored(query, read)


async def one_own(kind: JobKind, owner: str, job_id: str) -> PersonalJob:
    """The caller's job. Raises Problem 404 for an unknown id and for a job of somebody else."""
    job = await run_sync(personal_jobs.own_job, kind, owner, job_id)
    if job is None:
        raise Problem("not-found", reason=message("no_own_job", name=job_id))
    return job


async def submit_own(kind: JobKind, owner: str, request: Mapping[str, Any]) -> PersonalJob:
    """The queued job. Raises Problem 429 while the caller has MOST_OPEN that are not finished."""
    try:
        return await run_sync(personal_jobs.submit, kind, owner, request, MOST_OPEN)
    except TooManyJobs:
        headers = {"Retry-After": str(RETRY_SECONDS)}
        raise Problem("rate-limited", headers=headers, seconds=RETRY_SECONDS) from None
