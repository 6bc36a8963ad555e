"""`ledger`: verify the chains from their beginning, read their blocks, put a price on record."""

import sys
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import httpx2
import orjson
import pyarrow.compute as pc
import typer
from rich.console import Console
from rich.table import Table

from conf.settings import secrets, settings
from lakehouse.ledger import CHAINS, TABLE
from scripts.readiness import api_url
from scripts.tables import open_table
from serving_api.integrity import Verdict, Verifier

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(stderr=True, highlight=False)
AsJson = Annotated[bool, typer.Option("--json", help="data as JSON on stdout")]
SHOWN = ("index", "hash", "timestamp", "kind", "event_id", "table", "delta_version", "rows", "actor")
NOT_RUNNING = 4


def emit(data: object) -> None:
    """One JSON document on stdout."""
    print(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())


def known_chain(chain: str) -> str:
    """Exit 2 for a chain that does not exist."""
    if chain not in CHAINS:
        console.print(f"nothing is called '{chain}': give {' or '.join(CHAINS)}", markup=False)
        raise typer.Exit(2)
    return chain


def as_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict with its fault spread out."""
    fault = asdict(verdict.fault) if verdict.fault else {}
    return {
        "valid": verdict.valid,
        "chain": verdict.chain,
        "length": verdict.length,
        "rows": verdict.rows,
        "head_hash": verdict.head_hash,
        "first_invalid_index": fault.get("index"),
        "reason": fault.get("reason"),
        "first_altered_event_id": fault.get("event_id"),
        "detail": fault.get("detail"),
        "checked_at": verdict.checked_at,
        "delta_version": verdict.versions,
    }


@app.command()
def verify(
    chain: Annotated[str | None, typer.Option(help="price or trade; both unless given")] = None, json: AsJson = False
) -> None:
    """Every link, the published head, and every row on record, all read anew; 1 when anything was altered."""
    verifier = Verifier(settings().lake_root)
    verdicts = [verifier.check(name) for name in ([known_chain(chain)] if chain else CHAINS)]
    if json:
        emit([as_json(verdict) for verdict in verdicts])
    else:
        for verdict in verdicts:
            told(verdict)
    raise typer.Exit(0 if all(verdict.valid for verdict in verdicts) else 1)


def told(verdict: Verdict) -> None:
    """One line, and what is wrong in a few more."""
    head = (verdict.head_hash or "-")[:16]
    fault = verdict.fault
    if fault is None:
        print(f"{verdict.chain}: valid, {verdict.length} records over {verdict.rows} rows, head {head}")
        return
    print(f"{verdict.chain}: NOT VALID from record {fault.index} of {verdict.length} on: {fault.reason}")
    print(f"  {fault.detail}")
    print(f"  first altered event: {fault.event_id or 'cannot be named'}")


@app.command()
def blocks(
    chain: Annotated[str, typer.Option(help="price or trade")] = "price",
    event_id: Annotated[str | None, typer.Option(help="only blocks about this event")] = None,
    limit: Annotated[int, typer.Option(min=1, help="newest first")] = 20,
    json: AsJson = False,
) -> None:
    """The newest records of a chain."""
    wanted = pc.field("chain") == known_chain(chain)
    if event_id:
        wanted &= pc.field("event_id") == event_id
    ledger, rows = open_table(TABLE), []
    if ledger is not None:
        found = ledger.to_pyarrow_dataset().to_table(columns=[*SHOWN, "previous_hash", "merkle_root"], filter=wanted)
        rows = found.sort_by([("index", "descending")]).slice(0, limit).to_pylist()
    if json:
        emit(rows)
        return
    shown = Table(*SHOWN)
    for row in rows:
        shown.add_row(*(plain(row[name])[:24] for name in SHOWN))
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(shown)


def plain(value: object) -> str:
    """As a person reads it."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value)


@app.command()
def append(
    market_id: Annotated[str, typer.Option()],
    commodity: Annotated[str, typer.Option()],
    price: Annotated[float, typer.Option(help="rupiah per unit of the commodity")],
    event_time: Annotated[str | None, typer.Option(help="RFC 3339 with offset; now unless given")] = None,
    event_id: Annotated[str | None, typer.Option(help="the same id lands once")] = None,
) -> None:
    """Put a price on record through the API, as operator; prints the receipt."""
    given = {"market_id": market_id, "commodity": commodity, "price": price, "event_time": event_time, "event_id": event_id}
    body = {name: value for name, value in given.items() if value is not None}
    try:
        answer = httpx2.post(
            f"{api_url()}/api/blockchain/append", json=body, headers={"Authorization": f"Bearer {secrets().token_operator}"}
        )
    except httpx2.TransportError as error:
        console.print(f"the API at {api_url()} does not answer: {error}; ./run.sh up", markup=False)
        raise typer.Exit(NOT_RUNNING) from None
    print(answer.text)
    raise typer.Exit({202: 0, 422: 2}.get(answer.status_code, 1))


if __name__ == "__main__":
    app(prog_name="./run.sh ledger")
