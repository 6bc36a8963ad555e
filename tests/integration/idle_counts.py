"""What processes do that need not do anything: counts that do not depend on the speed of the machine."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from watchdog.events import FileOpenedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

PROC = Path("/proc")
Thread = tuple[int, int]  # process id, thread id


@dataclass(frozen=True)
class IdleCounts:
    """Each a second: threads woken from a wait, read calls of the broker, files of tables opened."""

    wakes: float
    broker_reads: float
    opened_files: float


# Two to three times what was measured on a busy machine: 355 wakes (broker 222, JVM of the stream 65, API 40)
# and 66 read calls; 1.1 files, all of a trainer that looked for prices every few seconds.
MOST = IdleCounts(wakes=1000, broker_reads=150, opened_files=5)


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


def idle_counts(supervisor: int, broker: int, lake: str, seconds: float) -> IdleCounts:
    """What the processes of a stack do in the next `seconds`."""
    root = psutil.Process(supervisor)
    with opened_below(lake) as opened:
        before, reads = waits([root, *root.children(recursive=True)]), read_calls(broker)
        time.sleep(seconds)
        after = waits([root, *root.children(recursive=True)])
        woken = sum(count - before.get(thread, 0) for thread, count in after.items())
        return IdleCounts(woken / seconds, (read_calls(broker) - reads) / seconds, opened.count / seconds)
