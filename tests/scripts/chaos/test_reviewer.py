"""The operator of a chaos run repeats a decision whose response it did not get."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scripts.chaos.doors import Reviewer
from scripts.chaos.plan import Entry

DECIDED = Entry("e-1", "price", "mqtt", "{}", "silver", "price_in_band", again=False, decision="release")


class StoredButUnanswered(BaseHTTPRequestHandler):
    """The first decision counts, but its response is 503: the event is open no more, a second one is 409."""

    decisions = 0

    def do_GET(self) -> None:
        items = [] if type(self).decisions else [{"event_id": DECIDED.event_id}]
        self._respond(200, {"items": items, "next_cursor": None})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).decisions += 1
        self._respond(503 if type(self).decisions == 1 else 409, {})

    def _respond(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        return


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), StoredButUnanswered)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_decision_without_a_response_is_sent_again_although_its_event_is_decided(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.chaos.doors.STUCK_SECONDS", 60.0)
    acknowledged: list[int] = []
    Reviewer(url, "token").decide([DECIDED], 0, acknowledged.append)
    assert acknowledged == [1]
    assert StoredButUnanswered.decisions == 2
