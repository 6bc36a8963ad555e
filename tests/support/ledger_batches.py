"""A lake of silver tables written batch by batch with delta-rs, its ledger job, and its verification."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import BatchTag, append_rows, open_table, table_uri
from serving_api.reads.ledger.integrity import ChainVerdict, Verifier
from streaming_jobs.gold.ledger import LedgerJob
from tests.support.empty_lake import copy_empty_tables

BEGAN = datetime(2026, 3, 1, 5, tzinfo=UTC)
PRICES = "silver.prices"
ENTRIES = "silver.ledger_entries"
DECISIONS = "silver.decisions"
LEDGER = "gold.ledger"


def price(number: int, batch: int, **more: Any) -> dict[str, Any]:
    """A row of silver.prices."""
    at = BEGAN + timedelta(seconds=batch)
    return {
        "event_id": f"p-{batch:04d}-{number:04d}",
        "market_id": "PASAR-001",
        "market_name": "Pasar",
        "level": "market",
        "region_code": "32",
        "region": "Jawa Barat",
        "commodity": "garam",
        "channel": "retail",
        "price_idr": 11_000.5 + number,
        "unit": "kg",
        "event_time": at,
        "market_date": at.date(),
        "market_month": "2026-03" if number % 2 else "2026-02",
        "device_id": None,
        "source": "test",
        "received_at": at,
        "ingested_at": at,
        "topic": "lumbung.price",
        "partition": 0,
        "offset": batch * 1000 + number,
        "rule_set": "f" * 12,
        "_warnings": [],
        **more,
    }


def entry(number: int, batch: int, **more: Any) -> dict[str, Any]:
    """A row of silver.ledger_entries."""
    at = BEGAN + timedelta(seconds=batch)
    return {
        "event_id": f"e-{batch:04d}-{number}",
        "chain": "price",
        "market_id": "PASAR-001",
        "commodity": "garam",
        "price_idr": 15_000.0,
        "actor": "api:operator",
        "event_time": at,
        "event_month": "2026-03",
        "source": "api:operator",
        "received_at": at,
        "ingested_at": at,
        "topic": "lumbung.ledger",
        "partition": 0,
        "offset": batch * 10 + number,
        "rule_set": "f" * 12,
        "_warnings": [],
        **more,
    }


def decision(number: int, batch: int, **more: Any) -> dict[str, Any]:
    """A row of silver.decisions."""
    at = BEGAN + timedelta(seconds=batch)
    return {
        "event_id": f"d-{batch:04d}-{number}",
        "target_event_id": f"q-{number}",
        "target_kind": "price",
        "target_record": f"lumbung.price:0:{number}",
        "generation": 0,
        "decision": "release",
        "reason": "seen at the market",
        "correction": None,
        "recheck": None,
        "decided_by": "operator",
        "quarantined_at": at,
        "event_time": at,
        "event_month": "2026-03",
        "source": "api:operator",
        "received_at": at,
        "ingested_at": at,
        "topic": "lumbung.decision",
        "partition": 0,
        "offset": batch * 10 + number,
        "rule_set": "f" * 12,
        "_warnings": [],
        **more,
    }


class LedgerLake:
    """Below LUMBUNG_HOME of this process."""

    def __init__(self, new: bool = True) -> None:
        if new:
            copy_empty_tables()
        settings().state_dir.mkdir(parents=True, exist_ok=True)
        self.job = LedgerJob()

    def batch(
        self, number: int, prices: int = 50, entries: int = 0, more: Iterable[dict[str, Any]] = ()
    ) -> None:
        """One finished batch: bronze, silver, balance, as the stream writes them."""
        tag = BatchTag("stream", number)
        rows = {
            PRICES: [*(price(n, number) for n in range(prices)), *more],
            ENTRIES: [entry(n, number) for n in range(entries)],
        }
        bronze = [
            {name: row[name] for name in ("event_id", "topic", "partition", "offset", "ingested_at")}
            | {"kind": "price", "ingest_date": row["ingested_at"].date()}
            for row in [*rows[PRICES], *rows[ENTRIES]]
        ]
        for table, table_rows in {"bronze.events": bronze, **rows}.items():
            if table_rows:
                self.append(table, table_rows, tag.text())
        self.finish(number, prices + entries)

    def finish(self, number: int, events: int) -> None:
        """Write the balance of a batch: it is done in every table."""
        at = BEGAN + timedelta(seconds=number)
        row = {
            "stream_id": "stream",
            "batch_id": number,
            "kind": "price",
            "rows_in": events,
            "silver": events,
        }
        self.append(
            "gold.balance",
            [row | {"quarantine": 0, "duplicates": 0, "ingested_at": at}],
            BatchTag("stream", number).text(),
        )

    @staticmethod
    def append(table: str, rows: list[dict[str, Any]], text: str = "{}") -> None:
        append_rows(table, pa.Table.from_pylist(rows, schema=arrow_schema(contracts()[table])), text)

    def check(self, chain: str = "price") -> ChainVerdict:
        """Verify from the beginning."""
        return Verifier(settings().lake_root).check(chain)

    @staticmethod
    def records(chain: str = "price") -> list[dict[str, Any]]:
        return [
            row
            for row in open_table(LEDGER).to_pyarrow_table().sort_by("index").to_pylist()
            if row["chain"] == chain
        ]

    @staticmethod
    def rewrite(table: str, change: Any) -> None:
        """Replace the rows by `change(rows)` in an ordinary commit, as anyone with write access could."""
        held = open_table(table).to_pyarrow_table()
        schema = arrow_schema(contracts()[table])
        rows = pa.Table.from_pylist(change(held.to_pylist()), schema=schema)
        write_deltalake(
            table_uri(table),
            rows,
            mode="overwrite",
            partition_by=list(contracts()[table].partition_by) or None,
        )

    @staticmethod
    def edit_file(table: str, change: Any) -> Path:
        """Change one Parquet file in place, without a commit, to `change(rows)`."""
        file = Path(sorted(open_table(table).file_uris())[0])
        held = pq.read_table(file)
        pq.write_table(pa.Table.from_pylist(change(held.to_pylist()), schema=held.schema), file)
        return file
