"""Cost of a batch after little history and after ten times as much, and of the index of event ids."""

import json
import statistics
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import psutil
from rocksdict import IngestExternalFileOptions, Rdict, SstFileWriter

from scripts.bench.harness import broker_only, run_module, running
from scripts.stack.throwaway import Stack
from streaming_jobs.batch.event_index import (
    DUPLICATE,
    FINGERPRINT_BYTES,
    EventIds,
    entries,
    fingerprints,
    rocksdb_options,
)

MEANS = (
    "seconds of a batch of 500 events, median of 15, one stream process, after the named number of events; "
    "index after the named number of ids: bytes on disk an id, CPU microseconds an id (all threads and "
    "compaction) of 20 batches of 100,000 events, 1 % of which had landed before, and seconds to open"
)
BATCHES = 20
BATCH = 100_000
REPEATED = BATCH // 100
SENDER = "PASAR-001"
IDS_PER_FILE = 1_000_000


def send_burst(stack: Stack, count: int, seed: int) -> None:
    """Send `count` events and wait until the stream has processed them."""
    run_module(stack, "scripts.bench.events", str(count), "one_day", str(seed))
    stack.wait_drained(600)


def batch_durations(stack: Stack, rounds: int, seed: int) -> list[float]:
    """Seconds of batches that hold exactly one burst each."""
    durations = []
    for number in range(rounds):
        send_burst(stack, 500, seed + number)
        time.sleep(0.3)  # the status is written after the commit
        progress = stack.progress()
        if progress and progress["batch_rows"] == 500 and progress["batch_seconds"] is not None:
            durations.append(progress["batch_seconds"])
    return durations


def names(numbers: Iterable[int]) -> list[str]:
    """Ids as devices send them: 36 characters that differ at the end."""
    return [f"PASAR-{number % 400:03d}-device-{number:019d}" for number in numbers]


def fill(folder: Path, count: int, draw: np.random.Generator) -> int:
    """Write an index of `count` ids as it is when compacted; returns how many of them are those of `names`.

    The others are random fingerprints, sorted as they are made: that takes a fraction of the time.
    """
    real = count // 100
    numbers = np.arange(real, dtype=">i8")
    values = entries([SENDER] * real, numbers.tolist())
    landed = sorted(zip(fingerprints("price", names(range(real))), values, strict=True))
    files = []
    parts = -(-count // IDS_PER_FILE)
    bounds = [part * 2**64 // parts for part in range(parts + 1)]
    heads_landed = [int.from_bytes(key[:8]) for key, _ in landed]
    for part in range(parts):
        begin, end = (bisect_left(heads_landed, bound) for bound in bounds[part : part + 2])
        drawn = np.empty(((count - real) // parts, 3), dtype=">u8")
        heads = draw.integers(bounds[part], bounds[part + 1] - 1, size=len(drawn), dtype=np.uint64)
        drawn[:, 0] = np.sort(heads)
        drawn[:, 1:] = draw.integers(2**63, size=(len(drawn), 2))
        packed = drawn.tobytes()
        pairs = [
            (packed[start : start + FINGERPRINT_BYTES], packed[start + FINGERPRINT_BYTES : start + 24])
            for start in range(0, len(packed), 24)
        ]
        pairs = sorted(pairs + landed[begin:end])
        file = str(folder.parent / f"{part}.sst")
        table = SstFileWriter(rocksdb_options())
        table.open(file)
        for key, value in pairs:
            table[key] = value
        table.finish()
        files.append(file)
    index = Rdict(str(folder), rocksdb_options())
    moving = IngestExternalFileOptions()
    moving.set_move_files(True)
    index.ingest_external_file(files, moving)
    index.close()
    return real


def add_batch(ids: EventIds, batch: int, real: int, draw: np.random.Generator) -> float:
    """CPU seconds of one batch. Raises RuntimeError when a repeated id is not recognised."""
    begin = real + batch * (BATCH - REPEATED)
    repeated = draw.integers(real, size=REPEATED).tolist()
    numbers = [*repeated, *range(begin, begin + BATCH - REPEATED)]
    arrived = names(numbers)
    began = time.process_time()
    verdicts = ids.classify("price", arrived, [SENDER] * len(arrived), numbers).verdicts
    ids.commit("bench", batch)
    seconds = time.process_time() - began
    if not (verdicts[:REPEATED] == DUPLICATE).all() or (verdicts[REPEATED:] == DUPLICATE).any():
        raise RuntimeError(f"batch {batch}: verdicts are wrong")
    return seconds


def index_at(count: int) -> dict[str, float]:
    """Figures of an index of `count` ids; it needs 40 bytes of disk an id, and room for one file more."""
    draw = np.random.default_rng(1)
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as name:
        folder = Path(name) / "index"
        real = fill(folder, count, draw)
        began = time.monotonic()
        ids = EventIds(folder)
        opening = time.monotonic() - began
        before = psutil.Process().memory_info().rss
        seconds = sum(add_batch(ids, batch, real, draw) for batch in range(BATCHES))
        ids.close()
        on_disk = sum(file.stat().st_blocks * 512 for file in folder.iterdir())
        return {
            "bytes_per_id": round(on_disk / (count + BATCHES * (BATCH - REPEATED)), 1),
            "cpu_microseconds_per_id": round(seconds / BATCHES / BATCH * 1e6, 2),
            "seconds_to_open": round(opening, 2),
            "process_memory_mb": round(before / 1e6),
        }


def measure(
    events: int = 100_000, rounds: int = 15, ids: tuple[int, ...] = (1_000_000, 10_000_000)
) -> dict[str, object]:
    """Medians at `events` and at ten times as many, and their ratio; the index at each number of `ids`."""
    with broker_only() as stack:
        run_module(stack, "scripts.bench.events", "1")
        with running(stack, "streaming_jobs.run"):
            send_burst(stack, events, 100)
            batch_durations(stack, rounds, 1000)  # warm-up
            little = batch_durations(stack, rounds, 2000)
            send_burst(stack, 9 * events, 200)
            batch_durations(stack, 5, 3000)
            much = batch_durations(stack, rounds, 4000)
    median_little = statistics.median(little)
    median_much = statistics.median(much)
    return {
        f"batch_seconds_at_{events}": round(median_little, 3),
        f"batch_seconds_at_{10 * events}": round(median_much, 3),
        "ratio": round(median_much / median_little, 2),
        "batches": [len(little), len(much)],
        "index": {f"at_{count}": index_at(count) for count in ids},
    }


if __name__ == "__main__":  # a number: only the index, at that many ids
    figures = index_at(int(sys.argv[1])) if len(sys.argv) > 1 else measure()
    print(json.dumps(figures, indent=2))
