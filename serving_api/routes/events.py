"""What became of an event, for those who sent it."""

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Path, Request, Response

from serving_api.access import Role, sender
from serving_api.answers import one, rules_now, utc
from serving_api.problems import Problem, nothing_asked
from serving_api.sending import RememberingProducer
from serving_api.shapes import problems
from serving_api.shapes_quality import EventTrace
from serving_api.trace import Trace

router = APIRouter(prefix="/api/v1", tags=["ingest"])
DEVICE_SOURCES = ("mqtt:", "api:device")


@router.get(
    "/events/{event_id}",
    response_model=EventTrace,
    responses=problems(401, 403, 404, 422),
    summary="What became of an event",
    description="Looked for among the newest 10 million events (`api.trace_events`); an id that is not there is 404. "
    "A device sees what devices sent. `pending`: this service took it in, or its batch is under way.",
    dependencies=[Depends(nothing_asked)],
)
async def event(
    request: Request, role: Annotated[Role, Depends(sender)], event_id: Annotated[str, Path(min_length=1, max_length=600)]
) -> Response:
    """The outcome of the newest arrival."""
    producer: RememberingProducer = request.app.state.producer
    trace = Trace(request.app.state.gold, request.app.state.reviews)
    found = await run_sync(trace.find, event_id)
    accepted = producer.accepted(event_id)
    sources = found.sources if found else {accepted.source} if accepted else set()
    if not sources or (role is Role.DEVICE and not any(source.startswith(DEVICE_SOURCES) for source in sources)):
        raise Problem("not-found", more={"searched_events": trace.searched_events})
    if found:
        said = {"status": found.status, "kinds": found.kinds, "table": found.table, "received_at": utc(found.received_at)}
        item = {"event_id": event_id, **said, "warnings": found.warnings}
    else:
        assert accepted
        said = {"status": "pending", "kinds": sorted(accepted.kinds), "table": None, "received_at": accepted.received_at}
        item = {"event_id": event_id, **said, "warnings": []}
    return one(request, list(trace.read.values()), item, rules_now())
