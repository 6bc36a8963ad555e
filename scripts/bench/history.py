"""What a batch costs with a little history and with ten times as much."""

import json
import os
import signal
import statistics
import subprocess
import sys
import time

from conf.settings import REPO
from scripts.bench.place import broker_only, run_module
from tests.integration.stack import Stack

MEANS = "seconds of a batch of 500 events, median of 15, one stream process, after so many events of history"


def burst(stack: Stack, count: int, seed: int) -> None:
    """Send events and wait until the stream has finished them."""
    run_module(stack, "scripts.bench.events", str(count), str(seed))
    stack.wait_drained(600)


def batches(stack: Stack, rounds: int, seed: int) -> list[float]:
    """Seconds of the batches that take up one burst each."""
    took = []
    for number in range(rounds):
        burst(stack, 500, seed + number)
        time.sleep(0.3)  # the note follows the commit
        said = stack.progress()
        if said and said["batch_rows"] == 500:
            took.append(said["batch_seconds"])
    return took


def measure(events: int = 100_000, rounds: int = 15) -> dict[str, object]:
    """Medians at `events` and at ten times as many, and their ratio."""
    with broker_only() as stack:
        run_module(stack, "scripts.bench.events", "1")
        stream = subprocess.Popen([sys.executable, "-m", "streaming_jobs.run"], cwd=REPO, env=stack.env, stdout=sys.stderr)
        try:
            burst(stack, events, 100)
            batches(stack, rounds, 1000)  # warm
            little = batches(stack, rounds, 2000)
            burst(stack, 9 * events, 200)
            batches(stack, 5, 3000)
            much = batches(stack, rounds, 4000)
        finally:
            os.kill(stream.pid, signal.SIGTERM)
            stream.wait(60)
    few, many = statistics.median(little), statistics.median(much)
    return {
        f"batch_seconds_at_{events}": round(few, 3),
        f"batch_seconds_at_{10 * events}": round(many, 3),
        "ratio": round(many / few, 2),
        "batches": [len(little), len(much)],
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
