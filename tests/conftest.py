"""Brokers and a Spark session, one a worker, and homes whose settings this process sees."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Message
from pyspark.sql import SparkSession

from conf.settings import settings
from lakehouse.io.kafka import create_topics, subscribed
from scripts.stack.throwaway import Stack
from streaming_jobs.spark.session import session
from tests.support import forked_readers
from tests.support.empty_lake import copy_empty_tables
from tests.support.kafka.broker import Broker, start_mock, start_real

CLOSED = "127.0.0.1:1"  # nothing listens there
DECISION_KEY = "0123456789abcdef" * 4  # of every home in a test
JWT_SECRET = DECISION_KEY[::-1]
pytest_plugins = [
    "tests.support.plugins.schedule",
    "tests.support.plugins.report",
    "tests.support.plugins.examples",
    "tests.support.identity.databases",
]


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
    """A mock cluster, for all tests that need records of Kafka and nothing else."""
    running = start_mock()
    settings.cache_clear()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def real_broker() -> Iterator[Broker]:
    """A node of Kafka, a JVM, for what a mock cluster lacks: the stream, topics and their ids, retention.

    A test that asks for it has its `home` on it.
    """
    running = start_real()
    with pytest.MonkeyPatch.context() as patch:
        _see(patch, running.stack)
        create_topics(subscribed())
    settings.cache_clear()
    yield running
    running.stop()


@pytest.fixture(scope="session", autouse=True)
def _readers() -> Iterator[None]:
    """The process that forks readers of the stream ends with the tests that may have started it."""
    yield
    forked_readers.close()


def _see(patch: pytest.MonkeyPatch, stack: Stack, **more: str) -> None:
    for key, value in {**stack.env, **more}.items():
        if key.startswith("LUMBUNG_"):
            patch.setenv(key, value)
    settings.cache_clear()


@pytest.fixture
def home(
    request: pytest.FixtureRequest, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A fresh LUMBUNG_HOME for this process and its children: on the mock cluster, or on `real_broker`."""
    is_on_real = "real_broker" in request.fixturenames
    on: Broker = request.getfixturevalue("real_broker") if is_on_real else broker
    _see(monkeypatch, on.stack, LUMBUNG_HOME=str(tmp_path), LUMBUNG_DECISION_KEYS=DECISION_KEY)
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
