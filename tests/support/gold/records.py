"""Rows of the tables that the ledger is bound to, and its records."""

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from zlib import crc32

from conf.settings import settings
from lakehouse.ledger.canonical import canonical
from lakehouse.ledger.chain import CHAINS
from lakehouse.ledger.leaves import BoundTable, bound_tables
from lakehouse.ledger.merkle import leaf_hash, merkle_root
from serving_api.reads.ledger.integrity import Verifier
from tests.lakehouse.trading.made_bars import random_bars
from tests.support.gold.subject import Row, Tables
from tests.support.ledger_batches import decision, entry, price
from tests.support.trading.bars_lake import bar_rows, order_row

RULE_SETS = ("0" * 12, "f" * 12, None)


def bound_rows(rng: random.Random) -> dict[str, list[Row]]:
    """Prices, entries of both chains, decisions and orders, accepted under several sets of rules."""

    def ruled(rows: list[Row]) -> list[Row]:
        return [row | {"rule_set": rng.choice(RULE_SETS)} for row in rows]

    bar = bar_rows(random_bars(1, 20), 10, 11)[0]
    people = ("operator", "central")
    return {
        "silver.prices": ruled([price(number, 0) for number in range(80)]),
        "silver.ledger_entries": ruled([entry(n, 0, chain=rng.choice(CHAINS)) for n in range(12)]),
        "silver.decisions": ruled([decision(n, 0, decided_by=rng.choice(people)) for n in range(12)]),
        "silver.orders": ruled([order_row(f"t{n}", "BUY", 1.5, bar, offset=n) for n in range(12)]),
    }


def records(tables: Tables, newest: datetime) -> list[Row]:
    """Records of all finished batches at once; chains that are valid."""
    for chain in CHAINS:
        verdict = Verifier(settings().lake_root).check(chain)
        assert verdict.valid, f"{chain}: {verdict.fault}"
    return [record for chain in CHAINS for record in _records_of(tables, chain)]


def _records_of(tables: Tables, chain: str) -> list[Row]:
    unordered = [
        record
        for bound in bound_tables()
        if bound.chain == chain
        for rows in _groups(bound, tables[bound.table].to_pylist())
        for record in [_record(bound, rows)]
    ]
    ordered = sorted(unordered, key=lambda row: (row["batch_time"], row["table"], row["event_id"] or ""))
    return [record | {"chain": chain, "index": index} for index, record in enumerate(ordered)]


def _groups(bound: BoundTable, rows: list[Row]) -> Iterator[list[Row]]:
    """The rows of each record, in the order of their leaves."""
    groups: dict[tuple, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["event_id"]):
        if bound.chain_column is None or row[bound.chain_column] == bound.chain:
            groups[row["ingested_at"], row["event_id"] if bound.per_event else None].append(row)
    yield from groups.values()


def _record(bound: BoundTable, rows: list[Row]) -> Row:
    bodies = [_body(bound, row) for row in rows]
    leaves = [leaf_hash(body) for body in bodies]
    ids = [row["event_id"] for row in rows]
    covered = {"columns": list(bound.leaf_columns), "first": ids[0], "last": ids[-1]}
    payload = bodies[0] if bound.per_event else canonical(covered)
    prints = (
        crc32(event_id.encode()).to_bytes(4, "big") + leaf[:8]
        for event_id, leaf in zip(ids, leaves, strict=True)
    )
    return {
        "kind": bound.kind,
        "event_id": ids[0] if bound.per_event else None,
        "payload": payload.decode(),
        "payload_hash": sha256(payload).hexdigest(),
        "actor": rows[0][bound.actor] if bound.actor else "stream",
        "table": bound.table,
        "rows": len(rows),
        "merkle_root": merkle_root(leaves).hex(),
        "rule_set_fingerprint": max((row["rule_set"] for row in rows if row["rule_set"]), default=None),
        "batch_time": rows[0]["ingested_at"],
        "fingerprints": b"".join(prints),
    }


def _body(bound: BoundTable, row: Row) -> bytes:
    """What a leaf covers of the row, as canonical JSON."""
    values = {name: row[name] for name in bound.leaf_columns}
    amounts = {name: Decimal(repr(value)) for name, value in values.items() if isinstance(value, float)}
    return canonical(values | amounts)
