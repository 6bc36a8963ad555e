"""`chaos`: a stack of its own, planned events, seeded faults, and a comparison with the tables."""

import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import orjson
import typer

from conf.runtime.exit_codes import ExitCode
from scripts.chaos import doors
from scripts.chaos.doors import DoorRefused, Reviewer
from scripts.chaos.faults import (
    ON_CLUSTER,
    PAUSE_SECONDS,
    SECONDS_PER_KILL,
    VICTIMS,
    PlannedFault,
    faults,
)
from scripts.chaos.plan import Entry, plan, write
from scripts.chaos.verify import differences
from scripts.console import Steps, console
from scripts.stack.patience import Patience, TimedOut
from scripts.stack.spark_cluster import cluster
from scripts.stack.throwaway import Stack, StackFailed, cluster_folder

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
MQTT_DEVICES = ("CHAOS-1", "CHAOS-2", "CHAOS-3")
EVENTS_PER_SECOND = 400.0
SETTLED_SECONDS = 60.0  # differences that stay the same for so long are real
COMPARE_SECONDS = 2.0  # between two comparisons
# A device sends as much as many would.
KNOBS = {"LUMBUNG_MQTT__MESSAGES_PER_SECOND": "100000", "LUMBUNG_MQTT__BURST": "100000"}


