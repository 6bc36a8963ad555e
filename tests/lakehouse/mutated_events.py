"""Seeded events of every kind with mutations: byte flips, swapped types, doubled keys, escapes, extremes."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import Field, contracts, kinds
from lakehouse.event import DEAD_LETTER
from lakehouse.reference import category_aliases, commodities, commodity_aliases, markets, provinces
from tests.support.poison_cases import cases

RECEIVED = datetime(2026, 3, 11, 4, 5, 6, 789000, tzinfo=UTC)
TEXTS = (
    "",
    " ",
    "x",
    "cabai",
    "Cabai Rawit Merah",
    "beras",
    "BERAS medium",
    "Jawa Barat",
    "ID-JB",
    "32",
    "kg",
    "liter",
    "retail",
    "BUY",
    "1d",
    "1m",
    "a'b",
    'say "so"',
    "back\\slash",
    "tab\there",
    "line\nend",
    "é",
    "İstanbul",
    "\u212aelvin",
    "日本語",
    "😀",
    "\x7f",
    "\u2028",
    "null",
    "true",
    "1.5",
    "{}",
    "[]",
    "x" * 65,
    "x" * 600,
    "ß",
    "ＡＢＣ",
    "١٢٣",
    "\u00a0",
    " padded ",
    "PROV-32",
    "PROV-99",
    "{p.price}",
    "${residual}",
    "%s",
    "BTCUSDT",
    "btc-usd",
    "IDR",
    "USD",
    "2026-01",
    "2026-Q1",
    "EXECUTED",
    "correct",
    "release",
    "Elektronik",
    "a,b",
    "}",
    '{"a":1}',
)
NUMBERS = (
    "0",
    "-0",
    "0.0",
    "1",
    "-1",
    "1.0",
    "1.5",
    "-999",
    "8888",
    "9999",
    "9999.0",
    "1e3",
    "1E+3",
    "1e-3",
    "1e7",
    "9999999",
    "10000000",
    "12345678.9",
    "0.001",
    "0.00099",
    "1e22",
    "1e23",
    "2e-3",
    "123456789012345678",
    "9007199254740993",
    "1e308",
    "1e309",
    "-1e400",
    "1e-400",
    "4.9e-324",
    "0.1",
    "100",
    "45",
    "60.5",
    "50000",
    "0.30000000000000004",
    "1" * 30,
    "1" * 400,
    "3.141592653589793238462643",
    "11500",
    "15000",
    "1000",
    "2026",
    "12000.75",
    "-5",
    "500",
    "36.6",
    "5e-1",
)
TIMES = (
    "2026-03-11T04:00:00Z",
    "2026-03-11T11:00:00+07:00",
    "2026-03-11t04:00:00z",
    "2026-03-11 04:00:00Z",
    "2026-03-11T04:00:00.123456789Z",
    "2026-03-11T04:00:00.1Z",
    "2026-03-11T04:00:00.1234567+09:00",
    "2026-03-11T04:00:00",
    "2026-03-11",
    "2026-02-30T00:00:00Z",
    "2026-03-11T24:00:00Z",
    "2026-03-11T04:60:00Z",
    "2026-03-11T23:59:60Z",
    "0001-01-01T00:00:00Z",
    "0002-01-01T00:00:00Z",
    "9998-12-31T23:59:59Z",
    "9999-01-01T00:00:00Z",
    "1850-06-15T12:00:00Z",
    "1582-10-10T00:00:00Z",
    "1900-02-28T23:59:59-18:00",
    "2026-03-11T04:00:00+18:00",
    "2026-03-11T04:00:00+18:01",
    "2026-03-11T04:00:00+23:59",
    "2026-03-11T04:00:00+07:60",
    "2026-03-11T04:00:00-00:00",
    "2026-03-12T04:00:00Z",
    "2020-01-01T00:00:00Z",
    "1945-08-17T03:00:00Z",
    "1963-12-31T23:30:00Z",
    "1987-12-31T16:30:00Z",
    "1970-01-01T00:00:00Z",
    "2026-03-10T17:00:00Z",
    "2026-03-11T04:00:00.Z",
    "2026-03-11T04:00Z",
    "٢٠٢٦-03-11T04:00:00Z",
    "2026-3-11T04:00:00Z",
    "2024-02-29T10:00:00Z",
    "2026-01-02",
    "2026-12-31",
    "1899-12-31",
    "2026-02-29",
    "0000-01-01",
    "9998-12-31",
    "20260311",
    "2026-03-25",
    "2026-03-11T00:00:00Z",
    "2026-03-10T00:00:00.000+08:00",
)
ODD_VALUES = (
    "null",
    "true",
    "false",
    "{}",
    "[]",
    '{"a": 1}',
    "[1]",
    "[null]",
    '["x", 1]',
    '["a","b"]',
    "[[]]",
    '{"price": "x"}',
    '[1.50, {"b" : 2}]',
    '{ "result":"VALID" }',
)
EDGES = ("", " ", "\n", "\t", "\ufeff", "x", "{}", ",", "}", "]", "  ", "#", "\r\n", "null")
Payload = list[tuple[str, str]]  # name and JSON text of the value, in order


def text_of(payload: Payload) -> str:
    """One JSON object."""
    return "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in payload) + "}"


def bases(kind: str) -> list[Payload]:
    """The poison cases of a kind that are objects."""
    payloads = []
    for case in cases("judge", RECEIVED):
        if case.kind == kind:
            try:
                fields = json.loads(case.bodies[0])
            except (ValueError, RecursionError):
                continue
            if isinstance(fields, dict) and len(case.bodies[0]) < 5000:
                payloads.append([(name, json.dumps(value)) for name, value in fields.items()])
    if kind == DEAD_LETTER:
        payloads = bases("price")[:20]
    return payloads


def some_text(field: Field | None, draw: random.Random) -> str:
    """A name, time, choice or odd text."""
    lists: dict[str | None, list[str]] = {
        "commodity": [*commodity_aliases(), *(entry.name for entry in commodities().values())],
        "region": [place.name for place in provinces().values()],
        "place": [*markets(), *(place.name for place in provinces().values())],
        "category": list(category_aliases()),
    }
    if field is not None and draw.random() < 0.5:
        if field.enum:
            return draw.choice(field.enum)
        if field.names in lists:
            return draw.choice(lists[field.names])
        if field.name == "market_id":
            return draw.choice(list(markets()))
    return draw.choice(TIMES if draw.random() < 0.4 else TEXTS)


def json_value(field: Field | None, draw: random.Random) -> str:
    """JSON text of a value, mostly of the field's own type."""
    chance = draw.random()
    kind = field.type if field is not None else draw.choice(("string", "number", "boolean"))
    if chance < 0.15:
        return draw.choice(ODD_VALUES)
    if chance < 0.3:
        kind = draw.choice(("string", "number", "boolean", "strings"))
    if kind in ("number", "integer"):
        return draw.choice(NUMBERS)
    if kind in ("timestamp", "date"):
        return json.dumps(draw.choice(TIMES))
    if kind == "boolean":
        return draw.choice(("true", "false"))
    if kind == "object":
        return draw.choice(ODD_VALUES)
    ascii_only = draw.random() < 0.3
    if kind == "strings":
        count = draw.randrange(4)
        return json.dumps([some_text(field, draw) for _ in range(count)], ensure_ascii=ascii_only)
    return json.dumps(some_text(field, draw), ensure_ascii=ascii_only)


