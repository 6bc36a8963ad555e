"""`demo`: from nothing to a live price, the balance of every event, what was planted and found."""

import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import typer
from rich.table import Table

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import Refused, hold
from conf.settings import REPO, child_environment, knob_variables, settings, take_knobs
from lakehouse.io import checkpoint
from lakehouse.io.delta import Positions, open_if_exists
from lakehouse.io.process_status import stream_status, trainer_status
from lakehouse.io.query import lake_database
from lakehouse.io.terminal import translated
from producers.simulate.history import PUBLISHED_PRICES
from producers.simulate.planted import Planted, planted, read_plan
from scripts.commands.reconcile import balance_report
from scripts.commands.user import demo_link
from scripts.console import Steps, console, fail, new_app, result_console
from scripts.stack import lifecycle, readiness, supervision
from scripts.stack.lifecycle import StackError
from scripts.stack.patience import Patience, cpu_seconds, stream_signs
from scripts.stack.services import SIMULATED_BARS

app = new_app(None)
SIMULATOR = "producers.simulate.simulator"
HISTORY = ("producers.simulate.history",)
# All markets but the last, which is planted as silent.
SAMPLE = (SIMULATOR, "1", "--seconds", "20", "--rate", "100", "--bad-pct", "1", "--markets", "11")
FIRST_PRICE_SECONDS = 120
DRAIN_SECONDS = 120
POLL_SECONDS = 0.3
STOPPED = ("STOPPING", "STOPPED")  # supervisor's names of states
TRAINING_STEP = re.compile(r"(\w[^:]*: \d+ of \d+) .*, (about \d+ s left)")
TRAINING_STAGE = re.compile(r"^(\w.*) …$")
TRAINING_LINES = 20  # of the trainer's log
STALLED_SECONDS = 60.0  # of a trainer
TRAINING_SECONDS = 300.0
FINDING_SECONDS = 120.0
MODELS = ("gold.model_accuracy", "gold.sales_model")  # written by the first quick training of each kind
SHOP = (SIMULATOR, "2", "--seconds", "20", "--rate", "2000", "--seed", "1")  # half a year of it
# Six years of weather and prices of Jawa Barat, daily bars of coins and shares.
PUBLISHED_BARS = ("systb_trading/crypto_daily", "systb_trading/us_daily")


@app.command()
def demo(
    replay: Annotated[
        Path | None,
        typer.Option(help="file or folder of published prices instead of simulated ones"),
    ] = None,
    speed: Annotated[str, typer.Option(help="event time per second (1d/s, 12h/s) or max")] = "max",
    detach: Annotated[bool, typer.Option(help="return and leave the stack running")] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="only show what was planted in the sample, and whether it was found"),
    ] = False,
    engine: Annotated[
        Literal["embedded", "spark"] | None,
        typer.Option(help="what runs the stream, instead of the knob stream.engine"),
    ] = None,
) -> None:
    """Start the stack, feed sample data, show the first price and the balance. Ctrl-C stops the stack."""
    started = time.monotonic()
    if check:
        raise typer.Exit(ExitCode.DONE if show_planted() else ExitCode.FAILED)
    if engine:
        take_knobs(knob_variables() | {"LUMBUNG_STREAM__ENGINE": engine})
    source = settings().called_from / replay if replay else None
    if source and not source.exists():
        fail(f"{source} does not exist", ExitCode.USAGE)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with hold("demo", "another demo runs"):
            run(source, speed, detach, started)
    except Refused as refusal:
        fail(f"{refusal}: wait until it has ended", ExitCode.REFUSED)
    except StackError as error:
        fail(str(error), error.code)
    except KeyboardInterrupt:
        stop_stack()
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def run(replay: Path | None, speed: str, detach: bool, started: float) -> None:
    """Start, feed, wait for the first price, drain and reconcile; then wait for Ctrl-C unless `detach`.

    Raises StackError, and KeyboardInterrupt at Ctrl-C and SIGTERM before the end.
    """
    lifecycle.up()
    if replay is None:
        feed((PUBLISHED_PRICES,))  # older ones first: a late price costs the validators more
    replaying = ("producers.csv.replay", str(replay), "--speed", speed)
    producer = start_module(*(replaying if replay else HISTORY))
    with ending(producer):
        with Steps() as steps:
            price = first_price(steps, producer, FIRST_PRICE_SECONDS)
        console.print(
            f"first live price: {price['commodity']} at {price['market_id']}: {price['price_idr']:,.0f} IDR "
            f"({price['event_time']}), {time.monotonic() - started:.1f} s after the start"
        )
        if finish(producer):
            raise producer_failure(producer)
    if replay is None:
        producer = start_module(*SAMPLE)
        with ending(producer):
            feed(PUBLISHED_BARS, "producers.simulate.bars", "once")
            run_module(*SHOP)
            if finish(producer):
                raise producer_failure(producer)
    ends = checkpoint.kafka_ends()  # jobs in background may decide on some of it while it is counted
    with Steps() as steps:
        wait_drained(steps, ends)
    balance = balance_report(ends)
    print(balance["line"], flush=True)
    if not balance["balanced"]:
        text = "events are missing in the balance; ./run.sh reconcile shows of which kind"
        raise StackError(text, ExitCode.FAILED)
    with Steps() as steps:
        wait_for_figures(steps, MODELS if replay is None else MODELS[:1])
        if replay is None:
            wait_for_findings(steps)
    if replay is None:
        show_planted()
        supervision.start(SIMULATED_BARS)  # not before: a busy machine follows no bar a second
    show_next(detach)
    if not detach:
        wait_until_stopped()


