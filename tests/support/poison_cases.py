"""The poison cases as each way of ingestion carries them, from tests/cases/poison/<kind>.yml."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lakehouse.contracts.contract import kinds

FOLDER = Path(__file__).parent.parent / "cases" / "poison"
MARKET = "PASAR-001"
ROW_HEADER = "market_id,commodity,price,unit,event_time,region,event_id"


@dataclass(frozen=True)
class Case:
    """One case of one way of ingestion. `bodies`: what is sent, once or twice, in this order."""

    number: int
    name: str
    kind: str
    event_id: str
    bodies: tuple[bytes, ...]
    stream: str  # silver, a rule, or dlq:<reason>
    warn: str | None
    again: str | None  # outcome of the second body
    only_here: bool  # the verdict of this way of ingestion is another one than that of the rules alone


@cache
def raw_cases() -> list[dict[str, Any]]:
    """The rows of all files, each with its kind and its complete payload."""
    rows: list[dict[str, Any]] = []
    for file in sorted(FOLDER.glob("*.yml")):
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        rows += (
            document
            if isinstance(document, list)
            else [_written_out(row, document) for row in document["cases"]]
        )
    return rows


def _written_out(row: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """A row with its complete payload and HTTP status; the file gives only differences from a valid one.

    `cells`: the same as cells of a CSV file, where the kind has a file format.
    """
    fields = {
        "event_id": "$id",
        **document["valid"],
        **row.get("set", {}),
        **{name: "x" * long for name, long in row.get("repeat", {}).items()},
    }
    kept = {name: value for name, value in fields.items() if name not in row.get("drop", ())}
    complete = {"payload": json.dumps(kept, ensure_ascii=False), **row, "kind": document["kind"]}
    if "columns" in document and "payload" not in row:
        complete["cells"] = {name: str(kept.get(name, "")) for name in document["columns"]}
    return complete | ({"http": [422, row["stream"]]} if row.get("http") == 422 else {})


def carried(door: str, kind: str) -> bool:
    """Whether a door accepts events of the kind. `kafka`: kinds that have routes of their own."""
    contract = kinds()[kind]
    doors = {
        "mqtt": contract.over_mqtt,
        "http": contract.over_http is not None,
        "kafka": contract.over_http is None,
    }
    return doors.get(door, True)


def cases(door: str, now: datetime) -> list[Case]:
    """The cases of a door: mqtt, http, csv, kafka or judge (straight to validation)."""
    carried_cases = []
    for number, row in enumerate(raw_cases()):
        kind = row.get("kind", "price")
        event_id = f"{door}-{number}-{now:%H%M%S}"
        bodies = _rows(row, words(event_id, now)) if door == "csv" else _payloads(row, words(event_id, now))
        if bodies and carried(door, kind):
            verdict = row.get(door, row["stream"]) if door in ("mqtt", "csv", "kafka") else row["stream"]
            other = verdict != row["stream"]
            carried_cases.append(
                Case(
                    number,
                    row["name"],
                    kind,
                    event_id,
                    bodies,
                    verdict,
                    row.get("warn"),
                    row.get("again"),
                    other,
                )
            )
    return carried_cases


def one_per_verdict(*ways: list[Case]) -> list[list[Case]]:
    """Of each way of ingestion its cases with a kind and verdict of which no earlier case is.

    A verdict that only this way of ingestion gives is kept always.
    """
    seen: set[tuple[str | None, ...]] = set()
    kept: list[list[Case]] = []
    for way in ways:
        kept.append([])
        for case in way:
            verdict = (case.kind, case.stream, case.warn, case.again)
            if case.only_here or verdict not in seen:
                kept[-1].append(case)
            seen.add(verdict)
    return kept


def words(event_id: str, now: datetime) -> dict[str, str]:
    """Values of the place holders."""
    days = {"$yesterday": -1, "$today": 0, "$tomorrow": 1}
    dates = {name: f"{now.astimezone(UTC) + timedelta(days=days[name]):%Y-%m-%d}" for name in days}
    return {
        "$id": event_id,
        "$market": MARKET,
        "$now": now.astimezone(UTC).isoformat(timespec="seconds"),
        **dates,
    }


def filled(text: str, known: dict[str, str]) -> bytes:
    """The text with its place holders filled."""
    for name, value in known.items():
        text = text.replace(name, value)
    return text.encode()


def _payloads(row: dict[str, Any], known: dict[str, str]) -> tuple[bytes, ...]:
    if "hex" in row:
        return (bytes.fromhex(row["hex"]),)
    if "nest" in row:
        return (b'{"a":' * row["nest"] + b"1" + b"}" * row["nest"],)
    if "size" in row:
        payload = {
            "event_id": "$id",
            "market_id": "$market",
            "commodity": "garam",
            "price": 11500,
            "event_time": "$now",
            "note": "",
        }
        body = filled(json.dumps(payload), known)
        return (body[:-2] + b"x" * (row["size"] - len(body)) + body[-2:],)
    if "payload" not in row:
        return ()
    first = filled(row["payload"], known)
    again = row.get("twice")
    return (first,) if again is None else (first, first if again == "same" else filled(again, known))


def _rows(row: dict[str, Any], known: dict[str, str]) -> tuple[bytes, ...]:
    if "row_hex" in row:
        return (bytes.fromhex(row["row_hex"]),)
    if "row_size" in row:
        return (filled(f"$market,{'x' * row['row_size']},11500,,$now,,$id", known),)
    if "row" not in row:
        return ()
    first = filled(row["row"], known)
    if "twice" not in row:
        return (first,)
    return first, first if row["twice"] == "same" else filled(row["row_twice"], known)
