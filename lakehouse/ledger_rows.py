"""Rows of a bound table -> leaves of a Merkle tree and the prints by which a changed one is found."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.canonical import LARGEST_INTEGER, decimal_text, plain, utf16
from lakehouse.contract import contracts
from lakehouse.merkle import leaf_hash

PLACE = ("event_id", "topic", "partition", "offset")  # order of the leaves; event_id alone unless somebody doubled a row
# How a row was judged, and when: another rule set gives other values for the same row, so they are no part of what was shown.
JUDGED = ("rule_set", "_warnings", "ingested_at")
ID_BYTES, LEAF_BYTES = 4, 8
SLICE_ROWS = 10_000
FINGERPRINT_BYTES = ID_BYTES + LEAF_BYTES


@dataclass(frozen=True)
class Bound:
    """A table whose rows go on record in a chain: one record a batch, or one an event."""

    table: str
    chain: str
    kind: str
    per_event: bool = False
    columns: tuple[str, ...] = ()  # of a leaf; none: all but JUDGED
    actor: str | None = None  # column that says who; none: the stream
    chain_column: str | None = None  # column that says which chain a row belongs to; none: all belong to this one

    @property
    def leaf_columns(self) -> tuple[str, ...]:
        """What says that a row was shown: the same after silver was made anew from bronze, whatever the rules are then."""
        return self.columns or tuple(name for name in contracts()[self.table].column_names if name not in JUDGED)

    def among(self, wanted: Any) -> Any:
        """The expression `wanted`, narrowed to the rows of this chain."""
        return wanted & (pc.field(self.chain_column) == self.chain) if self.chain_column else wanted


PRICE = ("market_id", "commodity", "channel", "price_idr", "unit", "event_time", "market_date")
BOUND = (
    Bound("silver.prices", "price", "price_batch", columns=(*PLACE, *PRICE)),
    Bound("silver.decisions", "price", "decision", per_event=True, actor="decided_by"),
    Bound("silver.ledger_entries", "price", "price", per_event=True, actor="actor", chain_column="chain"),
    Bound("silver.ledger_entries", "trade", "trade", per_event=True, actor="actor", chain_column="chain"),
)


def bound_tables() -> tuple[Bound, ...]:
    """The bound tables that exist as contracts."""
    return tuple(bound for bound in BOUND if bound.table in contracts())


def values(column: pa.ChunkedArray) -> Any:
    """A column as a list of canonical values: amounts as decimal text, times as UTC text with microseconds, days as text.

    Integers that JSON cannot tell apart are text too: a file that was tampered with may hold any. Equal values share one object:
    a batch has few markets, goods and days.
    """
    if pa.types.is_nested(column.type):
        return [plain(one) for one in column.to_pylist()]
    coded = column.combine_chunks().dictionary_encode()
    kind, held = coded.dictionary.type, coded.dictionary
    if pa.types.is_floating(kind):
        known = [decimal_text(Decimal(repr(one))) if isfinite(one) else repr(one) for one in held.to_pylist()]
    elif pa.types.is_timestamp(kind):
        known = pc.strftime(held.cast(pa.timestamp("us", "UTC")), "%Y-%m-%dT%H:%M:%SZ").to_pylist()
    elif pa.types.is_integer(kind):
        known = [one if abs(one) <= LARGEST_INTEGER else str(one) for one in held.to_pylist()]
    else:
        known = [plain(one) for one in held.to_pylist()]
    return np.array([*known, None], dtype=object)[pc.fill_null(coded.indices, len(known)).to_numpy()].tolist()


def bodies(rows: pa.Table, columns: Sequence[str]) -> list[bytes]:
    """Canonical JSON of each row's `columns`, as `canonical` gives it row by row; a column that is gone is null."""
    names = sorted(columns, key=utf16)
    taken = [values(rows[name]) if name in rows.column_names else [None] * rows.num_rows for name in names]
    return [orjson.dumps(dict(zip(names, row, strict=True))) for row in zip(*taken, strict=True)]


def leaves(rows: pa.Table, columns: Sequence[str]) -> list[bytes]:
    """Leaf hash of each row, 32 bytes; of the canonical rows only a slice is held in memory."""
    slices = (rows.slice(start, SLICE_ROWS) for start in range(0, rows.num_rows, SLICE_ROWS))
    return [leaf_hash(body) for part in slices for body in bodies(part, columns)]


def in_order(rows: pa.Table) -> pa.Table:
    """Batch by batch, and within a batch in the order of its leaves."""
    return rows.sort_by([("ingested_at", "ascending"), *((name, "ascending") for name in PLACE)])


def fingerprints(ids: Sequence[str | None], found: Sequence[bytes]) -> bytes:
    """12 bytes a row: CRC-32 of its event_id, by which it is named, and the first 8 bytes of its leaf, which tell of a change."""
    return b"".join(id_print(one) + leaf[:LEAF_BYTES] for one, leaf in zip(ids, found, strict=True))


def id_print(event_id: str | None) -> bytes:
    """4 bytes that name an event within its batch; no proof of anything."""
    return zlib.crc32((event_id or "").encode()).to_bytes(ID_BYTES, "big")


def batches_of(rows: pa.Table) -> list[tuple[int, int]]:
    """[start, end) of each run of one ingested_at in rows that are in order."""
    times = pc.fill_null(rows["ingested_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()), -1).to_numpy()
    edges = [0, *(np.flatnonzero(np.diff(times)) + 1).tolist(), len(times)]
    return [(start, end) for start, end in zip(edges, edges[1:], strict=False) if end > start]
