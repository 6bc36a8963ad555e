"""`collect`: list the sources, poll one in the foreground, or replay its recorded answers."""

import asyncio
import logging
import signal
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from confluent_kafka import KafkaException
from rich.console import Console
from rich.table import Table

from conf.collected_sources import collected_sources
from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import Refused
from conf.settings import settings
from lakehouse.event import topics
from lakehouse.io.kafka import NotAcknowledged, create_topics
from lakehouse.io.terminal import console, fail, translated
from producers.collectors.collector import open_collectors
from producers.collectors.recordings import BadRecording
from producers.collectors.service import collect as collect_until_stopped
from producers.collectors.source import (
    RequestRefused,
    ShapeChanged,
    TransientFailure,
    missing,
    source_modes,
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    source: Annotated[str | None, typer.Argument(help="name of a source; without it all are listed")] = None,
    once: Annotated[bool, typer.Option("--once", help="poll once instead of until Ctrl-C")] = False,
    replay: Annotated[
        Path | None, typer.Option(help="send a file of recorded answers instead", exists=True, dir_okay=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the data as JSON on stdout")] = False,
) -> None:
    """Collect from one source, or list all of them with licence and terms."""
    if source is None:
        show(source_rows(), as_json)
        return
    if source not in collected_sources():
        fail(f"there is no source '{source}'; there are {', '.join(collected_sources())}", ExitCode.USAGE)
    lacks = missing(source)
    if replay is None and lacks:
        fail(f"{source} is off: {lacks} is empty; see docs/how-to/collect-from-a-source.md", ExitCode.MISSING)
    configure_logging("WARNING")
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it would log addresses, which may hold keys
    try:
        create_topics(topics())
        if replay is None and not once:
            asyncio.run(collect_until_stopped({source: "on"}))
            return
        counts = asyncio.run(collected(source, replay))
    except Refused as refusal:
        fail(str(refusal), ExitCode.REFUSED)
    except (NotAcknowledged, KafkaException) as error:
        fail(f"Kafka does not answer: {error}", ExitCode.NOT_RUNNING)
    except (TransientFailure, RequestRefused, ShapeChanged, BadRecording, OSError) as error:
        fail(f"{source} was not collected: {error}", ExitCode.FAILED)
    if as_json:
        print(orjson.dumps(counts).decode())
    else:
        console.print(f"{source}: {counts['events']} events sent, {counts['known']} rows known before")


async def collected(name: str, recording: Path | None) -> dict[str, Any]:
    """The counts after one poll, or after a recording was sent."""
    async with open_collectors([name]) as (collector,):
        task = asyncio.create_task(collector.replay(recording) if recording else collector.poll())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        return collector.status()


def source_rows() -> list[dict[str, Any]]:
    """Every source with its mode and what its file declares."""
    names = ("description", "kind", "homepage", "licence", "terms", "checked", "every_minutes")
    return [
        {
            "source": name,
            "mode": mode,
            "missing": missing(name),
            **{key: getattr(collected_sources()[name], key) for key in names},
        }
        for name, mode in source_modes().items()
    ]


def show(sources: list[dict[str, Any]], as_json: bool) -> None:
    """Print the sources on stdout."""
    if as_json:
        print(orjson.dumps(sources).decode())
        return
    shown = Table("", "", show_header=False, box=None)
    for row in sources:
        mode = translated(row["mode"])
        if row["mode"] != "on":
            mode += f" ({row['missing']})"  # never cut: it is what turns the source on
        minutes = f"{settings().collectors.every_minutes.get(row['source'], row['every_minutes']):g}"
        lines = [
            f"{mode}, {translated('kind')} {row['kind']}, {minutes} {translated('minutes')}",
            *(f"{translated(name)}: {row[name]}" for name in ("licence", "terms")),
        ]
        shown.add_row(row["source"], "\n".join(lines))
    Console(highlight=False, markup=False).print(shown)
