"""The faults of a chaos run, planned before it starts: kills, pauses and steps of the clock."""

import os
import random
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scripts.stack.throwaway import Stack

VICTIMS = ("gateway", "broker", "reader", "stream", "api", "folder_watch")
ON_CLUSTER = ("executor", *VICTIMS, "executor")
SECONDS_PER_KILL = 9.0  # time for the part to restart, so that the next kill meets a working stack
PAUSE_SECONDS = 30.0
CLOCK_STEP_SECONDS = (-360, 240)  # back beyond the tolerance of 5 min for times in the future, then forward


@dataclass(frozen=True)
class PlannedFault:
    """`second`: after the first event is sent. `part`: the process; for "clock" the step in seconds."""

    second: float
    action: str  # kill, pause or clock
    part: str

    def apply(self, stack: Stack, clock_steps: Path) -> str:
        """Do it; returns what was done. Raises TimedOut when the process does not run."""
        if self.action == "clock":
            with clock_steps.open("a", encoding="utf-8") as steps:
                steps.write(f"{time.time():.3f} {self.part}\n")
            return f"clock {self.part} s"
        if self.action == "pause":
            pid = stack.signal(self.part, signal.SIGSTOP)
            threading.Timer(PAUSE_SECONDS, resume, (pid,)).start()
            return f"SIGSTOP {self.part} for {PAUSE_SECONDS:.0f} s (pid {pid})"
        return f"kill -9 {self.part} (pid {stack.signal(self.part, signal.SIGKILL)})"


def resume(pid: int) -> None:
    """Continue a paused process, unless it was killed meanwhile."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def faults(
    kills: int,
    pauses: int,
    clock_steps: int,
    seed: int,
    window: float,
    victims: Sequence[str] = VICTIMS,
) -> list[PlannedFault]:
    """By time, spread over `window` seconds. Parts take seeded turns, the reader before the stream."""
    dice = random.Random(seed)  # noqa: S311
    order = list(victims)
    dice.shuffle(order)
    reader, stream = sorted((order.index("reader"), order.index("stream")))
    order[reader], order[stream] = "reader", "stream"

    def seconds(count: int) -> list[float]:
        slot = window / count if count else 0
        return [slot * (n + dice.uniform(0.1, 0.9)) for n in range(count)]

    planned = [PlannedFault(at, "kill", order[n % len(order)]) for n, at in enumerate(seconds(kills))]
    planned += [PlannedFault(at, "pause", order[-1 - n % len(order)]) for n, at in enumerate(seconds(pauses))]
    planned += [
        PlannedFault(at, "clock", str(CLOCK_STEP_SECONDS[n % len(CLOCK_STEP_SECONDS)]))
        for n, at in enumerate(seconds(clock_steps))
    ]
    return sorted(planned, key=lambda fault: fault.second)
