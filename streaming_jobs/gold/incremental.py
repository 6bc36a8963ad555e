"""Gold that is refreshed within seconds, by a thread of the stream: history, daily prices, markets."""

import json
import logging
import threading
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import Contract, contracts
from lakehouse.io.delta import (
    LogStamps,
    append_rows,
    high_water_mark,
    inputs_fingerprint,
    open_table,
    replace_rows,
    tags_of,
)
from lakehouse.io.maintenance import Maintenance
from lakehouse.io.query import run_contract_sql
from lakehouse.paths import view_name
from lakehouse.reference import markets, provinces
from streaming_jobs.flows import refreshed

log = logging.getLogger("lumbung.incremental_gold")
BALANCE = "gold.balance"
MARKET_COLUMNS = ("market_id", "name", "region_code", "latitude", "longitude", "level")


def reference_tables() -> dict[str, pa.Table]:
    """The reference lists as tables for SQL."""
    return {
        "reference_markets": pa.Table.from_pylist(
            [{name: getattr(market, name) for name in MARKET_COLUMNS} for market in markets().values()]
        ),
        "reference_provinces": pa.Table.from_pylist(
            [{"code": p.code, "name": p.name, "timezone": p.timezone} for p in provinces().values()]
        ),
    }


class IncrementalGold(threading.Thread):
    """Brings its gold tables up to the finished batches. A failure ends the process with its cause."""

    def __init__(self, pause_seconds: float) -> None:
        super().__init__(name="incremental-gold", daemon=True)
        self._pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self._news = threading.Event()
        self.failure: BaseException | None = None
        self._contracts = [contracts()[table] for table in refreshed("seconds")]
        self._maintenance = Maintenance([contract.table for contract in self._contracts])
        sources = {table for contract in self._contracts for table in contract.reads}
        self._stamps = LogStamps(sources | {BALANCE})

    def notify(self) -> None:
        """A batch is finished: refresh at once, or when the pause after the last refresh is over."""
        self._news.set()

    def run(self) -> None:
        """Refresh after batches until `stop`, and once more then; without a batch every second pause."""
        try:
            while not self._stopping.is_set():
                self._news.wait(self._pause_seconds)
                self._news.clear()
                self.refresh()
                self._stopping.wait(self._pause_seconds)
            self.refresh()
        except BaseException as failure:
            log.exception("incremental gold failed")
            self.failure = failure

    def stop(self) -> None:
        """Refresh once more, then end."""
        self._stopping.set()
        self._news.set()
        self.join(timeout=20)

    def refresh(self) -> None:
        """Bring every table up to date.

        A contract's `refresh` says how it follows from the tables that it reads.
        """
        stamps = self._stamps.take()
        if stamps is not None:
            for contract in self._contracts:
                if contract.refresh == "overwrite":
                    _overwrite(contract)
                else:
                    _advance(contract)
            self._stamps.keep(stamps)
        self._maintenance.take_turn()


def _overwrite(contract: Contract) -> None:
    """Compute the whole table again when a table that it reads has a new version, or a reference list."""
    sources = {table: open_table(table) for table in contract.reads}
    made_from = {
        "versions": {table: opened.version() for table, opened in sources.items()},
        "reference": inputs_fingerprint(repr([*markets().values(), *provinces().values()])),
    }
    tags = tags_of(contract.table, 5)
    if tags and made_from.items() <= tags[0].items():
        return
    tables = {view_name(table): opened.to_pyarrow_table() for table, opened in sources.items()}
    rows = run_contract_sql(contract, tables | reference_tables())
    replace_rows(contract.table, rows, json.dumps(made_from))


def _advance(contract: Contract) -> None:
    """Take up the finished batches that are newer than the table's high-water mark.

    Only the first table of `reads` is followed.
    """
    source = contracts()[contract.reads[0]]
    # Files of gold.balance with earlier batches are skipped by their statistics.
    finished = (
        open_table(BALANCE)
        .to_pyarrow_dataset()
        .to_table(
            columns=["ingested_at", "silver"],
            filter=(pc.field("kind") == source.kind)
            & (pc.field("ingested_at") > high_water_mark(contract.table)),
        )
    )
    times = sorted(finished.filter(pc.field("silver") > 0)["ingested_at"].to_pylist())
    if times:
        _take_up(contract, source, times, pc.max(finished["ingested_at"]).as_py())


def _take_up(contract: Contract, source: Contract, times: list[datetime], upto: datetime) -> None:
    """Append what the batches of these times give, or replace the rows of the keys that they touch."""
    dataset = open_table(source.table).to_pyarrow_dataset()
    view = view_name(source.table)
    window = (pc.field("ingested_at") >= times[0]) & (pc.field("ingested_at") <= times[-1])
    new = dataset.to_table(filter=window & pc.field("ingested_at").isin(times))
    if contract.refresh == "append":
        append_rows(contract.table, run_contract_sql(contract, {view: new}), "{}", upto)
        return
    keys = new[contract.replace_by].unique().to_pylist()
    touched = pc.field(contract.replace_by).isin(keys)
    if contract.replace_by == "market_date":  # a market day lies in one partition
        touched &= pc.field("market_month").isin(sorted({f"{day:%Y-%m}" for day in keys}))
    rows = run_contract_sql(contract, {view: dataset.to_table(filter=touched)})
    listed = ", ".join(f"'{key}'" for key in keys)
    replace_rows(contract.table, rows, "{}", predicate=f"{contract.replace_by} in ({listed})", upto=upto)
