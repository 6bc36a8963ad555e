"""Two starts of the whole stack, on a new home and on one with events, and its memory."""

import time

import psutil

from scripts.bench.harness import ENGINES, pss_mb, run_module, temporary_stack
from scripts.stack.patience import process_tree
from scripts.stack.services import SERVICES
from scripts.stack.throwaway import Stack

MEANS = (
    "fresh: up on a new home, again: up after events and down, whose goal is 15 s; "
    "CPU until ready, of the stack alone; "
    "PSS in MB, with the trainer idle"
)
STALLED_SECONDS = 120.0
SETTLED_SECONDS = 20.0  # the background jobs take up what the last batch brought


def measure(events: int = 150_000) -> dict[str, object]:
    """Figures of two starts per engine; between them `events` pass through."""
    return {engine: _measure(engine, events) for engine in ENGINES}


def _measure(engine: str, events: int) -> dict[str, object]:
    """`first_batch_seconds`: after the second start."""
    with temporary_stack(LUMBUNG_STREAM__ENGINE=engine) as stack:
        try:
            figures: dict[str, object] = {"fresh": timed_start(stack)}
            run_module(stack, "scripts.bench.events", str(events))
            stack.wait_drained(STALLED_SECONDS)
            time.sleep(SETTLED_SECONDS)
            figures["pss_mb_after_events"] = memory(stack)
            began = time.monotonic()
            stack.stop()
            figures["down_seconds"] = round(time.monotonic() - began, 1)
            figures["again"] = timed_start(stack)
            figures["pss_mb_after_start"] = memory(stack)
            run_module(stack, "scripts.bench.events", "200", "one_day", "2")
            stack.wait_drained(STALLED_SECONDS)
            progress = stack.progress()
            figures["first_batch_seconds"] = progress["batch_seconds"] if progress else None
            return {"events": events, **figures}
        finally:
            stack.stop()


def timed_start(stack: Stack) -> dict[str, float]:
    """Seconds until `up` reports that all is ready, and CPU seconds of the stack's processes until then."""
    began = time.monotonic()
    stack.start()
    seconds = time.monotonic() - began
    cpu = sum(sum(process.cpu_times()[:2]) for process in process_tree(stack.pid("supervisord")))
    return {"seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1)}


def memory(stack: Stack) -> dict[str, int]:
    """Service -> PSS in MB, and their sum; what reads Kafka for the stream apart from it."""
    pids = {
        name: stack.pid(name) for name in ("supervisord", *(service.name for service in SERVICES), "reader")
    }
    used = {name: round(pss_mb(psutil.Process(pid))) for name, pid in pids.items() if pid}
    return used | {"sum": sum(used.values())}
