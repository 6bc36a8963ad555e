"""Verify the hash chains of prices and trades, list their blocks, append a price."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import pyarrow.compute as pc
import typer

from conf.runtime.exit_codes import ExitCode
from conf.settings import settings
from lakehouse.io import ledger_head
from lakehouse.io.delta import open_if_exists
from lakehouse.io.terminal import translated
from lakehouse.ledger.chain import CHAINS, TABLE
from scripts.console import AsJson, emit, fail, new_app, print_rows
from scripts.local_api import Api
from serving_api.reads.ledger.integrity import ChainVerdict, Verifier

app = new_app(__doc__)
SHOWN = ("index", "hash", "timestamp", "kind", "event_id", "table", "delta_version", "rows", "actor")
HASH_CHARACTERS = 16  # of a hash, when shown to a person


def known_chain(chain: str) -> str:
    """The chain's name. Exits 2 when there is no such chain."""
    if chain not in CHAINS:
        fail(f"there is no chain '{chain}'; choose {' or '.join(CHAINS)}", ExitCode.USAGE)
    return chain


def as_json(verdict: ChainVerdict) -> dict[str, Any]:
    """The verdict as one flat JSON object."""
    fault = asdict(verdict.fault) if verdict.fault else {}
    return {
        **{name: getattr(verdict, name) for name in ("valid", "chain", "length", "rows", "head_hash")},
        "first_invalid_index": fault.get("index"),
        "reason": fault.get("reason"),
        "first_altered_event_id": fault.get("event_id"),
        "detail": fault.get("detail"),
        "checked_at": verdict.checked_at,
        "delta_version": verdict.versions,
    }


@app.command()
def verify(
    chain: Annotated[str | None, typer.Option(help="price or trade; without it both")] = None,
    json: AsJson = False,
) -> None:
    """Check every link, the published head and every recorded row; exit 1 when anything was altered."""
    verifier = Verifier(settings().lake_root)
    verdicts = [verifier.check(name) for name in ([known_chain(chain)] if chain else CHAINS)]
    if json:
        emit([as_json(verdict) for verdict in verdicts])
    else:
        for verdict in verdicts:
            show(verdict)
    raise typer.Exit(ExitCode.DONE if all(verdict.valid for verdict in verdicts) else ExitCode.FAILED)


def show(verdict: ChainVerdict) -> None:
    """Print one line, and for an altered chain what is wrong."""
    head = (verdict.head_hash or "-")[:HASH_CHARACTERS]
    fault = verdict.fault
    if fault is None:
        text = f"{verdict.chain}: valid, {verdict.length} records over {verdict.rows} rows, head {head}"
        print(translated(text))
        return
    text = f"{verdict.chain}: NOT VALID from record {fault.index} of {verdict.length}: {fault.reason}"
    print(translated(text))
    print(translated(f"  {fault.detail}"))
    print(translated(f"  first altered event: {fault.event_id or 'unknown'}"))


@app.command()
def accept() -> None:
    """Publish the heads of the chains as they are now, after a restored or cut ledger was looked into.

    What is missing stays missing; the lines before stay in the file of heads.
    """
    newest = {chain: newest_blocks(chain, None, 1) for chain in CHAINS}
    heads = {chain: (rows[0]["index"], rows[0]["hash"]) for chain, rows in newest.items() if rows}
    if not heads:
        fail("the ledger has no records", ExitCode.FAILED)
    print(ledger_head.publish(heads, datetime.now(UTC)))


@app.command()
def blocks(
    chain: Annotated[str, typer.Option(help="price or trade")] = "price",
    event_id: Annotated[str | None, typer.Option(help="only blocks of this event")] = None,
    limit: Annotated[int, typer.Option(min=1, help="how many, newest first")] = 20,
    json: AsJson = False,
) -> None:
    """List the newest records of a chain."""
    rows = newest_blocks(known_chain(chain), event_id, limit)
    if json:
        emit(rows)
        return
    print_rows(SHOWN, ([plain(row[name]) for name in SHOWN] for row in rows))


def newest_blocks(chain: str, event_id: str | None, limit: int) -> list[dict[str, Any]]:
    """Records of a chain, newest first; none before the ledger exists."""
    ledger = open_if_exists(TABLE)
    if ledger is None:
        return []
    wanted = pc.field("chain") == chain
    if event_id:
        wanted &= pc.field("event_id") == event_id
    columns = [*SHOWN, "previous_hash", "merkle_root"]
    blocks_found = ledger.to_pyarrow_dataset().to_table(columns=columns, filter=wanted)
    rows: list[dict[str, Any]] = blocks_found.sort_by([("index", "descending")]).slice(0, limit).to_pylist()
    return rows


def plain(value: object) -> str:
    """The value as text for a person."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value)


@app.command()
def append(
    market_id: Annotated[str, typer.Option(help="id of the market")],
    commodity: Annotated[str, typer.Option(help="id or alias of the commodity")],
    price: Annotated[float, typer.Option(help="rupiah per unit of the commodity")],
    event_time: Annotated[str | None, typer.Option(help="RFC 3339 with offset; without it now")] = None,
    event_id: Annotated[str | None, typer.Option(help="an id is recorded once")] = None,
) -> None:
    """Append a price through the API, as operator, and print the receipt."""
    body = {name: value for name, value in locals().items() if value is not None}
    response = Api().response("POST", "/api/blockchain/append", json=body)
    print(response.text)
    codes = {202: ExitCode.DONE, 422: ExitCode.USAGE}
    raise typer.Exit(codes.get(response.status_code, ExitCode.FAILED))
