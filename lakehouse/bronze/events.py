"""Kafka records -> rows of bronze.events, column by column: the same for every engine."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import arrow_schema, utf8_texts
from lakehouse.bronze.records import RECORDS, TIME
from lakehouse.contracts.contract import contracts
from lakehouse.event import DEAD_LETTER, EVENT_ID, TOPIC_PREFIX, kind_of_topic, lenient_payload, sender_of
from lakehouse.times import parse_time
from lakehouse.verdicts.resolve import each, needs_decision

# With the columns of bronze.events, for the ids that have landed.
SENDER = "sender"
PAYLOAD_HASH = "payload_hash"
ENVELOPE = ("event_id", "kind", "source", "received_at", "content_type")
FIRST_TIME = pa.scalar(datetime(2, 1, 1, tzinfo=UTC), TIME)
LAST_TIME = pa.scalar(datetime(9999, 1, 1, tzinfo=UTC), TIME)
BRONZE = arrow_schema(contracts()["bronze.events"])
# What verdicts are computed from.
JUDGED = BRONZE.append(pa.field(SENDER, pa.string())).append(pa.field(PAYLOAD_HASH, pa.int64()))


def events(records: pa.Table, ingested_at: datetime) -> pa.Table:
    """Rows as JUDGED, in the order of the records. `records`: as RECORDS.

    A record without our headers gets topic:partition:offset as id, its kind from its topic and its time of
    receipt from Kafka. A foreign topic (kafka.legacy_topics) holds listings; the event_id of such a payload
    is used.
    """
    records = records.select(RECORDS.names).cast(RECORDS).combine_chunks()
    headers = _Headers.of(records["headers"].combine_chunks())
    given = {name: utf8_texts(headers.values_of(name)) for name in ENVELOPE}
    columns = {
        **{name: records[name] for name in ("topic", "partition", "offset", "value")},
        "kafka_timestamp": records["timestamp"],
        "key": utf8_texts(records["key"].combine_chunks(), replace=True),
        "event_id": _event_ids(records, given["event_id"]),
        "kind": each("topic", kind_of_topic)(records),
        "source": pc.coalesce(given["source"], each("topic", "kafka:{}".format)(records)),
        "received_at": pc.coalesce(_times(given["received_at"]), records["timestamp"]),
        "content_type": given["content_type"],
        "other_headers": headers.others(),
        "ingested_at": pa.repeat(pa.scalar(ingested_at, TIME), records.num_rows),
        "ingest_date": pa.repeat(pa.scalar(ingested_at.date()), records.num_rows),
    }
    return with_identity(pa.table({name: columns[name] for name in BRONZE.names}, schema=BRONZE))


def with_identity(rows: pa.Table) -> pa.Table:
    """Rows of bronze.events with SENDER and PAYLOAD_HASH, equal for repetitions of an event.

    The hash is that of sender and payload: an event that somebody else has sent before is no repetition, or
    a stranger could have the event of another thrown away by sending it first. A dead letter that needs no
    decision counts as an empty object, see lakehouse/silver/dead_letters.py.
    """
    payloads = rows["value"].combine_chunks()
    letters = pc.equal(rows["kind"], DEAD_LETTER).combine_chunks()
    if pc.any(letters).as_py():
        payloads = pc.if_else(pc.and_not(letters, needs_decision(rows)), pa.scalar(b"{}"), payloads)
    rows = rows.append_column(SENDER, each("source", sender_of)(rows))
    prefixes = each(SENDER, lambda sender: sender.encode() + b"\0", pa.binary())(rows)
    pairs = zip(prefixes.to_pylist(), payloads.to_pylist(), strict=True)
    # Nobody can make a payload with a given BLAKE2b hash.
    hashes = b"".join(blake2b(prefix + (value or b""), digest_size=8).digest() for prefix, value in pairs)
    return rows.append_column(PAYLOAD_HASH, pa.array(np.frombuffer(hashes, dtype=np.int64)))


@dataclass(frozen=True)
class _Headers:
    """Headers of all records, one after the other. `row`: which record each belongs to."""

    records: int
    row: npt.NDArray[np.int64]
    name: npt.NDArray[np.int64]  # number in `names`
    names: tuple[str, ...]
    value: pa.Array

    @staticmethod
    def of(headers: pa.ListArray) -> "_Headers":
        counts = pc.fill_null(pc.list_value_length(headers), 0).to_numpy(zero_copy_only=False)
        flat = headers.flatten()
        encoded = flat.field("key").dictionary_encode()
        row = np.repeat(np.arange(len(headers)), counts)
        name = encoded.indices.to_numpy().astype(np.int64)
        return _Headers(len(headers), row, name, tuple(encoded.dictionary.to_pylist()), flat.field("value"))

    def values_of(self, name: str) -> pa.Array:
        """Binary value of each record's first header of that name; null without one."""
        if name not in self.names:
            return pa.nulls(self.records, pa.binary())
        places = np.flatnonzero(self.name == self.names.index(name))[::-1]
        place = np.full(self.records, -1)
        place[self.row[places]] = places  # descending: the first one is written last
        return self.value.take(pa.array(place, mask=place < 0))

    def others(self) -> pa.MapArray:
        """The headers beyond ENVELOPE, the last of each name; null for a record without any."""
        foreign = [number for number, name in enumerate(self.names) if name not in ENVELOPE]
        places = np.flatnonzero(np.isin(self.name, foreign))
        pairs = self.row[places] * len(self.names) + self.name[places]
        _, from_the_end = np.unique(pairs[::-1], return_index=True)
        places = np.sort(places[::-1][from_the_end])
        counts = np.bincount(self.row[places], minlength=self.records)
        ends = np.concatenate([[0], counts.cumsum()]).astype(np.int32)
        keys = pa.array(self.names, pa.string()).take(pa.array(self.name[places]))
        values = utf8_texts(self.value.take(pa.array(places)), replace=True)
        return pa.MapArray.from_arrays(ends, keys, values, mask=pa.array(counts == 0))


