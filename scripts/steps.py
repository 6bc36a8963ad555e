"""What is going on, on stderr: one live line per step on a terminal, plain lines elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

console = Console(stderr=True, highlight=False)


class Steps:
    """`tell` says how far a step is, `done` ends it. On a plain stream a running step is repeated every 5 seconds."""

    def __init__(self) -> None:
        self._live = console.is_terminal
        self._started: dict[str, float] = {}
        self._said: dict[str, tuple[float, str]] = {}
        columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.fields[name]:<13}{task.description}"), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console)
        self._tasks = {}

    def __enter__(self) -> "Steps":
        if self._live:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._progress.stop()

    def tell(self, name: str, what: str) -> None:
        """The step `name` is now at `what`; the first call begins it."""
        now = time.monotonic()
        begun = self._started.setdefault(name, now)
        if self._live:
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(what, total=1, name=name)
            self._progress.update(self._tasks[name], description=what)
            return
        since, said = self._said.get(name, (0.0, ""))
        if now - since >= 5 or not said:
            self._said[name] = (now, what)
            console.print(f"  {name:<13}{what} … {now - begun:.0f} s", markup=False)

    def done(self, name: str, what: str = "ready") -> None:
        """The step is over."""
        self.tell(name, what) if self._live else None
        if self._live:
            self._progress.update(self._tasks[name], completed=1)
        else:
            begun = self._started.get(name, time.monotonic())
            console.print(f"  {name:<13}{what} ({time.monotonic() - begun:.1f} s)", markup=False)

    def seconds(self, name: str) -> float:
        """Since the step began."""
        return time.monotonic() - self._started.get(name, time.monotonic())
