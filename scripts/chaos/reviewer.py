"""The operator of the chaos run: reads open events of the quarantine and decides them as planned."""

import time
from collections.abc import Sequence
from typing import Any

import httpx2

from scripts.chaos.doors import STUCK_SECONDS, DoorRefused, OnAcknowledged
from scripts.chaos.plan import Entry
from scripts.stack.patience import Patience, TimedOut

PAUSE_SECONDS = 0.5


class Reviewer:
    """One operator with a bearer; requests without an answer are repeated."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=30)

    def decide(self, entries: Sequence[Entry], seconds: float, on_acknowledged: OnAcknowledged) -> None:
        """Decide until every planned decision is acknowledged. Raises TimedOut and DoorRefused."""
        waiting = {entry.event_id: entry for entry in entries if entry.decision}
        unanswered: set[str] = set()  # sent without a response: it may count, and the event be open no more
        patience = Patience(seconds + STUCK_SECONDS)
        while waiting:
            if patience.spent(len(waiting)):
                raise TimedOut(
                    f"decisions: {next(iter(waiting))} and {len(waiting) - 1} more not acknowledged"
                )
            for event_id in (self._open() | unanswered) & waiting.keys():
                if self._post(waiting[event_id]):
                    del waiting[event_id]
                    on_acknowledged(1)
                else:
                    unanswered.add(event_id)
            time.sleep(PAUSE_SECONDS)

    def _open(self) -> set[str]:
        """Ids of open events in quarantine."""
        open_ids: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            _, page = self._request(f"/api/v1/quarantine?state=open&limit=1000{cursor}")
            open_ids |= {item["event_id"] for item in page.get("items", ())}
            cursor = f"&cursor={page['next_cursor']}" if page.get("next_cursor") else None
        return open_ids

    def _post(self, entry: Entry) -> bool:
        """Whether the decision is acknowledged: now, or earlier with a lost response (409)."""
        body: dict[str, Any] = {"decision": entry.decision, "reason": f"planned: {entry.reason}"}
        body |= {"correction": entry.correction} if entry.correction else {}
        status, response = self._request(f"/api/v1/quarantine/{entry.event_id}/decision", body)
        if status not in (202, 409, 0, 500, 503):
            raise DoorRefused(f"decision on {entry.event_id}: HTTP {status} {str(response)[:300]}")
        return status in (202, 409)

    def _request(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """(status, response); status 0 while the API does not answer."""
        try:
            response = self._http.request("POST" if body else "GET", path, json=body)
        except httpx2.TransportError:
            return 0, {}
        return response.status_code, response.json() if response.content else {}
