"""Seconds of a batch after little history, and after ten times as much."""

import json
import os
import signal
import statistics
import subprocess
import sys
import time

from conf.settings import REPO
from scripts.bench.place import broker_only, run_module
from scripts.stack.throwaway import Stack

MEANS = "seconds of a batch of 500 events, median of 15, one stream process, after the named number of events"


def send_burst(stack: Stack, count: int, seed: int) -> None:
    """Send `count` events and wait until the stream has processed them."""
    run_module(stack, "scripts.bench.events", str(count), str(seed))
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


def measure(events: int = 100_000, rounds: int = 15) -> dict[str, object]:
    """Medians at `events` and at ten times as many, and their ratio."""
    with broker_only() as stack:
        run_module(stack, "scripts.bench.events", "1")
        stream = subprocess.Popen(
            [sys.executable, "-m", "streaming_jobs.run"], cwd=REPO, env=stack.env, stdout=sys.stderr
        )
        try:
            send_burst(stack, events, 100)
            batch_durations(stack, rounds, 1000)  # warm-up
            little = batch_durations(stack, rounds, 2000)
            send_burst(stack, 9 * events, 200)
            batch_durations(stack, 5, 3000)
            much = batch_durations(stack, rounds, 4000)
        finally:
            os.kill(stream.pid, signal.SIGTERM)
            stream.wait(60)
    median_little = statistics.median(little)
    median_much = statistics.median(much)
    return {
        f"batch_seconds_at_{events}": round(median_little, 3),
        f"batch_seconds_at_{10 * events}": round(median_much, 3),
        "ratio": round(median_much / median_little, 2),
        "batches": [len(little), len(much)],
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
