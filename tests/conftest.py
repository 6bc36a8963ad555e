"""A broker of the tests' own, and a home whose settings this process sees."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from conf.broker import QUIET, create_topics
from conf.settings import REPO, settings
from lakehouse.event import topics
from tests.integration.stack import Stack


class Broker:
    """A real Kafka node; it can be stopped with SIGSTOP and SIGCONT by its `process`."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        command = [sys.executable, "-m", "scripts.broker"]
        self.process = subprocess.Popen(command, cwd=REPO, env=stack.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._admin = AdminClient({"bootstrap.servers": stack.bootstrap, **QUIET})
        end = time.monotonic() + 60
        while True:
            try:
                self._admin.list_topics(timeout=1)
                return
            except KafkaException:
                assert time.monotonic() < end, "the broker does not answer"

    def ends(self) -> dict[tuple[str, int], int]:
        """Next offset of every partition of our topics; a partition made a moment ago may have no leader yet."""
        reader = Consumer({"bootstrap.servers": self.stack.bootstrap, "group.id": "ends", **QUIET})
        known = Retrying(stop=stop_after_delay(20), wait=wait_fixed(0.2), retry=retry_if_exception_type(KafkaException))
        try:
            parts = {(t, p) for t in topics() for p in self._admin.list_topics(t, timeout=5).topics[t].partitions}
            return {part: known(reader.get_watermark_offsets, TopicPartition(*part), timeout=5)[1] for part in parts}
        finally:
            reader.close()

    def records(self, since: dict[tuple[str, int], int], topic: str, count: int, seconds: float = 15) -> list[Message]:
        """Records of a topic behind `since`; waits until there are `count`, then for a surplus."""
        reader = Consumer({"bootstrap.servers": self.stack.bootstrap, "group.id": "tests", "enable.auto.commit": False, **QUIET})
        reader.assign([TopicPartition(t, p, at) for (t, p), at in since.items() if t == topic])
        found: list[Message] = []
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                message = reader.poll(0.2)
                if message is not None and message.error() is None:
                    found.append(message)
                elif len(found) >= count:
                    return found
        finally:
            reader.close()
        return found


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """Started once for all tests that need Kafka and nothing else."""
    stack = Stack(Path(tempfile.mkdtemp(prefix="lumbung-test-")))
    running = Broker(stack)
    with pytest.MonkeyPatch.context() as patch:
        _see(patch, stack)
        create_topics(topics())
    settings.cache_clear()
    yield running
    running.process.terminate()
    running.process.wait(30)
    shutil.rmtree(stack.home, ignore_errors=True)


def _see(patch: pytest.MonkeyPatch, stack: Stack, **more: str) -> None:
    for key, value in {**stack.env, **more}.items():
        if key.startswith("LUMBUNG_"):
            patch.setenv(key, value)
    settings.cache_clear()


@pytest.fixture
def home(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh LUMBUNG_HOME on the tests' broker, for this process and its children."""
    _see(monkeypatch, broker.stack, LUMBUNG_HOME=str(tmp_path))
    yield tmp_path
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def lone_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh LUMBUNG_HOME without a broker."""
    monkeypatch.setenv("LUMBUNG_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it for its children
    settings.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    settings.cache_clear()


def headers_of(message: Message) -> dict[str, str]:
    """Headers of a record as text."""
    return {name: value.decode() for name, value in message.headers() or []}