class Tally:
    """How many events are acknowledged, and what the doors could not do."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.acknowledged = 0
        self.failures: list[Exception] = []

    def add(self, events: int) -> None:
        """Count acknowledged events."""
        with self._lock:
            self.acknowledged += events

    def watch(self, work: Callable[[], None]) -> None:
        """Do the work; the main thread reports what it could not do, and fails."""
        try:
            work()
        except Exception as error:  # noqa: BLE001
            self.failures.append(error)


def publish(stack: Stack, entries: list[Entry], window: float, tally: Tally) -> list[threading.Thread]:
    """Start a thread per client and one for the reviewer; each sends its share in time, duplicates last."""
    tokens = stack.tokens
    mqtt, http, csv = ([entry for entry in entries if entry.door == door] for door in ("mqtt", "http", "csv"))

    def rate(share: list[Entry]) -> float:
        return max(len(share) / window, 0.1)

    works: list[Callable[[], None]] = [
        partial(
            doors.publish_http, with_repeated(http), rate(http), stack.api_url, tokens["central"], tally.add
        ),
        partial(doors.publish_csv, csv, rate(csv), stack.landing, tally.add),
        partial(Reviewer(stack.api_url, tokens["operator"]).decide, entries, window, tally.add),
    ]
    for number, (device_id, secret) in enumerate(stack.devices(*MQTT_DEVICES).items()):
        share = with_repeated(mqtt[number :: len(MQTT_DEVICES)])
        device = (stack.mqtt_port, device_id, secret, tally.add)
        works.append(partial(doors.publish_mqtt, share, rate(share), *device))
    threads = [threading.Thread(target=tally.watch, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    return threads


def with_repeated(share: list[Entry]) -> list[Entry]:
    """The entries of a sender in order, then those that it sends a second time.

    From another sender they would be no repetition, but the use of an id that is taken.
    """
    return [*share, *(entry for entry in share if entry.again)]


def publish_under_faults(
    stack: Stack, entries: list[Entry], planned: list[PlannedFault], window: float, steps: Steps
) -> None:
    """Publish under faults until everything is acknowledged. Raises what a door could not do."""
    tally = Tally()
    begun = time.monotonic()
    pending = list(planned)
    threads = publish(stack, entries, window, tally)
    total = sum(1 + entry.again + (entry.decision is not None) for entry in entries)
    while any(thread.is_alive() for thread in threads) or pending:
        if pending and time.monotonic() - begun >= pending[0].second:
            done = pending.pop(0).apply(stack, clock_file(stack.home))
            console.print(f"  {time.monotonic() - begun:5.1f} s  {done}", markup=False)
        done = f"{len(planned) - len(pending)} of {len(planned)} faults"
        steps.update("publish", f"{tally.acknowledged} of {total} acknowledged, {done}")
        if tally.failures:
            raise tally.failures[0]
        time.sleep(0.1)
    steps.done("publish", f"{tally.acknowledged} of {total} acknowledged, {len(planned)} faults")
    if tally.failures:
        raise tally.failures[0]


def settled_differences(compare: Callable[[], list[str]], patience: Patience) -> list[str]:
    """Differences that remain when incremental gold is refreshed: none, or the same until patience ends."""
    while True:
        remaining = compare()
        if not remaining or patience.spent(tuple(remaining)):
            return remaining
        time.sleep(COMPARE_SECONDS)


def clock_file(home: Path) -> Path:
    """The steps of the clock that dates batches."""
    return home.parent / "clock-steps"


@dataclass(frozen=True)
class Counts:
    """How many events are sent, and how many faults of each sort meet them."""

    events: int
    kills: int
    pauses: int
    clock_steps: int
    workers: int = 0  # of a Spark cluster

    @property
    def window_seconds(self) -> float:
        """For how long events are sent."""
        faults_seconds = self.kills * SECONDS_PER_KILL + self.pauses * PAUSE_SECONDS
        return max(self.events / EVENTS_PER_SECOND, faults_seconds, 1)


def run(counts: Counts, seed: int, home: Path) -> list[str]:
    """Plan, publish under faults and compare in `home`; returns the differences."""
    events = counts.events
    entries = plan(events, seed, datetime.now(UTC))
    write(entries, home.parent / "plan.jsonl")
    window = counts.window_seconds
    victims = ON_CLUSTER if counts.workers else VICTIMS
    planned = faults(counts.kills, counts.pauses, counts.clock_steps, seed, window, victims)
    listed = ", ".join(f"{fault.action} {fault.part} at {fault.second:.0f} s" for fault in planned)
    console.print(f"{events} events over {window:.0f} s, faults: {listed}", markup=False)
    with Steps() as steps, spark_knobs(home, counts.workers) as knobs:
        stack = Stack(home, **KNOBS, **knobs, LUMBUNG_CLOCK_STEPS=str(clock_file(home)))
        steps.update("stack", f"starting in {home}")
        try:
            stack.start()
            steps.done("stack")
            publish_under_faults(stack, entries, planned, window, steps)
            steps.update("drain", "waiting for the stream to process the rest")
            steps.done("drain", f"{stack.wait_drained(120):.1f} s")
            steps.update("verdict", "comparing plan and tables")
            remaining = settled_differences(
                lambda: differences(entries, stack.lake_root), Patience(SETTLED_SECONDS)
            )
            balance = orjson.loads(stack.run("reconcile", "--json").stdout)
            console.print(f"  {balance['line']}", markup=False)
            remaining += [] if balance["balanced"] else ["reconcile: events are missing in the balance"]
            steps.done("verdict", "all equal" if not remaining else "different")
        finally:
            stack.stop()
    return remaining


@contextmanager
def spark_knobs(home: Path, workers: int) -> Iterator[dict[str, str]]:
    """Knobs with which the stream runs on a cluster of so many workers; none without workers."""
    if not workers:
        yield {}
        return
    with cluster(cluster_folder(home), workers) as spark:
        yield {
            "LUMBUNG_STREAM__ENGINE": "spark",
            "LUMBUNG_STREAM__MASTER": spark.url,
            "LUMBUNG_LAKE__SHARED_PATH": "true",
        }


def verdict(prove: Callable[[], list[str]]) -> tuple[str, list[str], ExitCode]:
    """(word, what to print, exit code). A stack that is slow or does not run says nothing about the data."""
    try:
        remaining = prove()
    except (TimedOut, subprocess.TimeoutExpired) as error:
        return (
            "TIMED_OUT",
            [f"{error}; no difference was found: run it again when less runs"],
            ExitCode.TIME_LIMIT,
        )
    except StackFailed as error:
        return "NOT_RUN", [str(error)], ExitCode.NOT_RUNNING
    except DoorRefused as error:
        return "DIFFERENT", [str(error)], ExitCode.FAILED
    return ("DIFFERENT", remaining, ExitCode.FAILED) if remaining else ("PROVEN", [], ExitCode.DONE)


@app.command()
def main(
    events: Annotated[int, typer.Option(min=1, help="how many events are sent")] = 20_000,
    kill_count: Annotated[int, typer.Option("--kills", min=0, help="how many SIGKILLs")] = 6,
    pauses: Annotated[int, typer.Option(min=0, help="how many SIGSTOPs of 30 s")] = 0,
    clock_steps: Annotated[
        int,
        typer.Option(min=0, help="steps of the clock that dates batches: 6 min back, 4 min forward"),
    ] = 0,
    workers: Annotated[
        int, typer.Option(min=0, help="run the stream on a Spark cluster of so many workers of one core")
    ] = 0,
    rounds: Annotated[int, typer.Option(min=1, help="how many runs, each with the next seed")] = 1,
    seed: Annotated[int, typer.Option(help="of events and faults")] = 1,
    keep: Annotated[bool, typer.Option(help="keep tables and logs, also after success")] = False,
) -> None:
    """Kill and pause every part under load, set the clock, and compare plan and tables.

    Exit 1 on any difference, 124 when something took too long, 4 when the stack does not run. A failed round
    ends the run.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends as with Ctrl-C: the stack is stopped
    counts = Counts(events, kill_count, pauses, clock_steps, workers)
    for number in range(seed, seed + rounds):
        code = one_round(counts, number, keep)
        if code:
            raise typer.Exit(code)


def one_round(counts: Counts, seed: int, keep: bool) -> ExitCode:
    """Run once and print the verdict; returns the exit code."""
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="lumbung-chaos-"))
    word, lines, code = verdict(lambda: run(counts, seed, folder / "home"))
    for line in lines:
        print(line)
    sizes = " ".join(f"{name}={value}" for name, value in asdict(counts).items())
    print(f"{word} {sizes} seed={seed} seconds={time.monotonic() - begun:.0f}", flush=True)
    if code or keep:
        console.print(f"plan, tables and logs: {folder}", markup=False)
    else:
        shutil.rmtree(folder)
    return code


if __name__ == "__main__":
    app(prog_name="./run.sh chaos")
