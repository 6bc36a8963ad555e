"""`./run.sh bench [name …]`: measures the published figures; writes JSON to LUMBUNG_HOME/bench and tables."""

import signal
from datetime import UTC, datetime
from importlib import import_module
from inspect import signature
from typing import Annotated

import orjson
import psutil
import typer
from rich.console import Console

from conf.settings import settings
from scripts.bench.harness import table

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
BENCHES = {  # name -> module below scripts.bench
    "throughput": "throughput",
    "shapes": "event_shapes",
    "latency": "latency",
    "start": "start",
    "idle": "live.idle",
    "api": "api_load",
    "sockets": "live.sockets",
    "page": "live.page",
    "alerts": "live.alerts",
    "delivery": "live.delivery",
    "history": "history",
    "memory": "parts.memory",
    "validation": "validation",
    "predictions": "predictions",
    "weather": "weather_prices",
    "sentiment": "parts.sentiment",
    "anomalies": "anomalies",
    "retail": "parts.retail",
    "trading": "live.trading",
}
console = Console(stderr=True)


@app.command()
def main(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"{', '.join(BENCHES)}; all of them without a name")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the data as JSON on stdout")] = False,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="of benches that inject faults: how many seeds; fewer are faster"),
    ] = None,
    events: Annotated[
        int | None,
        typer.Option(min=1, help="of throughput, shapes, start and history: how many events"),
    ] = None,
) -> None:
    """Measure on this machine. Each bench has its own broker, ports and folder. No figure makes it fail."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends as with Ctrl-C: stacks are stopped
    selected = names or list(BENCHES)
    unknown = [name for name in selected if name not in BENCHES]
    if unknown:
        console.print(f"unknown bench {unknown[0]}; choose from {', '.join(BENCHES)}", markup=False)
        raise typer.Exit(2)
    report: dict[str, object] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
    }
    for name in selected:
        bench = import_module(f"scripts.bench.{BENCHES[name]}")
        console.print(f"{name}: {bench.__doc__}", markup=False)
        takes = signature(bench.measure).parameters
        given = {"seeds": seeds and tuple(range(seeds)), "events": events}
        chosen = {option: value for option, value in given.items() if value and option in takes}
        figures = bench.measure(**chosen)
        report[name] = figures
        if not as_json:
            Console().print(table(name, bench.MEANS, figures))
    file = settings().home / "bench" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = orjson.dumps(report, option=orjson.OPT_INDENT_2)
    file.write_bytes(text)
    console.print(f"written to {file.name} in {file.parent}", markup=False)
    if as_json:
        print(text.decode())
