"""gold.daily_prices -> gold.indicators and gold.monthly_indicators, for the commodities and days that new rows touch."""

import logging
from collections.abc import Iterator
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

from conf.settings import settings
from lakehouse.contract import contracts
from lakehouse.gold.indicator_rows import indicator_rows
from streaming_jobs.delta_sink import EPOCH, empty_table, mark_of, open_table, overwrite_arrow

log = logging.getLogger("lumbung.indicators")
BY_DAY, BY_MONTH = "gold.indicators", "gold.monthly_indicators"
SOURCE = "gold.daily_prices"
COLUMNS = (
    "commodity", "region_code", "region", "channel", "level", "market_date", "unit",
    "median_price_idr", "observations", "markets",
)  # fmt: skip
TEXTS = ["commodity", "region_code", "region", "channel", "level", "unit"]
ROWS_PER_COMMIT = 60_000  # bounds memory: the whole history is written commodity by commodity


class Indicators:
    """Follows gold.daily_prices, which another process writes: what one version of it has taken up, not a row beyond."""

    name = "indicators"

    def refresh(self) -> None:
        """Bring both tables to the newest version of the daily prices. The mark goes into the last commit alone."""
        daily = open_table(SOURCE)
        upto, mark = mark_of(daily), mark_of(open_table(BY_DAY))
        if upto == mark:
            return
        if upto < mark:
            log.info("the daily prices were set back from %s to %s: beginning anew", mark, upto)
            for table in (BY_MONTH, BY_DAY):
                empty_table(contracts()[table])
            mark = EPOCH
        first_days = touched(mark, upto)
        if first_days:
            self._write(daily, first_days, upto)
        pa.default_memory_pool().release_unused()

    def _write(self, daily: DeltaTable, first_days: dict[str, date], upto: datetime) -> None:
        rises = settings().alerts.levels
        waiting: list[tuple[str, pa.Table, pa.Table]] = []
        for number, rows in enumerate(_by_commodity(daily, sorted(first_days)), 1):
            commodity = rows["commodity"][0].as_py()
            since = (first_days[commodity] - EPOCH.date()).days
            waiting.append((commodity, *indicator_rows(rows, since, rises, contracts()[BY_DAY], contracts()[BY_MONTH])))
            last = number == len(first_days)
            if last or sum(of_day.num_rows for _, of_day, _ in waiting) > ROWS_PER_COMMIT:
                self._commit(waiting, first_days, upto if last else None)
                waiting.clear()

    @staticmethod
    def _commit(waiting: list[tuple[str, pa.Table, pa.Table]], first_days: dict[str, date], upto: datetime | None) -> None:
        names = ", ".join(f"'{commodity}'" for commodity, _, _ in waiting)
        of_month = pa.concat_tables([table for _, _, table in waiting])
        overwrite_arrow(of_month, contracts()[BY_MONTH], "{}", predicate=f"commodity in ({names})")
        of_day = pa.concat_tables([table for _, table, _ in waiting])
        touched = " or ".join(f"(commodity = '{name}' and market_date >= '{first_days[name]}')" for name, _, _ in waiting)
        overwrite_arrow(of_day, contracts()[BY_DAY], "{}", predicate=touched, upto=upto)


def touched(after: datetime, upto: datetime) -> dict[str, date]:
    """Commodity -> first market day that batches after `after`, up to `upto`, brought a price for.

    Everything that depends on a price lies on its own day (other provinces: the nation's price) or later.
    """
    silver = open_table("silver.prices").to_pyarrow_dataset()
    window = (pc.field("ingested_at") > after) & (pc.field("ingested_at") <= upto)
    first: dict[str, date] = {}
    for batch in silver.to_batches(columns=["commodity", "market_date"], filter=window):
        rows = pa.table(batch).group_by("commodity").aggregate([("market_date", "min")])
        for commodity, day in zip(rows["commodity"].to_pylist(), rows["market_date_min"].to_pylist(), strict=True):
            first[commodity] = min(day, first.get(commodity, day))
    return first


def _by_commodity(daily: DeltaTable, names: list[str]) -> Iterator[pa.Table]:
    """The whole history of each commodity, texts as dictionaries: a tenth of the memory."""
    options = ds.ParquetReadOptions(dictionary_columns=TEXTS)
    rows = daily.to_pyarrow_dataset(parquet_read_options=options).to_table(
        columns=list(COLUMNS), filter=pc.field("commodity").isin(names)
    )
    for name in names:
        yield rows.filter(pc.equal(rows["commodity"], name))
