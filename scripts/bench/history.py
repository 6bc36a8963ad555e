"""Cost of a batch after little history and after ten times as much, and of the ids of a place."""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import psutil

from scripts.bench.harness import broker_only, run_module, running
from scripts.stack.throwaway import Stack
from streaming_jobs.batch.event_ids import DUPLICATE, ENTRY, EventIds, Run, entries
from streaming_jobs.batch.place_memory import digest_of, mapped_run

MEANS = (
    "seconds of a batch of 500 events, median of 15, one stream process, after the named number of events; "
    "ids of a place after the named number: bytes an id, CPU microseconds an id of 20 batches of 100,000 "
    "events, 1 % of which had landed before, seconds until the file is mapped and checked, and memory"
)
BATCHES = 20
BATCH = 100_000
REPEATED = BATCH // 100
SENDER = "PASAR-001"


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


def landed(count: int, draw: np.random.Generator) -> tuple[Run, int]:
    """A run of `count` ids, and how many of them are those of `names`; the others are random."""
    real = count // 100
    run = np.empty(count, dtype=ENTRY)
    run["head"] = draw.integers(2**64, size=count, dtype=np.uint64)
    run[:real] = entries("price", names(range(real)), [SENDER] * real, range(real))
    return run[np.argsort(run["head"], kind="stable")], real


def add_batch(ids: EventIds, batch: int, real: int, draw: np.random.Generator) -> float:
    """CPU seconds of one batch. Raises RuntimeError when a repeated id is not recognised."""
    begin = real + batch * (BATCH - REPEATED)
    repeated = draw.integers(real, size=REPEATED).tolist()
    numbers = [*repeated, *range(begin, begin + BATCH - REPEATED)]
    arrived = names(numbers)
    began = time.process_time()
    verdicts = ids.classify("price", arrived, [SENDER] * len(arrived), numbers).verdicts
    seconds = time.process_time() - began
    if not (verdicts[:REPEATED] == DUPLICATE).all() or (verdicts[REPEATED:] == DUPLICATE).any():
        raise RuntimeError(f"batch {batch}: verdicts are wrong")
    return seconds


def ids_at(count: int) -> dict[str, float]:
    """Figures of `count` ids of a place, mapped from a file; it needs 24 bytes of disk an id."""
    draw = np.random.default_rng(1)
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as name:
        file = Path(name) / "ids.npy"
        run, real = landed(count, draw)
        digest = digest_of(run)
        np.save(file, run)
        del run
        began = time.monotonic()
        mapped = mapped_run(file, digest)
        is_intact = digest_of(mapped) == digest
        opening = time.monotonic() - began
        ids = EventIds([mapped])
        seconds = sum(add_batch(ids, batch, real, draw) for batch in range(BATCHES))
        if not is_intact:
            raise RuntimeError("the file is damaged")
        return {
            "bytes_per_id": round(sum(run.nbytes for run in ids.runs) / len(ids), 1),
            "cpu_microseconds_per_id": round(seconds / BATCHES / BATCH * 1e6, 2),
            "seconds_to_open": round(opening, 2),
            "process_memory_mb": round(psutil.Process().memory_info().rss / 1e6),
        }


def measure(
    events: int = 100_000, rounds: int = 15, ids: tuple[int, ...] = (1_000_000, 10_000_000)
) -> dict[str, object]:
    """Medians at `events` and at ten times as many, and their ratio; a place at each number of `ids`."""
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
        "index": {f"at_{count}": ids_at(count) for count in ids},
    }


if __name__ == "__main__":  # a number: only the ids of a place, at that many ids
    figures = ids_at(int(sys.argv[1])) if len(sys.argv) > 1 else measure()
    print(json.dumps(figures, indent=2))
