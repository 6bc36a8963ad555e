"""`reconcile` after a kill within a batch: the batch counts as waiting, and nothing is lost."""

import json
import subprocess
import sys

import pytest

from lakehouse.io.process_status import STREAM, status_file
from scripts.commands.reconcile import balance_report, gold_differences
from tests.streaming_jobs.conftest import Stream, price


@pytest.fixture
def stream(either: Stream) -> Stream:
    return either


def leave_status_of_a_killed_stream() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    file = status_file(STREAM)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"pid": process.pid, "state": "running"}))


@pytest.mark.parametrize("point", ["stream.after_silver", "stream.after_gold.balance"])
def test_interrupted_batch_is_counted_once(stream: Stream, point: str):
    stream.send(price("a"), price("bad", -5))
    stream.run()
    stream.send(price("b"), price("c"), price("bad-2", -5))
    stream.crash(point)
    leave_status_of_a_killed_stream()
    report = balance_report()
    assert report["batch_under_way"] == (point == "stream.after_silver") and report["total"]["lost"] == 0
    assert report["balanced"] == (report["lag_events"] == 0), "not balanced while events wait"
    assert report["total"]["rows_in"] + report["lag_events"] == stream.sent
    assert gold_differences() is None, "gold follows with the next start"
    stream.run()
    report = balance_report()
    assert not report["batch_under_way"] and report["balanced"]
    assert (report["total"]["rows_in"], report["lag_events"]) == (stream.sent, 0)
