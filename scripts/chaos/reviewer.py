"""The person of the proof: looks for doubtful events over the API and decides them as the ledger planned."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

from scripts.chaos.doors import GIVE_UP_SECONDS, NeverAcknowledged, Tell
from scripts.chaos.ledger import Entry

PAUSE_SECONDS = 0.5


class Reviewer:
    """One operator with a bearer; what the API does not answer is tried again."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def decide(self, entries: Sequence[Entry], seconds: float, tell: Tell) -> None:
        """Returns when every planned decision is acknowledged. Raises NeverAcknowledged."""
        waiting = {entry.event_id: entry for entry in entries if entry.decision}
        deadline = time.monotonic() + seconds + GIVE_UP_SECONDS
        while waiting:
            if time.monotonic() > deadline:
                raise NeverAcknowledged(f"decisions: {next(iter(waiting))} and {len(waiting) - 1} more")
            for event_id in self._open() & waiting.keys():
                if self._post(waiting[event_id]):
                    del waiting[event_id]
                    tell(1)
            time.sleep(PAUSE_SECONDS)

    def _open(self) -> set[str]:
        """Ids of events that stand in quarantine undecided."""
        found: set[str] = set()
        cursor = ""
        while True:
            status, answer = self._ask(f"/api/v1/quarantine?state=open&limit=1000{cursor}")
            if status != 200:
                return found
            found |= {item["event_id"] for item in answer["items"]}
            if not answer["next_cursor"]:
                return found
            cursor = f"&cursor={answer['next_cursor']}"

    def _post(self, entry: Entry) -> bool:
        """Whether the decision stands: acknowledged now, or by an answer that was lost on the way (409)."""
        body = {"decision": entry.decision, "reason": f"planned: {entry.reason}"}
        body |= {"correction": entry.correction} if entry.correction else {}
        status, answer = self._ask(f"/api/v1/quarantine/{entry.event_id}/decision", body)
        if status not in (202, 409, 0, 500, 503):
            raise NeverAcknowledged(f"decision on {entry.event_id}: HTTP {status} {str(answer)[:300]}")
        return status in (202, 409)

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """(status, answer); status 0 while the API or the connection is away."""
        data = json.dumps(body).encode() if body else None
        try:
            with urllib.request.urlopen(urllib.request.Request(self._url + path, data, self._headers), timeout=30) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")
        except OSError:
            return 0, {}
