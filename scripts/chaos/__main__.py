"""`chaos`: a stack of its own, planned events, seeded SIGKILLs, and a comparison with the tables."""

import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer

from conf.runtime.exit_codes import ExitCode
from scripts.chaos import doors
from scripts.chaos.doors import DoorRefused
from scripts.chaos.plan import Entry, plan, write
from scripts.chaos.reviewer import Reviewer
from scripts.chaos.verify import differences
from scripts.console import Steps, console
from scripts.stack.patience import Patience, TimedOut
from scripts.stack.throwaway import Stack, StackFailed

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
VICTIMS = ("gateway", "broker", "jvm", "stream", "api", "folder_watch")
MQTT_CLIENTS = 3
SECONDS_PER_KILL = 9.0  # time for the part to restart, so that the next kill meets a working stack
EVENTS_PER_SECOND = 400.0
SETTLED_SECONDS = 60.0  # differences that stay the same for so long are real
# A client sends for many devices.
KNOBS = {"LUMBUNG_MQTT__MESSAGES_PER_SECOND": "100000", "LUMBUNG_MQTT__BURST": "100000"}


def kills(count: int, seed: int, window: float) -> list[tuple[float, str]]:
    """(second, victim): parts take turns in seeded order, JVM before Python, spread over the window."""
    dice = random.Random(seed)  # noqa: S311
    order = list(VICTIMS)
    dice.shuffle(order)
    jvm, python = sorted((order.index("jvm"), order.index("stream")))
    order[jvm], order[python] = "jvm", "stream"
    slot = window / count if count else 0
    return [(slot * (n + dice.uniform(0.1, 0.9)), order[n % len(order)]) for n in range(count)]


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


def publish(stack: Stack, entries: list[Entry], window: float, tally: Tally) -> list[threading.Thread]:
    """Start a thread per client and one for the reviewer; each sends its share in time, duplicates last."""
    tokens = stack.tokens
    mqtt, http, csv = (share_of(entries, door) for door in ("mqtt", "http", "csv"))

    def start(work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001  (the main thread reports it and fails)
                tally.failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def rate(share: list[Entry]) -> float:
        return max(len(share) / window, 0.1)

    def mqtt_client(share: list[Entry]) -> Callable[[], None]:
        return lambda: doors.MqttDoor(stack.mqtt_port, tally.add).publish(share, rate(share))

    reviewer = Reviewer(stack.api_url, tokens["operator"])
    return [
        *(start(mqtt_client(mqtt[n::MQTT_CLIENTS])) for n in range(MQTT_CLIENTS)),
        start(lambda: doors.publish_http(http, rate(http), stack.api_url, tokens["central"], tally.add)),
        start(lambda: doors.publish_csv(csv, rate(csv), stack.landing, tally.add)),
        start(lambda: reviewer.decide(entries, window, tally.add)),
    ]


def share_of(entries: list[Entry], door: str) -> list[Entry]:
    """The entries of a door in order, then those that are sent a second time."""
    share = [entry for entry in entries if entry.door == door]
    return [*share, *(entry for entry in share if entry.again)]


def publish_under_kills(
    stack: Stack, entries: list[Entry], planned: list[tuple[float, str]], window: float, steps: Steps
) -> None:
    """Publish and kill until everything is acknowledged. Raises what a door could not do."""
    tally = Tally()
    begun = time.monotonic()
    pending = list(planned)
    threads = publish(stack, entries, window, tally)
    total = (
        len(entries)
        + sum(entry.again for entry in entries)
        + sum(entry.decision is not None for entry in entries)
    )
    while any(thread.is_alive() for thread in threads) or pending:
        if pending and time.monotonic() - begun >= pending[0][0]:
            victim = pending.pop(0)[1]
            pid = stack.kill(victim)
            console.print(f"  {time.monotonic() - begun:5.1f} s  kill -9 {victim} (pid {pid})", markup=False)
        done = f"{len(planned) - len(pending)} of {len(planned)} kills"
        steps.update("publish", f"{tally.acknowledged} of {total} acknowledged, {done}")
        if tally.failures:
            raise tally.failures[0]
        time.sleep(0.1)
    steps.done("publish", f"{tally.acknowledged} of {total} acknowledged, {len(planned)} kills")
    if tally.failures:
        raise tally.failures[0]


def settled_differences(compare: Callable[[], list[str]], patience: Patience) -> list[str]:
    """Differences that remain when incremental gold is refreshed: none, or the same until patience ends."""
    while True:
        remaining = compare()
        if not remaining or patience.spent(tuple(remaining)):
            return remaining
        time.sleep(2)


def run(events: int, kill_count: int, seed: int, home: Path) -> list[str]:
    """Plan, publish, kill and compare in `home`; returns the differences."""
    entries = plan(events, seed, datetime.now(UTC))
    write(entries, home.parent / "plan.jsonl")
    window = max(events / EVENTS_PER_SECOND, kill_count * SECONDS_PER_KILL, 1)
    planned = kills(kill_count, seed, window)
    console.print(
        f"{events} events over {window:.0f} s, kills: {', '.join(f'{v} at {s:.0f} s' for s, v in planned)}",
        markup=False,
    )
    stack = Stack(home, **KNOBS)
    with Steps() as steps:
        steps.update("stack", f"starting in {home}")
        try:
            stack.start()
            steps.done("stack")
            publish_under_kills(stack, entries, planned, window, steps)
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
    seed: Annotated[int, typer.Option(help="of events and kills")] = 1,
    keep: Annotated[bool, typer.Option(help="keep tables and logs, also after success")] = False,
) -> None:
    """Kill every part with SIGKILL under load and compare plan and tables.

    Exit 1 on any difference, 124 when something took too long, 4 when the stack does not run.
    """
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="lumbung-chaos-"))
    word, lines, code = verdict(lambda: run(events, kill_count, seed, folder / "home"))
    for line in lines:
        print(line)
    print(f"{word} events={events} kills={kill_count} seed={seed} seconds={time.monotonic() - begun:.0f}")
    if code or keep:
        console.print(f"plan, tables and logs: {folder}", markup=False)
    else:
        shutil.rmtree(folder)
    raise typer.Exit(code)


if __name__ == "__main__":
    app(prog_name="./run.sh chaos")
