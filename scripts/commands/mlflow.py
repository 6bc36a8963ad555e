"""`mlflow`: MLflow's own page."""

import os
import sys
from typing import Annotated

import typer

from scripts.console import new_app

app = new_app(None)


@app.command()
def mlflow(
    port: Annotated[int, typer.Option(min=1, max=65535, help="port on 127.0.0.1")] = 5000,
) -> None:
    """Serve MLflow's own page of runs, models and champions on loopback."""
    os.execv(sys.executable, [sys.executable, "-m", "ml.mlflow_page", str(port)])  # noqa: S606
