"""`logs`: the last lines of a service's log, and with `-f` those that follow."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from conf.runtime.exit_codes import ExitCode
from conf.settings import settings
from scripts.console import fail, new_app
from scripts.stack.lifecycle import tail
from scripts.stack.services import SERVICES

app = new_app(None)
NAMES = ", ".join((*(service.name for service in SERVICES), "supervisord"))
POLL_SECONDS = 0.3


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help=f"one of {NAMES}")] = "stream",
    lines: Annotated[int, typer.Option("-n", min=1, help="how many lines")] = 50,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="then print each new line until Ctrl-C")
    ] = False,
) -> None:
    """Print the last lines of a service's log."""
    file = settings().log_dir / f"{service}.log"
    if not file.exists():
        existing = ", ".join(sorted(log.stem for log in settings().log_dir.glob("*.log"))) or "none"
        fail(f"{file} does not exist; existing logs: {existing}", ExitCode.USAGE)
    end = file.stat()
    print("\n".join(tail(service, lines)), flush=True)
    if follow:
        for text in added_text(file, end.st_ino, end.st_size):
            print(text, end="", flush=True)


def added_text(file: Path, inode: int, position: int) -> Iterator[str]:
    """What is written after the position, without end; a log that is rotated is read on in the new file."""
    while True:
        now = file.stat() if file.exists() else None
        if now and (now.st_ino != inode or now.st_size < position):
            inode, position = now.st_ino, 0
        if now and now.st_size > position:
            with file.open("rb") as log:
                log.seek(position)
                added = log.read()
            position += len(added)
            yield added.decode(errors="replace")
        time.sleep(POLL_SECONDS)
