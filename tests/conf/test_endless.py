"""Endless work that fails or returns is logged, counted and begun again."""

import asyncio
from collections.abc import Iterator

import pytest
from prometheus_client.core import Metric

from conf.runtime import endless
from conf.runtime.endless import keep_running, restarts, survived
from conf.runtime.status_files import write_json
from lakehouse.io.process_status import GATEWAY, status_file
from serving_api.reads.operation.prometheus import task_restarts


class Panic(BaseException):
    """As a library in Rust raises it."""


@pytest.fixture(autouse=True)
def from_zero(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(endless, "PAUSE_SECONDS", 0.0)
    restarts.clear()
    yield
    restarts.clear()


def test_work_that_fails_panics_or_returns_begins_again_until_it_is_cancelled(
    caplog: pytest.LogCaptureFixture,
):
    ends: list[BaseException | None] = [KeyError("a fault"), Panic("a panic"), None]
    is_working = asyncio.Event()

    async def work() -> None:
        if not ends:
            is_working.set()
            await asyncio.Event().wait()
        if end := ends.pop(0):
            raise end

    async def supervise() -> bool:
        task = asyncio.create_task(keep_running("work", work))
        await asyncio.wait_for(is_working.wait(), 60)
        task.cancel()
        await asyncio.wait([task], timeout=60)
        return task.cancelled()

    assert asyncio.run(supervise())
    assert restarts["work"] == 3 == caplog.text.count("work failed and begins again")
    assert "a fault" in caplog.text and "a panic" in caplog.text


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_end_that_somebody_wants_is_passed_on(end: type[BaseException]):
    with pytest.raises(end), survived("work"):
        raise end
    assert not restarts


def samples(family: Metric) -> dict[tuple[str, ...], float]:
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


def test_restarts_of_api_and_gateway_are_a_metric(home: object):
    assert samples(task_restarts()) == {}
    with survived("live_rights"):
        raise ValueError
    write_json(status_file(GATEWAY), {"task_restarts": {"device_watch": 2}})
    assert samples(task_restarts()) == {("api", "live_rights"): 1, ("gateway", "device_watch"): 2}
    write_json(status_file(GATEWAY), {"pid": 1})  # of an earlier version
    assert samples(task_restarts()) == {("api", "live_rights"): 1}
