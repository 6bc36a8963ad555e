"""`./run.sh bench [name …]`: the figures of the README, as JSON in LUMBUNG_HOME/bench and as tables."""

import sys
from datetime import UTC, datetime
from types import ModuleType
from typing import Annotated

import orjson
import psutil
import typer
from rich.console import Console

from conf.settings import settings
from scripts.bench import anomalies, api_load, history, latency, predictions, throughput, validation, weather_prices
from scripts.bench.figures import table

BENCHES: dict[str, ModuleType] = {
    "throughput": throughput,
    "latency": latency,
    "api": api_load,
    "history": history,
    "validation": validation,
    "predictions": predictions,
    "weather": weather_prices,
    "anomalies": anomalies,
}
console = Console(stderr=True)


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"{', '.join(BENCHES)}; without a name all of them")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the figures as JSON on standard output")] = False,
) -> None:
    """Measure on this machine, each bench on a broker, ports and a folder of its own. A figure never fails."""
    wanted = names or list(BENCHES)
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        console.print(f"no bench is called {unknown[0]}; there are {', '.join(BENCHES)}", markup=False)
        raise typer.Exit(2)
    found: dict[str, object] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
    }
    for name in wanted:
        bench = BENCHES[name]
        console.print(f"{name}: {bench.__doc__}", markup=False)
        figures = bench.measure()
        found[name] = figures
        if not as_json:
            Console().print(table(name, bench.MEANS, figures))
    file = settings().home / "bench" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = orjson.dumps(found, option=orjson.OPT_INDENT_2)
    file.write_bytes(text)
    console.print(f"written to {file.name} in {file.parent}", markup=False)
    if as_json:
        print(text.decode())


if __name__ == "__main__":
    sys.argv[0] = "./run.sh bench"
    typer.run(main)
