"""One broker and one Spark session a worker, and homes whose settings this process sees."""

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
from pyspark.sql import SparkSession

from conf.settings import REPO, settings
from lakehouse.io.kafka import client_config, create_topics, needed_topics, partition_bounds
from scripts.stack.throwaway import Stack
from streaming_jobs.session import session
from tests.support.empty_lake import copy_empty_tables

CLOSED = "127.0.0.1:1"  # nothing listens there
DECISION_KEY = "0123456789abcdef" * 4  # of every home in a test
JWT_SECRET = DECISION_KEY[::-1]
NO_COMMITS = {"enable.auto.commit": False}
pytest_plugins = [
    "tests.support.schedule",
    "tests.support.report",
    "tests.support.examples",
    "tests.support.identity.databases",
]


class Broker:
    """A real Kafka node; it can be stopped with SIGSTOP and SIGCONT by its `process`."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        command = [sys.executable, "-m", "scripts.stack.broker"]
        self.process = subprocess.Popen(
            command, cwd=REPO, env=stack.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._admin = AdminClient(client_config(stack.bootstrap))
        end = time.monotonic() + 60
        while True:
            try:
                self._admin.list_topics(timeout=1)
                return
            except KafkaException:
                assert time.monotonic() < end, "the broker does not answer"

    def ends(self, *topics: str) -> dict[tuple[str, int], int]:
        """Next offset of every partition of the topics; of all our topics without any."""
        bounds = partition_bounds(topics or needed_topics(), self.stack.bootstrap)
        return {
            (topic, int(part)): following
            for topic, parts in bounds.items()
            for part, (_, following) in parts.items()
        }

    def records(
        self, since: dict[tuple[str, int], int], topic: str, count: int, seconds: float = 15
    ) -> list[Message]:
        """Records of a topic from the offsets `since` on: at least `count`, and all that Kafka then holds.

        When no record is expected it waits briefly for one.
        """
        reader = Consumer({**client_config(self.stack.bootstrap), "group.id": "tests"} | NO_COMMITS)
        first = {part: at for part, at in since.items() if part[0] == topic}
        reader.assign([TopicPartition(*part, at) for part, at in first.items()])
        records: list[Message] = []
        held = 0
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                message = reader.poll(0.2)
                if message is not None and message.error() is None:
                    records.append(message)
                if len(records) >= max(count, held):
                    held = sum(at - first[part] for part, at in self.ends(topic).items())
                    if len(records) >= held and (count or message is None):
                        return records
        finally:
            reader.close()
        return records


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """One session for all tests of a worker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUMBUNG_HOME", str(tmp_path_factory.mktemp("spark")))
        settings.cache_clear()
        running = session("tests", cores_shuffle=1)
    settings.cache_clear()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """Started once for all tests that need Kafka and nothing else."""
    stack = Stack(Path(tempfile.mkdtemp(prefix="lumbung-test-")))
    running = Broker(stack)
    with pytest.MonkeyPatch.context() as patch:
        _see(patch, stack)
        create_topics(needed_topics())
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
    _see(monkeypatch, broker.stack, LUMBUNG_HOME=str(tmp_path), LUMBUNG_DECISION_KEYS=DECISION_KEY)
    monkeypatch.setenv("JWT_SECRET", JWT_SECRET)
    yield tmp_path
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def lone_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh LUMBUNG_HOME without a broker, also where a stack runs on the usual ports."""
    monkeypatch.setenv("LUMBUNG_HOME", str(tmp_path))
    monkeypatch.setenv("LUMBUNG_KAFKA__BOOTSTRAP", CLOSED)
    monkeypatch.setenv("LUMBUNG_DECISION_KEYS", DECISION_KEY)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it for its children
    settings.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def lake(lone_home: Path) -> Path:
    """A fresh LUMBUNG_HOME without a broker, whose lake holds every table, empty."""
    copy_empty_tables()
    return lone_home


def headers_of(message: Message) -> dict[str, str]:
    """Headers of a record as text."""
    return {name: value.decode() for name, value in message.headers() or []}
