"""`./run.sh chaos`: a stack of its own, a ledger, three doors, seeded SIGKILLs, and a verdict."""

import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer

from scripts.chaos import doors
from scripts.chaos.ledger import Entry, plan, write
from scripts.chaos.reviewer import Reviewer
from scripts.chaos.verify import differences
from scripts.steps import Steps, console
from tests.integration.stack import Stack, StackFailed

VICTIMS = ("gateway", "broker", "jvm", "stream", "api", "folder_watch")
MQTT_CLIENTS = 3
SECONDS_PER_KILL = 9.0  # time for the part to come back, so that the next kill meets a working stack
EVENTS_PER_SECOND = 400.0
KNOBS = {"LUMBUNG_MQTT__MESSAGES_PER_SECOND": "100000", "LUMBUNG_MQTT__BURST": "100000"}  # its clients send for many devices


def kills(count: int, seed: int, window: float) -> list[tuple[float, str]]:
    """(second, victim): every part in turn in seeded order, JVM before Python, spread over the window with jitter."""
    dice = random.Random(seed)  # noqa: S311
    order = list(VICTIMS)
    dice.shuffle(order)
    jvm, python = sorted((order.index("jvm"), order.index("stream")))
    order[jvm], order[python] = "jvm", "stream"
    slot = window / count if count else 0
    return [(slot * (n + dice.uniform(0.1, 0.9)), order[n % len(order)]) for n in range(count)]


class Tally:
    """How many events each door has had acknowledged."""

    def __init__(self) -> None:
        self.lock, self.acknowledged, self.failures = threading.Lock(), 0, list[str]()

    def add(self, events: int) -> None:
        with self.lock:
            self.acknowledged += events


def publish(stack: Stack, entries: list[Entry], window: float, tally: Tally) -> list[threading.Thread]:
    """One thread per client; each sends its share within the window, duplicates at the end; one decides what is doubtful."""
    token, operator = stack.tokens["central"], stack.tokens["operator"]
    shares = {door: [e for e in entries if e.door == door] for door in ("mqtt", "http", "csv")}
    shares = {door: [*share, *(e for e in share if e.again)] for door, share in shares.items()}

    def guarded(work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001  (told by the main thread, which then fails)
                tally.failures.append(f"{type(error).__name__}: {error}")

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def rate(share: list[Entry]) -> float:
        return max(len(share) / window, 0.1)

    def mqtt(share: list[Entry]) -> Callable[[], None]:
        return lambda: doors.MqttDoor(stack.mqtt_port, tally.add).publish(share, rate(share))

    threads = [guarded(mqtt(shares["mqtt"][n::MQTT_CLIENTS])) for n in range(MQTT_CLIENTS)]
    http, csv = shares["http"], shares["csv"]
    threads.append(guarded(lambda: doors.publish_http(http, rate(http), stack.api_url, token, tally.add)))
    threads.append(guarded(lambda: doors.publish_csv(csv, rate(csv), stack.landing, tally.add)))
    threads.append(guarded(lambda: Reviewer(stack.api_url, operator).decide(entries, window, tally.add)))
    return threads


def storm(stack: Stack, entries: list[Entry], planned: list[tuple[float, str]], window: float, steps: Steps) -> list[str]:
    """Publish and kill until everything is acknowledged; returns what the doors could not do."""
    tally, begun, pending = Tally(), time.monotonic(), list(planned)
    threads = publish(stack, entries, window, tally)
    total = len(entries) + sum(entry.again for entry in entries) + sum(entry.decision is not None for entry in entries)
    while any(thread.is_alive() for thread in threads) or pending:
        if pending and time.monotonic() - begun >= pending[0][0]:
            victim = pending.pop(0)[1]
            pid = stack.kill(victim)
            console.print(f"  {time.monotonic() - begun:5.1f} s  kill -9 {victim} (pid {pid})", markup=False)
        steps.tell(
            "publish", f"{tally.acknowledged} of {total} acknowledged, {len(planned) - len(pending)} of {len(planned)} kills"
        )
        if tally.failures:
            return tally.failures
        time.sleep(0.1)
    steps.done("publish", f"{tally.acknowledged} of {total} acknowledged, {len(planned)} kills")
    return tally.failures


def settle(entries: list[Entry], root: str, patience_seconds: float) -> list[str]:
    """Differences after the slow aggregates have had their turn."""
    end = time.monotonic() + patience_seconds
    while True:
        found = differences(entries, root)
        if not found or time.monotonic() > end:
            return found
        time.sleep(2)


def run(events: int, kill_count: int, seed: int, home: Path) -> list[str]:
    """The whole proof in `home`; returns the differences."""
    entries = plan(events, seed, datetime.now(UTC))
    write(entries, home.parent / "ledger.jsonl")
    window = max(events / EVENTS_PER_SECOND, kill_count * SECONDS_PER_KILL, 1)
    planned = kills(kill_count, seed, window)
    console.print(
        f"{events} events over {window:.0f} s, kills: {', '.join(f'{v} at {s:.0f} s' for s, v in planned)}", markup=False
    )
    stack = Stack(home, **KNOBS)
    with Steps() as steps:
        steps.tell("stack", f"starting in {home}")
        try:
            stack.start()
            steps.done("stack")
            found = storm(stack, entries, planned, window, steps)
            if not found:
                steps.tell("drain", "waiting for the stream to take up the rest")
                steps.done("drain", f"{stack.wait_drained(120):.1f} s")
                steps.tell("verdict", "comparing ledger and tables")
                found = settle(entries, stack.lake_root, 30)
                books = orjson.loads(stack.run("reconcile", "--json").stdout)
                console.print(f"  {books['line']}", markup=False)
                found += [] if books["balanced"] else ["reconcile: the balance does not close"]
                steps.done("verdict", "all equal" if not found else "different")
        except StackFailed as error:
            found = [str(error)]
        finally:
            stack.stop()
    return found


def main(
    events: Annotated[int, typer.Option(min=1)] = 20_000,
    kill_count: Annotated[int, typer.Option("--kills", min=0)] = 6,
    seed: Annotated[int, typer.Option()] = 1,
    keep: Annotated[bool, typer.Option(help="leave tables and logs for a look, also after success")] = False,
) -> None:
    """Kill every part with -9 under load and prove that nothing is lost or doubled; 1 on any difference."""
    begun, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix="lumbung-chaos-"))
    found = run(events, kill_count, seed, folder / "home")
    for difference in found:
        print(difference)
    seconds = time.monotonic() - begun
    print(f"{'DIFFERENT' if found else 'PROVEN'} events={events} kills={kill_count} seed={seed} seconds={seconds:.0f}")
    if found or keep:
        console.print(f"ledger, tables and logs: {folder}", markup=False)
    else:
        shutil.rmtree(folder)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    typer.run(main)
