"""`logs`: the last lines of a service's log."""

from typing import Annotated

import typer

from conf.runtime.exit_codes import ExitCode
from conf.settings import settings
from scripts.console import fail, new_app
from scripts.stack.lifecycle import tail
from scripts.stack.services import SERVICES

app = new_app(None)
NAMES = ", ".join((*(service.name for service in SERVICES), "supervisord"))


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help=f"one of {NAMES}")] = "stream",
    lines: Annotated[int, typer.Option("-n", min=1, help="how many lines")] = 50,
) -> None:
    """Print the last lines of a service's log."""
    file = settings().log_dir / f"{service}.log"
    if not file.exists():
        existing = ", ".join(sorted(log.stem for log in settings().log_dir.glob("*.log"))) or "none"
        fail(f"{file} does not exist; existing logs: {existing}", ExitCode.USAGE)
    print("\n".join(tail(service, lines)))
