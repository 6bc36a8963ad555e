"""`mlflow`: MLflow's own page over the runs of this home, on loopback; or the server that has it."""

import os
import subprocess
import sys
from typing import Annotated

import typer

from conf.runtime.exit_codes import ExitCode
from conf.settings import child_environment, settings
from scripts.console import console, fail, new_app

app = new_app(None)
# The page only shows: no jobs, and none of their processes.
READ_ONLY_PAGE = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


@app.command()
def mlflow(
    port: Annotated[int, typer.Option(min=1, max=65535, help="port on 127.0.0.1")] = 5000,
) -> None:
    """Serve MLflow's own page of runs, models and champions on loopback."""
    uri = settings().mlflow_uri
    if uri.startswith(("http://", "https://")):
        console.print(f"a server keeps the runs: open {uri}", markup=False, soft_wrap=True)
        return
    if settings().mlflow_tracking_uri is None and not (settings().mlflow_dir / "mlflow.db").exists():
        fail("no run yet; ./run.sh train makes the first", ExitCode.MISSING)
    console.print(f"MLflow: http://127.0.0.1:{port}   (stop with Ctrl-C)", markup=False, soft_wrap=True)
    options = {"backend-store-uri": uri, "host": "127.0.0.1", "port": str(port), "workers": "1"}
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    settings().mlflow_dir.mkdir(parents=True, exist_ok=True)
    os.chdir(settings().mlflow_dir)
    command = [sys.executable, "-m", "mlflow", "ui", *arguments]
    raise typer.Exit(subprocess.run(command, env=child_environment(**READ_ONLY_PAGE)).returncode)
