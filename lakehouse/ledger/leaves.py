"""Rows of a bound table -> leaves of a Merkle tree, and fingerprints by which a changed row is found."""

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

from lakehouse.arrow import ordered
from lakehouse.contracts.contract import contracts
from lakehouse.ledger.canonical import LARGEST_INTEGER, decimal_text, plain, utf16
from lakehouse.ledger.merkle import leaf_hash

# Order of the leaves: by event_id; the rest decides only where a row was doubled.
LEAF_COLUMNS = ("event_id", "topic", "partition", "offset")
# How a row was judged, and when: another rule set gives other values for the same row, so no leaf covers
# them.
VERDICT_COLUMNS = ("rule_set", "_warnings", "ingested_at")
ID_BYTES = 4
LEAF_BYTES = 8
SLICE_ROWS = 10_000
FINGERPRINT_BYTES = ID_BYTES + LEAF_BYTES


@dataclass(frozen=True)
class BoundTable:
    """A table whose rows a chain records: one record per batch, or one per event."""

    table: str
    chain: str
    kind: str
    per_event: bool = False
    columns: tuple[str, ...] = ()  # of a leaf; none: all but VERDICT_COLUMNS
    actor: str | None = None  # column with the actor; none: the stream
    chain_column: str | None = None  # column with the chain of a row; none: all rows belong to this one

    @property
    def leaf_columns(self) -> tuple[str, ...]:
        """Columns that a leaf covers: the same after silver was rebuilt from bronze under other rules."""
        return self.columns or tuple(
            name for name in contracts()[self.table].column_names if name not in VERDICT_COLUMNS
        )

    def among(self, wanted: Any) -> Any:
        """The expression `wanted`, narrowed to the rows of this chain."""
        return wanted & (pc.field(self.chain_column) == self.chain) if self.chain_column else wanted


PRICE = ("market_id", "commodity", "channel", "price_idr", "unit", "event_time", "market_date")
ORDER = (
    *("trade_id", "account", "symbol", "side", "decided_quantity", "mark", "bar_time", "status", "verdict"),
    *("oracle", "confidence", "decided_at"),
)
BOUND_TABLES = (
    BoundTable("silver.prices", "price", "price_batch", columns=(*LEAF_COLUMNS, *PRICE)),
    BoundTable("silver.decisions", "price", "decision", per_event=True, actor="decided_by"),
    *(
        BoundTable("silver.ledger_entries", chain, chain, per_event=True, actor="actor", chain_column="chain")
        for chain in ("price", "trade")
    ),
    BoundTable(
        "silver.orders", "trade", "trade", columns=(*LEAF_COLUMNS, *ORDER), per_event=True, actor="principal"
    ),
)


def bound_tables() -> tuple[BoundTable, ...]:
    """The bound tables that exist as contracts."""
    return tuple(bound for bound in BOUND_TABLES if bound.table in contracts())


def values(column: pa.ChunkedArray) -> Any:
    """A column as canonical values: amounts as decimal text, times as UTC text with microseconds.

    Integers that JSON cannot distinguish are text too: a file that was tampered with may hold any. Equal
    values share one object: a batch has few markets, commodities and days.
    """
    if pa.types.is_nested(column.type):
        return [plain(value) for value in column.to_pylist()]
    coded = column.combine_chunks().dictionary_encode()
    distinct = coded.dictionary
    if pa.types.is_floating(distinct.type):
        texts = [
            decimal_text(Decimal(repr(value))) if isfinite(value) else repr(value)
            for value in distinct.to_pylist()
        ]
    elif pa.types.is_timestamp(distinct.type):
        texts = pc.strftime(distinct.cast(pa.timestamp("us", "UTC")), "%Y-%m-%dT%H:%M:%SZ").to_pylist()
    elif pa.types.is_integer(distinct.type):
        texts = [value if abs(value) <= LARGEST_INTEGER else str(value) for value in distinct.to_pylist()]
    else:
        texts = [plain(value) for value in distinct.to_pylist()]
    indices = pc.fill_null(coded.indices, len(texts)).to_numpy()
    return np.array([*texts, None], dtype=object)[indices].tolist()


def canonical_rows(rows: pa.Table, columns: Sequence[str]) -> list[bytes]:
    """Canonical JSON of each row's `columns`, equal to `canonical` row by row; a missing column is null."""
    names = sorted(columns, key=utf16)
    columns_of = [
        values(rows[name]) if name in rows.column_names else [None] * rows.num_rows for name in names
    ]
    return [orjson.dumps(dict(zip(names, row, strict=True))) for row in zip(*columns_of, strict=True)]


def leaves(rows: pa.Table, columns: Sequence[str]) -> list[bytes]:
    """Leaf hash of each row, 32 bytes; only a slice of the canonical rows is in memory at a time."""
    slices = (rows.slice(start, SLICE_ROWS) for start in range(0, rows.num_rows, SLICE_ROWS))
    return [leaf_hash(row) for part in slices for row in canonical_rows(part, columns)]


def in_order(rows: pa.Table) -> pa.Table:
    """The rows batch by batch, within a batch in the order of its leaves."""
    return ordered(rows, "ingested_at", *LEAF_COLUMNS)


def fingerprints(ids: Sequence[str | None], row_leaves: Sequence[bytes]) -> bytes:
    """12 bytes per row: CRC-32 of its event_id, which identifies it, and the first 8 bytes of its leaf."""
    return b"".join(
        id_print(event_id) + leaf[:LEAF_BYTES] for event_id, leaf in zip(ids, row_leaves, strict=True)
    )


def id_print(event_id: str | None) -> bytes:
    """4 bytes that identify an event within its batch; they prove nothing."""
    return zlib.crc32((event_id or "").encode()).to_bytes(ID_BYTES, "big")


def batches_of(rows: pa.Table) -> list[tuple[int, int]]:
    """[start, end) of each run of one ingested_at, in rows sorted by `in_order`."""
    times = pc.fill_null(rows["ingested_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()), -1).to_numpy()
    edges = [0, *(np.flatnonzero(np.diff(times)) + 1).tolist(), len(times)]
    return [(start, end) for start, end in zip(edges, edges[1:], strict=False) if end > start]
