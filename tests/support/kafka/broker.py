"""Kafka for tests: a mock cluster that is there at once, and a real node, which is a JVM."""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from conf.settings import REPO
from lakehouse.io.kafka import bounds_by, client_config, subscribed
from scripts.stack.throwaway import Stack
from tests.support.waiting import eventually

ADDRESS = "LUMBUNG_KAFKA__BOOTSTRAP"
PARTITIONS = "LUMBUNG_KAFKA__PARTITIONS"
MOCK_PARTITIONS = 4  # of every topic of a mock cluster; it takes no other number
ANSWER_SECONDS = 60
Ends = dict[tuple[str, int], int]  # (topic, partition) -> next offset


def state_of(thread: Path) -> str:
    """The state of a thread in /proc: T while it is stopped."""
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


class Broker:
    """A broker as a process, which can be halted like a machine that stands still."""

    def __init__(self, process: subprocess.Popen[str], stack: Stack) -> None:
        """`stack`: the environment of programs on this broker."""
        self.process, self.stack = process, stack

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient(client_config(self.stack.bootstrap))

    @property
    def knobs(self) -> dict[str, str]:
        """What a home on this broker sets."""
        return {name: self.stack.env[name] for name in (ADDRESS, PARTITIONS) if name in self.stack.env}

    @contextmanager
    def halted(self) -> Iterator[None]:
        """It stands still: none of its threads runs, so nothing is acknowledged."""
        self.process.send_signal(signal.SIGSTOP)
        threads = Path(f"/proc/{self.process.pid}/task")
        try:
            eventually(lambda: all(state_of(thread) == "T" for thread in threads.iterdir()))
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=30)
        shutil.rmtree(self.stack.home, ignore_errors=True)

    def ends(self, *topics: str) -> Ends:
        """Next offset of every partition of the topics; of all our topics without any."""
        bounds = bounds_by(self._admin, topics or subscribed())
        return {
            (topic, int(part)): following
            for topic, parts in bounds.items()
            for part, (_, following) in parts.items()
        }

    def records(self, since: Ends, topic: str, at_least: int = 0, seconds: float = 60) -> list[Message]:
        """Records of a topic from the offsets `since` on, in the order of their partition.

        It waits until there are `at_least`. Then it reads all that Kafka holds, up to the ends that it names:
        what is not returned was not written before this call. So that nothing more follows, call it after the
        sender has its acknowledgement, has ended, or has sent a later record.
        """

        def enough() -> Ends:
            ends = self.ends(topic)
            held = sum(end - since.get(part, 0) for part, end in ends.items())
            assert held >= at_least, f"{held} of {at_least} records in {topic}"
            return ends

        ends = eventually(enough, seconds)
        return self._read({part: (since.get(part, 0), end) for part, end in ends.items()})

    def _read(self, ranges: dict[tuple[str, int], tuple[int, int]]) -> list[Message]:
        """The records of each partition from the first offset up to the second, which is not included."""
        left = {part: end for part, (first, end) in ranges.items() if first < end}
        own = {"group.id": "tests", "enable.auto.commit": False, "enable.partition.eof": True}
        reader = Consumer({**client_config(self.stack.bootstrap), **own, "auto.offset.reset": "error"})
        reader.assign([TopicPartition(*part, ranges[part][0]) for part in left])
        records: list[Message] = []
        try:
            while left:
                message = reader.poll(ANSWER_SECONDS)
                assert message is not None, f"the broker does not answer; read up to {left}"
                part, error = (message.topic(), message.partition()), message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                if error is None and message.offset() < ranges[part][1]:
                    records.append(message)
                if message.offset() + (error is None) >= ranges[part][1]:
                    left.pop(part, None)
        finally:
            reader.close()
        return records


def start_mock() -> Broker:
    """A mock cluster with all our topics: records, headers, offsets and groups as in Kafka, and nothing else.

    It starts in 0.2 s. It can neither create a topic, which appears when it is named first, nor tell its id,
    and it keeps the last 5 MB of each partition: a test that reads more fails.
    """
    stack = Stack(Path(tempfile.mkdtemp(prefix="lumbung-test-")), **{PARTITIONS: str(MOCK_PARTITIONS)})
    command = [sys.executable, "-m", "tests.support.kafka.mock_cluster"]
    process = subprocess.Popen(
        command, cwd=REPO, env=stack.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    stack.bootstrap = stack.env[ADDRESS] = process.stdout.readline().strip()
    admin = AdminClient(client_config(stack.bootstrap))
    for topic in subscribed():
        admin.list_topics(topic, timeout=ANSWER_SECONDS)  # makes it
    return Broker(process, stack)


def start_real() -> Broker:
    """A node of Kafka without topics. It takes 5 s of CPU to start."""
    stack = Stack(Path(tempfile.mkdtemp(prefix="lumbung-test-")))
    command = [sys.executable, "-m", "scripts.stack.broker"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    broker = Broker(subprocess.Popen(command, cwd=REPO, env=stack.env, text=True, **quiet), stack)
    admin = AdminClient(client_config(stack.bootstrap))

    def answers() -> bool:
        if broker.process.poll() is not None:
            raise RuntimeError("the broker has ended, see its log")
        return bool(admin.list_topics(timeout=1).brokers)

    eventually(answers, 120, passing=(KafkaException,))
    return broker