def start_module(*arguments: str) -> subprocess.Popen[bytes]:
    """Start a producer in a process group of its own: Ctrl-C reaches this command alone, which ends it."""
    command = [sys.executable, "-m", *arguments]
    return subprocess.Popen(command, cwd=REPO, stdout=sys.stderr, env=child_environment(), process_group=0)


@contextmanager
def ending(producer: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the producer when the body fails or is interrupted."""
    try:
        yield
    except BaseException:
        producer.terminate()
        producer.wait()
        raise


def finish(producer: subprocess.Popen[bytes]) -> int:
    """Exit code of the producer when it has ended. Raises StackError when the stack is stopped before."""
    while (code := producer.poll()) is None:
        check_running()
        time.sleep(POLL_SECONDS)
    return code


def check_running() -> None:
    """Raises StackError when another command has stopped the stack."""
    processes = supervision.processes()
    if not processes or any(info["statename"] in STOPPED for info in processes.values()):
        text = "another command has stopped the stack; ./run.sh demo starts it again"
        raise StackError(text, ExitCode.NOT_RUNNING)


def producer_failure(producer: subprocess.Popen[bytes]) -> StackError:
    """The error for a producer that has ended with a failure."""
    return StackError(f"the producer ended with exit code {producer.returncode}", ExitCode.FAILED)


def feed(published: Sequence[str], *otherwise: str) -> None:
    """Send published sets where all of them are, else what the module `otherwise` simulates, if any."""
    files = [settings().shared / "data" / name for name in published]
    if all(file.exists() for file in files):
        for file in files:
            run_module("producers.csv.replay", file)
    elif otherwise:
        run_module(*otherwise)


def run_module(module: str, *arguments: Path | str) -> None:
    """Run a producer to its end. Raises StackError."""
    producer = start_module(module, *map(str, arguments))
    with ending(producer):
        if finish(producer):
            sent = ", ".join(map(str, arguments)) or module
            raise StackError(f"{sent} could not be sent; see ./run.sh logs stream", ExitCode.FAILED)


def wait_for_figures(steps: Steps, tables: Sequence[str]) -> None:
    """Wait for the first quick trainings, whose figures the API then serves; at most as long as they work."""
    patience = Patience(STALLED_SECONDS, longest=TRAINING_SECONDS)
    while any((table := open_if_exists(name)) is None or not table.count() for name in tables):
        status = trainer_status()
        trainer = status["pid"] if status else 0
        if (status and status["failure"]) or patience.spent(cpu_seconds(trainer)):
            steps.done("models", "not ready yet; forecasts are those of the naive model until then")
            return
        check_running()
        steps.update("models", training_progress() or "a first, quick training")
        time.sleep(POLL_SECONDS)
    steps.done("models", f"compared with naive forecasts: {', '.join(tables)}")


def wait_for_findings(steps: Steps) -> None:
    """Wait until everything planted was found, at most as long as the stack works on it."""
    patience = Patience(STALLED_SECONDS, longest=FINDING_SECONDS)
    while missing := [entry for entry, count in findings() if not count]:
        status = stream_status()
        if patience.spent((len(missing), cpu_seconds(status["pid"] if status else None) // 10)):
            steps.done("findings", f"{len(missing)} of what was planted not found yet: ./run.sh demo --check")
            return
        check_running()
        steps.update("findings", f"waiting for {missing[0].found_in}; {len(missing)} to go")
        time.sleep(1)
    steps.done("findings", "everything that was planted was found")


def findings() -> list[tuple[Planted, int]]:
    """What was planted, and how often it was found."""
    entries = planted(read_plan(datetime.now(UTC)).planted_on)
    with lake_database({entry.found_in for entry in entries}) as lake:
        return [
            (
                entry,
                lake.execute(f"select count(*) from {entry.found_in} where {entry.condition}").fetchall()[0][
                    0
                ],
            )
            for entry in entries
        ]


def show_planted() -> bool:
    """Print what was planted and where it was found; whether all of it was."""
    counts = findings()
    table = Table(*(translated(head) for head in ("planted", "found in", "see")))
    for entry, count in counts:
        table.add_row(
            entry.what, f"✓ {entry.found_in}" if count else f"not yet: {entry.found_in}", entry.page
        )
    result_console().print(table)
    return all(count for _, count in counts)


def training_progress() -> str | None:
    """The stage of the training under way, its step and the seconds left, as the trainer's log has them."""
    for line in reversed(lifecycle.tail("trainer", TRAINING_LINES)):
        if match := TRAINING_STEP.search(line) or TRAINING_STAGE.search(line):
            return ", ".join(match.groups())
    return None


def first_price(steps: Steps, producer: subprocess.Popen[bytes], stalled_seconds: float) -> dict[str, Any]:
    """The newest live price that the API serves.

    Raises StackError when nothing moves, or the stack or the producer has ended.
    """
    patience = Patience(stalled_seconds)
    while not (price := _newest_price()):
        check_running()
        if producer.poll() not in (None, 0):
            raise producer_failure(producer)
        waiting = checkpoint.count_waiting()
        steps.update("first price", _waiting_events(waiting))
        if patience.spent(_stream_signs(waiting)):
            text = f"no price, and nothing moved for {stalled_seconds:.0f} s; see ./run.sh logs stream"
            raise StackError(text, ExitCode.TIME_LIMIT)
        time.sleep(POLL_SECONDS)
    return price


def _waiting_events(count: int | None) -> str:
    return f"{'?' if count is None else count} events wait in Kafka"


def _stream_signs(waiting: int | None) -> Hashable:
    status = stream_status()
    return stream_signs(waiting, status["pid"] if status else None)


def _newest_price() -> dict[str, Any] | None:
    """The newest price of any commodity that gold holds, as the API serves it; None before it answers."""
    commodity = _any_commodity()
    if commodity is None:
        return None
    url = f"{readiness.api_url()}/api/public/commodity/price/live?commodity={commodity}&limit=1"
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310
            items: list[dict[str, Any]] = orjson.loads(response.read())["items"]
    except (OSError, HTTPException):  # on a busy machine; how long to wait is up to the caller
        return None
    return items[0] if items else None


def _any_commodity() -> str | None:
    lake = lake_database(["gold.live_prices"])
    row = lake.execute("select commodity from gold.live_prices limit 1").fetchone()
    return row[0] if row else None


def wait_drained(steps: Steps, ends: Positions | None) -> None:
    """Wait until the stream has finished every record before `ends`. Raises StackError when nothing moves."""
    patience = Patience(DRAIN_SECONDS)
    while (waiting := checkpoint.count_waiting(ends=ends)) != 0:
        check_running()
        if patience.spent(_stream_signs(waiting)):
            text = f"{waiting} events wait for the stream, unchanged for {DRAIN_SECONDS} s"
            raise StackError(f"{text}; see ./run.sh logs stream", ExitCode.TIME_LIMIT)
        steps.update("stream", _waiting_events(waiting))
        time.sleep(POLL_SECONDS)
    steps.done("stream", "everything processed")


def show_next(detach: bool) -> None:
    """Print what to try next."""
    url = readiness.api_url()
    stopping = "./run.sh down" if detach else "Ctrl-C or ./run.sh down"
    console.print(
        f"\nwhat to try next\n  {demo_link()}  signs you in once as administrator\n  {url}/docs\n"
        f"  {url}/api/public/commodity/price/live?commodity=cabai-rawit-merah\n"
        f"  {url}/api/public/forecast?commodity=cabai-rawit-merah&region=Jawa%20Barat\n"
        '  ./run.sh query "select commodity, region, price_idr, change_pct from gold.live_prices limit 10"\n'
        '  ./run.sh prices cabai-rawit-merah "Jawa Timur"    ./run.sh alerts list    ./run.sh demo --check\n'
        "  ./run.sh status    ./run.sh reconcile    ./run.sh logs stream\n"
        f"the stack keeps running; {stopping} stops it\n\n"
        f"open in a browser: {url}/",
        markup=False,
        soft_wrap=True,
    )


def wait_until_stopped() -> None:
    """Wait for Ctrl-C, SIGTERM, or another process's `down`; then stop the stack."""
    try:
        while supervision.processes():
            time.sleep(1)
    except KeyboardInterrupt:
        stop_stack()


def stop_stack() -> None:
    """Stop everything, whatever signal follows."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    console.print("stopping …")
    lifecycle.down()
    console.print("stopped")
