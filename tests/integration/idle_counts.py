"""What processes do that need not do anything: counts that do not depend on the speed of the machine."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from watchdog.events import FileOpenedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from conf.runtime.status_files import read_json
from lakehouse.io.process_status import ALERT_WORKER, BACKGROUND_GOLD, GATEWAY, status_file
from scripts.stack.throwaway import Stack
from tests.support.waiting import eventually

PROC = Path("/proc")
Thread = tuple[int, int]  # process id, thread id


@dataclass(frozen=True)
class IdleCounts:
    """Threads woken from a wait and read calls of the broker, both for each report of the gateway; files of
    tables opened in all."""

    wakes: float
    broker_reads: float
    opened_files: int


# The gateway reports every 5 s. Two to three times what was measured on a busy machine: 1775 wakes (broker
# 1110, JVM of the stream 325, API 200) and 330 read calls.
MOST = IdleCounts(wakes=5000, broker_reads=750, opened_files=0)
ROUNDS = 2  # of each part that reports them


def excess(counts: IdleCounts) -> dict[str, float]:
    """The counts that are above their bound."""
    most = asdict(MOST)
    return {name: count for name, count in asdict(counts).items() if count > most[name]}


class Opened(FileSystemEventHandler):
    """Counts files that any process opens below a folder."""

    def __init__(self) -> None:
        self.count = 0

    def on_opened(self, event: FileSystemEvent) -> None:
        self.count += 1


@contextmanager
def opened_below(folder: str) -> Iterator[Opened]:
    opened, observer = Opened(), Observer()
    observer.schedule(opened, folder, recursive=True, event_filter=[FileOpenedEvent])
    observer.start()
    try:
        yield opened
    finally:
        observer.stop()
        observer.join()


def waits(processes: Iterable[psutil.Process]) -> dict[Thread, int]:
    """Thread -> how often it has waited for something so far (voluntary context switches)."""
    counts: dict[Thread, int] = {}
    for process in processes:
        for task in PROC.glob(f"{process.pid}/task/*/status"):
            with suppress(FileNotFoundError, ProcessLookupError):  # the thread has just ended
                lines = dict(line.split(":", 1) for line in task.read_text().splitlines())
                counts[process.pid, int(lines["Pid"])] = int(lines["voluntary_ctxt_switches"])
    return counts


def read_calls(pid: int) -> int:
    """Read system calls of a process so far: of a broker, two or more for each request."""
    lines = dict(line.split(": ") for line in (PROC / str(pid) / "io").read_text().splitlines())
    return int(lines["syscr"])


def wait_for_rounds(stack: Stack) -> int:
    """Until each part has reported `ROUNDS` more rounds; returns how often the gateway has reported."""
    parts = (ALERT_WORKER, BACKGROUND_GOLD, GATEWAY)
    seen: dict[str, set[str]] = {name: set() for name in parts}

    def all_have_reported() -> bool:
        for name, times in seen.items():
            times.add(read_json(status_file(name, stack.home / "state"))["updated_at"])
        return all(len(times) > ROUNDS for times in seen.values())

    eventually(all_have_reported, 240)
    return len(seen[GATEWAY]) - 1


def idle_counts(stack: Stack) -> IdleCounts:
    """What the processes of a stack do in the next rounds of its parts."""
    supervisor, broker = stack.pid("supervisord"), stack.pid("broker")
    assert supervisor and broker
    root = psutil.Process(supervisor)
    with opened_below(stack.lake_root) as opened:
        before, reads = waits([root, *root.children(recursive=True)]), read_calls(broker)
        reports = wait_for_rounds(stack)
        after = waits([root, *root.children(recursive=True)])
        woken = sum(count - before.get(thread, 0) for thread, count in after.items())
        return IdleCounts(woken / reports, (read_calls(broker) - reads) / reports, opened.count)
