"""Records that the reader's process has read ahead, cut into batches."""

import json
import subprocess
import sys
import threading
from collections import deque
from dataclasses import asdict

import pyarrow as pa

from conf.settings import REPO
from lakehouse.bronze.records import RECORDS
from streaming_jobs.embedded import reader
from streaming_jobs.embedded.reader import Assignment, Positions

AHEAD_BYTES = 128 << 20  # 300,000 events of 250 bytes; a batch has no more


class ReaderEnded(RuntimeError):
    """The process that reads Kafka has ended; its last words are in the log."""


def start_reader() -> "subprocess.Popen[bytes]":
    """The reader's process, which waits for its assignment."""
    command = [sys.executable, "-m", reader.__name__]
    return subprocess.Popen(command, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


class RecordFeed:
    """Starts the reader; `take` returns batches until `close`."""

    def __init__(self, assignment: Assignment) -> None:
        self._chunks: deque[tuple[pa.RecordBatch, Positions]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._ended = False
        self._process = start_reader()
        assert self._process.stdin  # noqa: S101
        with self._process.stdin as request:
            request.write(json.dumps(asdict(assignment)).encode())
        self._thread = threading.Thread(target=self._pump, name="kafka-feed", daemon=True)
        self._thread.start()

    def _pump(self) -> None:
        """Keep what the reader sends, up to AHEAD_BYTES."""
        try:
            with pa.ipc.open_stream(self._process.stdout) as arriving:
                while True:
                    records, metadata = arriving.read_next_batch_with_custom_metadata()
                    with self._changed:
                        self._changed.wait_for(lambda: self._bytes < AHEAD_BYTES or self._ended)
                        self._chunks.append((records, json.loads(metadata[reader.END])))
                        self._bytes += records.nbytes
                        self._changed.notify_all()
        except (pa.ArrowInvalid, OSError, StopIteration):
            return  # the process was killed, or ended
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def take(self, most: int, seconds: float) -> tuple[pa.Table, Positions] | None:
        """Up to `most` records and the positions after them; None when there are none for so long.

        Raises ReaderEnded.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._ended, seconds)
            if not self._chunks:
                if self._ended:
                    raise ReaderEnded(f"the reader of Kafka ended with code {self._process.wait()}")
                return None
            return self._cut(most)

    def _cut(self, most: int) -> tuple[pa.Table, Positions]:
        taken: list[pa.RecordBatch] = []
        known: Positions = {}
        left = most
        while self._chunks and left:
            records, ends = self._chunks.popleft()
            if records.num_rows > left:
                self._chunks.appendleft((records.slice(left), ends))
                records, ends = records.slice(0, left), {}
            taken.append(records)
            left -= records.num_rows
            self._bytes -= records.nbytes
            for topic, partitions in ends.items():
                known.setdefault(topic, {}).update(partitions)
        self._changed.notify_all()
        table = pa.Table.from_batches(taken, RECORDS)
        return table, after(table, known)

    def close(self) -> None:
        """End the reader's process."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._process.kill()
        self._process.wait()
        self._thread.join()
        if self._process.stdout:
            self._process.stdout.close()


def after(records: pa.Table, ends: Positions) -> Positions:
    """The next offset of each partition that has records or an end here."""
    grouped = records.group_by(["topic", "partition"], use_threads=False)
    positions = {topic: dict(partitions) for topic, partitions in ends.items()}
    for row in grouped.aggregate([("offset", "max")]).to_pylist():
        partitions, number = positions.setdefault(row["topic"], {}), str(row["partition"])
        partitions[number] = max(partitions.get(number, 0), row["offset_max"] + 1)
    return positions
