"""Messages to the caller: alerts on symbols that came true, and alerts about the caller's commodities."""

from functools import partial
from typing import Annotated

from fastapi import Path, Query, Response

from lakehouse.io.identity import personal
from lakehouse.io.identity.database import Database
from serving_api.http.dependencies import CurrentUser
from serving_api.http.messages import message
from serving_api.http.problems import Problem
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.responses import CurrentResponses
from serving_api.schemas.envelope import Page
from serving_api.schemas.identity.personal import NotificationItem, NotificationsQuery, ReadBody

router = Router(prefix="/api/v1/notifications", tags=["accounts"])
IdInPath = Annotated[
    str, Path(max_length=64, description="`id` of the notification", examples=["5d1f0c2b7e9a"])
]


@router.get("", response_model=Page[NotificationItem], summary="Notifications of the caller")
async def list_notifications(
    query: Annotated[NotificationsQuery, Query()],
    caller: CurrentUser,
    database: Shared[Database],
    responses: CurrentResponses,
) -> Response:
    """The newest notification first."""
    read = partial(personal.page_of_notifications, database, caller.subject, query.unread)
    return await responses.stored(query, read)


@router.post(
    "/{notification_id}/read",
    status_code=204,
    response_class=Response,
    summary="Mark a notification as read",
)
async def read_notification(
    notification_id: IdInPath,
    body: ReadBody,
    caller: CurrentUser,
    database: Shared[Database],
) -> Response:
    """Of somebody else: 404. A repetition changes nothing."""
    if not await personal.mark_read(database, caller.subject, notification_id):
        raise Problem("not-found", reason=message("no_notification", name=notification_id))
    return Response(status_code=204)