def _event_ids(records: pa.Table, given: pa.Array) -> pa.Array:
    """The header's id, else that of a foreign payload, else the place in Kafka."""
    ids = pc.if_else(pc.equal(given, ""), pa.scalar(None, pa.string()), given)
    absent = ids.is_null()
    names = ("topic", "partition", "offset", "value")
    rows = zip(*(records[name].filter(absent).to_pylist() for name in names), strict=True)
    replacements = [
        (None if topic.startswith(TOPIC_PREFIX) else own_id(value)) or f"{topic}:{partition}:{offset}"
        for topic, partition, offset, value in rows
    ]
    return pc.replace_with_mask(ids, absent, pa.array(replacements, pa.string()))


def own_id(value: bytes | None) -> str | None:
    """The event_id in a payload; None when there is none or its format is not allowed."""
    payload = lenient_payload(value or b"")
    given = payload.get("event_id") if isinstance(payload, dict) else None
    return given if isinstance(given, str) and EVENT_ID.fullmatch(given) else None


def _times(texts: pa.Array) -> pa.Array:
    """RFC 3339 -> UTC; null for any other text, and for the first year and the last.

    All at once where every text can be read.
    """
    try:
        times = texts.cast(TIME)
    except pa.ArrowInvalid:
        times = pa.array([_time(text) for text in texts.to_pylist()], TIME)
    in_calendar = pc.and_(pc.greater_equal(times, FIRST_TIME), pc.less(times, LAST_TIME))
    return pc.if_else(in_calendar, times, pa.scalar(None, TIME))


def _time(text: str | None) -> pa.Scalar:
    try:
        return pa.scalar(text, pa.string()).cast(TIME)
    except pa.ArrowInvalid:
        return pa.scalar(parse_time(text or ""), TIME)
