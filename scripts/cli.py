"""Every verb of ./run.sh. Data goes to stdout, words to stderr; exit codes as in the README."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, NoReturn

import orjson
import typer
from rich.table import Table

from conf.settings import REPO, child_environment, settings
from scripts.handed_on import path, register, run_module
from scripts.steps import console

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
AsJson = Annotated[bool, typer.Option("--json", help="data as JSON on stdout")]


def fail(text: str, code: int) -> NoReturn:
    """Say why, and leave with `code`."""
    console.print(text, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(code)


def emit(data: object) -> None:
    """One JSON document on stdout."""
    print(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())


@app.command()
def up() -> None:
    """Start everything and wait until it is ready; harmless when it runs already."""
    from scripts import readiness, stack

    try:
        stack.up()
    except stack.StackError as error:
        fail(str(error), error.code)
    console.print(f"ready: {readiness.api_url()}/docs", markup=False)


@app.command()
def down() -> None:
    """Stop everything: no process and no port stays behind."""
    from scripts import stack

    swept = stack.down()
    console.print(f"down{f'; {len(swept)} processes had to be ended by force' if swept else ''}", markup=False)


@app.command()
def demo(
    replay: Annotated[Path | None, typer.Option(help="folder or file of published prices instead of the simulator")] = None,
    speed: Annotated[str, typer.Option(help="event time per second (1d/s, 12h/s) or max")] = "max",
    detach: Annotated[bool, typer.Option(help="leave the stack up and return")] = False,
) -> None:
    """From nothing to a live price: up, sample data, the balance, and where to look next. Ctrl-C stops the stack."""
    begun = time.monotonic()
    from scripts import stack
    from scripts.demo import demo as run

    source = path(replay) if replay else None
    if source and not source.exists():
        fail(f"{source} does not exist", 2)
    try:
        run(source, speed, detach, begun)
    except stack.StackError as error:
        fail(str(error), error.code)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Processes, lag, rows and freshness per table; 4 when something is down."""
    from scripts.status import status as look

    found = look()
    if as_json:
        emit(found)
    else:
        from scripts.show import show_status

        show_status(found)
    raise typer.Exit(0 if found["ok"] else 4)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help='e.g. "select * from gold.live_prices" (gold_live_prices works too)')],
    form: Annotated[str, typer.Option("--format", help="table, csv, json or parquet")] = "table",
    output: Annotated[Path | None, typer.Option(help="file instead of stdout")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="rows at most (table: 100 unless given)")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="seconds")] = 60,
) -> None:
    """One read-only SELECT over silver and gold; 2 for anything else."""
    from scripts import query as reader

    if form not in ("table", "csv", "json", "parquet"):
        fail(f"--format {form}: choose table, csv, json or parquet", 2)
    try:
        answer = reader.run(sql, limit or (100 if form == "table" else None), timeout)
        reader.write(answer, form, path(output) if output else None)
    except reader.Refused as error:
        fail(str(error), 2)
    except TimeoutError as error:
        fail(str(error), 124)


@app.command()
def reconcile(as_json: AsJson = False) -> None:
    """Events in = silver + quarantine + duplicates, counted in the tables; 1 on any difference."""
    from scripts import reconcile as books

    verdict = books.reconcile()
    if as_json:
        emit(verdict)
    else:
        shown = Table("kind", *(("in", "silver", "quarantine", "duplicates", "lost")))
        for row in (*verdict["kinds"], verdict["total"]):
            shown.add_row(*(str(value) for value in row.values()))
        console.print(shown)
        print(verdict["line"])
        lag = verdict["lag_events"]
        console.print(
            "Kafka does not answer: lag unknown" if lag is None else f"{lag} events in Kafka not taken up yet", markup=False
        )
        if not verdict["balanced"] and verdict["batch_under_way"]:
            console.print("the stream stopped within a batch: ./run.sh up finishes it, then reconcile again")
    raise typer.Exit(0 if verdict["balanced"] else 1)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Machine, ports, jars, secrets, checkpoint against tables; every fault with its remedy, 1 when there is one."""
    from dataclasses import asdict

    from scripts.doctor import findings

    found = findings()
    if as_json:
        emit([asdict(finding) for finding in found])
    else:
        for finding in found:
            print(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.detail}")
            if not finding.ok:
                print(f"     remedy: {finding.remedy}")
    raise typer.Exit(0 if all(finding.ok for finding in found) else 1)


@app.command()
def logs(
    service: Annotated[
        str, typer.Argument(help="broker, stream, heavy_gold, gateway, folder_watch, trainer, api or supervisord")
    ] = "stream",
    lines: Annotated[int, typer.Option("-n", min=1)] = 50,
) -> None:
    """The last lines of a service's log."""
    from scripts.stack import tail

    file = settings().log_dir / f"{service}.log"
    if not file.exists():
        fail(f"no log {file}; logs there: {', '.join(sorted(log.stem for log in settings().log_dir.glob('*.log'))) or 'none'}", 2)
    print("\n".join(tail(service, lines)))


@app.command()
def test(paths: Annotated[list[str] | None, typer.Argument(help="only pytest, only there")] = None) -> None:
    """Style, types and all tests; with a path only the tests there."""
    python = [sys.executable, "-m"]
    pytest = [*python, "pytest", *(str(path(given)) for given in paths or [])]
    checks = [[*python, "ruff", "check", "."], [*python, "ruff", "format", "--check", "."], [*python, "mypy"]]
    failed = []
    for command in [pytest] if paths else [*checks, pytest]:
        console.print(f"$ {' '.join(command[2:])}", style="bold", markup=False)
        if subprocess.run(command, cwd=REPO, env=child_environment(), stdin=subprocess.DEVNULL).returncode:
            failed.append(" ".join(command[2:]))
    if failed:
        fail(f"failed: {'; '.join(failed)}", 1)
    console.print("all passed")


@app.command()
def lock() -> None:
    """Make the lock files anew: Python packages from requirements.in, jars from conf/jars/*/jgo.toml."""
    from scripts.lock import main

    main()


@app.command("mlflow")
def runs(port: Annotated[int, typer.Option(min=1, max=65535, help="on 127.0.0.1")] = 5000) -> None:
    """MLflow's own page on runs, models and champions, on loopback."""
    run_module("ml.mlflow_page", str(port))


@app.command()
def setup() -> None:
    """Environment, jars, secrets, folders; run.sh itself does it."""


register(app)


def main() -> None:
    """Run the verb; Ctrl-C is exit code 130."""
    try:
        app(prog_name="./run.sh")
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
