"""Silver -> gold that may be seconds old: history, daily aggregates, markets; a thread beside the query."""

import json
import logging
import threading
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import arrow_schema
from lakehouse.contract import Contract, contracts
from lakehouse.paths import view_name
from lakehouse.reference import markets, provinces
from streaming_jobs.delta_sink import append_arrow, open_table, overwrite_arrow, tags_of, taken_up_to
from streaming_jobs.flows import SLOW
from streaming_jobs.maintenance import Maintenance

log = logging.getLogger("lumbung.slow")


def reference_tables() -> dict[str, pa.Table]:
    """The reference lists as SQL sees them."""
    return {
        "reference_markets": pa.Table.from_pylist([vars(market) for market in markets().values()]),
        "reference_provinces": pa.Table.from_pylist(
            [{"code": p.code, "name": p.name, "timezone": p.timezone} for p in provinces().values()]
        ),
    }


def answer(contract: Contract, tables: dict[str, Any]) -> pa.Table:
    """The contract's SQL over the given tables (Arrow tables or datasets by view name)."""
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("set timezone = 'UTC'")
        for name, table in tables.items():
            con.register(name, table)
        order = f" order by {', '.join(contract.sort_by)}" if contract.sort_by else ""
        made = con.sql(f"select * from ({contract.sql}) as answer{order}").to_arrow_table()
    return made.select(contract.column_names).cast(arrow_schema(contract))


class SlowGold(threading.Thread):
    """Brings the slow gold tables up to the batches that are done. A failure ends the process with its cause."""

    def __init__(self, every_seconds: float) -> None:
        super().__init__(name="slow-gold", daemon=True)
        self._every = every_seconds
        self._stopping = threading.Event()
        self.failure: BaseException | None = None
        self._maintenance = Maintenance(SLOW.gold)

    def run(self) -> None:
        try:
            while not self._stopping.wait(self._every):
                self.refresh()
            self.refresh()
        except BaseException as failure:
            log.exception("slow gold failed")
            self.failure = failure

    def stop(self) -> None:
        """Refresh once more, then end."""
        self._stopping.set()
        self.join(timeout=20)

    def refresh(self) -> None:
        """One round: new price batches into history and days, and the markets if their sources moved."""
        for name in SLOW.gold:
            contract = contracts()[name]
            if contract.refresh == "overwrite":
                self._overwrite(contract)
            else:
                self._advance(contract)
        self._maintenance.take_turn()

    def _overwrite(self, contract: Contract) -> None:
        sources = {table: open_table(table) for table in contract.reads}
        versions = {table: opened.version() for table, opened in sources.items()}
        done = tags_of(contract.table, 5)
        if done and done[0].get("versions") == versions:
            return
        tables = {view_name(table): opened.to_pyarrow_table() for table, opened in sources.items()}
        rows = answer(contract, tables | reference_tables())
        overwrite_arrow(rows, contract, json.dumps({"versions": versions}))

    def _advance(self, contract: Contract) -> None:
        """Take up the batches that are done and not yet in this table: those counted after the time of its last mark."""
        mark = taken_up_to(contract.table)
        balance = open_table("gold.balance").to_pyarrow_dataset()  # files of earlier batches are skipped by their statistics
        fresh = balance.to_table(
            columns=["ingested_at", "silver"], filter=(pc.field("kind") == "price") & (pc.field("ingested_at") > mark)
        )
        if not fresh.num_rows:
            return
        upto = pc.max(fresh["ingested_at"]).as_py()
        times = sorted(fresh.filter(pc.field("silver") > 0)["ingested_at"].to_pylist())
        if times:
            self._take_up(contract, times, upto)

    def _take_up(self, contract: Contract, times: list[datetime], upto: datetime) -> None:
        dataset = open_table("silver.prices").to_pyarrow_dataset()
        window = (pc.field("ingested_at") >= times[0]) & (pc.field("ingested_at") <= times[-1])
        new = dataset.to_table(filter=window & pc.field("ingested_at").isin(times))
        if contract.refresh == "append":
            append_arrow(answer(contract, {"silver_prices": new}), contract, "{}", upto)
            return
        days = new[contract.replace_by].unique().to_pylist()
        months = sorted({f"{day:%Y-%m}" for day in days})
        touched = dataset.to_table(filter=pc.field("market_month").isin(months) & pc.field(contract.replace_by).isin(days))
        rows = answer(contract, {"silver_prices": touched})
        listed = ", ".join(f"'{day}'" for day in days)
        overwrite_arrow(rows, contract, "{}", predicate=f"{contract.replace_by} in ({listed})", upto=upto)