def set_field(payload: Payload, fields: list[Field], draw: random.Random) -> Payload:
    field = draw.choice(fields)
    value = json_value(field, draw)
    others = [(name, old) for name, old in payload if name != field.name]
    others.insert(draw.randint(0, len(others)), (field.name, value))
    return others


def drop_field(payload: Payload, fields: list[Field], draw: random.Random) -> Payload:
    nth = draw.randrange(len(payload)) if payload else 0
    return payload[:nth] + payload[nth + 1 :]


def double_field(payload: Payload, fields: list[Field], draw: random.Random) -> Payload:
    if not payload:
        return payload
    name, value = draw.choice(payload)
    again = value if draw.random() < 0.3 else json_value(None, draw)
    return [*payload, (name, again)]


def add_unknown(payload: Payload, fields: list[Field], draw: random.Random) -> Payload:
    name = draw.choice(("note", "Price", "price ", "ключ", "a.b", "", 'a"b', "x" * 130, "é"))
    payload = list(payload)
    payload.insert(draw.randint(0, len(payload)), (name, json_value(None, draw)))
    return payload


FIELD_MUTATIONS: tuple[Callable[[Payload, list[Field], random.Random], Payload], ...] = (
    set_field,
    set_field,
    set_field,
    drop_field,
    double_field,
    add_unknown,
)


