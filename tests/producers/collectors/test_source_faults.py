"""Every source under every fault of its server, and killed at every cursor: each row is stored once."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime

import orjson
import pytest

from conf.settings import settings
from producers.collectors import collector
from producers.collectors.collect import collected
from tests.producers.collectors import sample_sources
from tests.producers.collectors.conftest import SetKnobs
from tests.producers.collectors.sample_sources import KEYS, NOW, knobs_of
from tests.producers.collectors.source_server import Reply, Request, SourceServer
from tests.producers.collectors.test_sources import SENT
from tests.streaming_jobs.conftest import Stream

AHEAD = {"Date": format_datetime(NOW + timedelta(days=2), usegmt=True)}
FAULTS: dict[str, Callable[[Reply], Reply]] = {
    "slow down": lambda usual: Reply(usual.body, 429, {"Retry-After": "0"}),
    "down": lambda usual: Reply(usual.body, 503),
    "half a body": lambda usual: Reply(usual.body, sent_bytes=len(usual.content) // 2),
    "clock ahead": lambda usual: Reply(usual.body, headers={**usual.headers, **AHEAD}),
}


class Crash(Exception):
    """Stands for a kill: nothing after it happens."""


@pytest.fixture
def server(knobs: SetKnobs, monkeypatch: pytest.MonkeyPatch) -> Iterator[SourceServer]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with SourceServer(sample_sources.answer).running() as running:
        knobs(**knobs_of(running.url))
        yield running


def poll(source: str) -> dict[str, object]:
    return asyncio.run(collected(source, None))


QUICK = "half a body"


@pytest.mark.parametrize(
    "fault", [QUICK, *(pytest.param(each, marks=pytest.mark.slow) for each in FAULTS if each != QUICK)]
)
def test_every_source_stores_each_row_once_whatever_its_server_does(
    landed: Stream, server: SourceServer, fault: str
):
    met: set[str] = set()

    def first_is_a_fault(request: Request) -> Reply:
        usual = sample_sources.answer(request)
        address = orjson.dumps([request.path, request.query]).decode()
        if address in met:
            return usual
        met.add(address)
        return FAULTS[fault](usual)

    server.answer = first_is_a_fault
    polls = {source: poll(source) for source in SENT}
    assert {source: counts["events"] for source, counts in polls.items()} == SENT
    if fault == "clock ahead":
        skews = {source: float(str(counts["clock_skew_seconds"])) for source, counts in polls.items()}
        assert min(skews.values()) > 86_400, skews
    assert {source: poll(source)["events"] for source in SENT} == dict.fromkeys(SENT, 0)
    landed.run()
    assert landed.quarantine() == Counter()
    assert landed.balance() == {"rows_in": 146, "silver": 146, "quarantine": 0, "duplicates": 0}


def test_every_source_killed_at_every_cursor_loses_and_doubles_nothing(
    landed: Stream, server: SourceServer, monkeypatch: pytest.MonkeyPatch
):
    kills = 0
    for source in SENT:
        for place in range(1, 10):
            passed = 0

            def failpoint(name: str, place: int = place) -> None:
                nonlocal passed
                passed += 1
                if passed == place:
                    raise Crash(name)

            monkeypatch.setattr(collector, "failpoint", failpoint)
            try:
                poll(source)
            except Crash:
                kills += 1
            else:
                break  # it has no further cursor
    assert kills >= len(SENT)
    landed.run()
    balance = landed.balance()
    assert (balance["silver"], balance["quarantine"]) == (146, 0)
    assert balance["rows_in"] == 146 + balance["duplicates"] and balance["duplicates"] > 0


@pytest.mark.slow
def test_row_that_a_source_repeats_is_stored_once(landed: Stream, server: SourceServer):
    """The whole answer again, by a server that forgot what it had sent."""
    for source in SENT:
        poll(source)
        (settings().state_dir / "collectors" / f"{source}.json").unlink()
        poll(source)
    landed.run()
    balance = landed.balance()
    assert (balance["rows_in"], balance["silver"], balance["duplicates"]) == (292, 146, 146)
