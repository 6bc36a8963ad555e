"""The poison cases as each door carries them: `tests/cases/poison.yml`, with ids, times and paddings filled in."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent.parent / "cases" / "poison.yml"
MARKET = "PASAR-001"
ROW_HEADER = "market_id,commodity,price,unit,event_time,region,event_id"


@dataclass(frozen=True)
class Case:
    """One case at one door. `bodies`: what is sent, once or twice, in this order."""

    number: int
    name: str
    kind: str
    event_id: str
    bodies: tuple[bytes, ...]
    stream: str  # silver, a rule, or dlq:<reason>
    warn: str | None
    again: str | None  # what becomes of the second body


@cache
def raw_cases() -> list[dict[str, Any]]:
    """The rows of the file as they stand there."""
    rows: list[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return rows


def cases(door: str, now: datetime) -> list[Case]:
    """The cases that a door (mqtt, http, csv) can be given."""
    found = []
    for number, row in enumerate(raw_cases()):
        event_id = f"poison-{door}-{number}"
        words = {"$id": event_id, "$market": MARKET, "$now": now.astimezone(UTC).isoformat(timespec="seconds")}
        bodies = _rows(row, words) if door == "csv" else _payloads(row, words)
        if bodies:
            verdict = row.get(door, row["stream"]) if door in ("mqtt", "csv") else row["stream"]
            found.append(
                Case(number, row["name"], row.get("kind", "price"), event_id, bodies, verdict, row.get("warn"), row.get("again"))
            )
    return found


def _filled(text: str, words: dict[str, str]) -> bytes:
    for name, value in words.items():
        text = text.replace(name, value)
    return text.encode()


def _payloads(row: dict[str, Any], words: dict[str, str]) -> tuple[bytes, ...]:
    if "hex" in row:
        return (bytes.fromhex(row["hex"]),)
    if "nest" in row:
        return (b'{"a":' * row["nest"] + b"1" + b"}" * row["nest"],)
    if "size" in row:
        said = {"event_id": "$id", "market_id": "$market", "commodity": "garam", "price": 11500, "event_time": "$now", "note": ""}
        body = _filled(json.dumps(said), words)
        return (body[:-2] + b"x" * (row["size"] - len(body)) + body[-2:],)
    if "payload" not in row:
        return ()
    first = _filled(row["payload"], words)
    again = row.get("twice")
    return (first,) if again is None else (first, first if again == "same" else _filled(again, words))


def _rows(row: dict[str, Any], words: dict[str, str]) -> tuple[bytes, ...]:
    if "row_hex" in row:
        return (bytes.fromhex(row["row_hex"]),)
    if "row_size" in row:
        return (_filled(f"$market,{'x' * row['row_size']},11500,,$now,,$id", words),)
    if "row" not in row:
        return ()
    first = _filled(row["row"], words)
    if "twice" not in row:
        return (first,)
    return first, first if row["twice"] == "same" else _filled(row["row_twice"], words)