def flip(body: bytes, draw: random.Random) -> bytes:
    """One byte replaced, removed or inserted."""
    at = draw.randrange(len(body) + 1)
    byte = bytes([draw.choice((draw.randrange(256), draw.choice(b'"{}[]:,\\ \n\t019eE+-.tfnu')))])
    end = draw.choice((at, at + 1))
    return body[:at] + draw.choice((byte, byte, b"")) + body[end:]


def escape(body: bytes, draw: random.Random) -> bytes:
    """A character of a text or name written as an escape, or a broken escape."""
    at = draw.randrange(len(body) + 1)
    new = draw.choice(
        (
            r"\u0041",
            r"\u0000",
            r"\ud83d",
            r"\ude00",
            r"\ud83d\ude00",
            r"\n",
            r"\\",
            r"\"",
            r"\/",
            r"\x",
            r"\u12",
            r"\\u0000",
            r"\u00e9",
            r"\uD800\uD800",
        )
    )
    quoted = [nth for nth, byte in enumerate(body) if byte == ord('"')]
    if quoted and draw.random() < 0.8:
        at = draw.choice(quoted) + 1
    return body[:at] + new.encode() + body[at:]


def surround(body: bytes, draw: random.Random) -> bytes:
    """Something before or after the object, or spaces within."""
    edge = draw.choice(EDGES).encode()
    return draw.choice((edge + body, body + edge, body.replace(b": ", b" :\n"), body.replace(b", ", b",")))


def cut(body: bytes, draw: random.Random) -> bytes:
    return body[: draw.randrange(len(body) + 1)]


BYTE_MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip, flip, escape, surround, cut)


def bodies(kind: str, count: int, seed: int) -> Iterator[bytes]:
    """Payloads of one kind: the poison cases unchanged, then `count` mutations of them."""
    draw = random.Random(f"{kind} {seed}")
    for case in cases("judge", RECEIVED):
        if case.kind == kind:
            yield from case.bodies
    fields = list(kinds()[kind].payload)
    starts = bases(kind)
    for _ in range(count):
        payload = draw.choice(starts)
        for _ in range(draw.choice((0, 1, 1, 1, 2, 3))):
            payload = draw.choice(FIELD_MUTATIONS)(payload, fields, draw)
        body = text_of(payload).encode("utf-8", "surrogatepass")
        if draw.random() < 0.3:
            body = draw.choice(BYTE_MUTATIONS)(body, draw)
        yield body


def mutated_events(kind: str, count: int, seed: int = 1) -> pa.Table:
    """Rows of bronze.events of one kind."""
    draw = random.Random(f"{kind} headers {seed}")
    sources = ("http:user-1", "mqtt:device-7", "file:prices.csv#3", "kafka:lumbung", "mqtt:" + "d" * 70)
    rows: list[dict[str, Any]] = []
    for offset, body in enumerate(bodies(kind, count, seed)):
        headers: list[tuple[str, str]] | None = None
        if draw.random() < 0.2:
            headers = [("market_id", draw.choice(("PASAR-001", "bad market", "X-1")))]
        if kind == DEAD_LETTER:
            reason = draw.choice(("topic_refused", "unknown_kind", "payload_size", "odd", "foreign_market"))
            headers = [
                ("reason", reason),
                ("original_topic", draw.choice(("lumbung.price", "a/b'c"))),
                *([("door", "http")] if draw.random() < 0.2 else []),
                *([("listed", "no")] if draw.random() < 0.2 else []),
            ][draw.choice((0, 0, 0, 1)) :]
        rows.append(
            {
                "topic": f"lumbung.{kind}",
                "partition": offset % 2,
                "offset": offset,
                "kafka_timestamp": RECEIVED,
                "event_id": f"{kind}-{offset}",
                "kind": kind,
                "source": draw.choice(sources),
                "received_at": RECEIVED + timedelta(seconds=draw.randrange(3600)),
                "content_type": draw.choice(("application/json", None)),
                "other_headers": headers,
                "value": body,
                "ingested_at": RECEIVED + timedelta(hours=1),
                "ingest_date": RECEIVED.date(),
            }
        )
    return pa.Table.from_pylist(rows, schema=arrow_schema(contracts()["bronze.events"]))
