"""gold.daily_prices -> gold.indicators and gold.monthly_indicators, for what changed."""

import logging
from collections.abc import Iterator
from datetime import date, datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.gold.chosen_provider import SERIES, chosen_rows
from lakehouse.gold.indicator_rows import indicator_rows
from lakehouse.io.delta import EPOCH, empty_table, high_water_mark, open_table, replace_rows

log = logging.getLogger("lumbung.indicators")
BY_DAY = "gold.indicators"
BY_MONTH = "gold.monthly_indicators"
SOURCE = "gold.daily_prices"
COLUMNS = (
    "commodity", "region_code", "region", "channel", "level", "provider", "market_date", "unit",
    "median_price_idr", "observations", "markets",
)  # fmt: skip
TEXTS = ["commodity", "region_code", "region", "channel", "level", "provider", "unit"]
Series = tuple[str, ...]  # commodity, region_code, channel, level
ROWS_PER_COMMIT = 60_000  # bounds memory: the whole history is written commodity by commodity


class Computed(NamedTuple):
    """Rows of one commodity that are not written yet."""

    commodity: str
    by_day: pa.Table
    by_month: pa.Table


class Indicators:
    """Follows gold.daily_prices, which another process writes, up to its high-water mark."""

    name = "indicators"

    def refresh(self) -> None:
        """Bring both tables to the newest version of the daily prices.

        Only the last commit carries the mark.
        """
        daily = open_table(SOURCE)
        upto = high_water_mark(daily)
        mark = high_water_mark(BY_DAY)
        if upto == mark:
            return
        if upto < mark:
            log.info("the daily prices were set back from %s to %s: starting from the beginning", mark, upto)
            for table in (BY_MONTH, BY_DAY):
                empty_table(table)
            mark = EPOCH
        first_days = first_changed_days(mark, upto)
        if first_days:
            self._write(daily, first_days, upto)
        pa.default_memory_pool().release_unused()

    def _write(self, daily: DeltaTable, first_days: dict[str, date], upto: datetime) -> None:
        rises = settings().alerts.levels
        pending: list[Computed] = []
        shown = providers_of(open_table(BY_DAY), sorted(first_days))
        for number, all_rows in enumerate(_by_commodity(daily, sorted(first_days)), 1):
            rows = chosen_rows(all_rows, settings().lake.providers)
            commodity = rows["commodity"][0].as_py()
            chosen = providers_in(rows)
            if any(shown.get(series, provider) != provider for series, provider in chosen.items()):
                first_days[commodity] = EPOCH.date()  # another provider: every day of the series changes
            since = (first_days[commodity] - EPOCH.date()).days
            by_day, by_month = indicator_rows(rows, since, rises, contracts()[BY_DAY], contracts()[BY_MONTH])
            pending.append(Computed(commodity, by_day, by_month))
            last = number == len(first_days)
            if last or sum(computed.by_day.num_rows for computed in pending) > ROWS_PER_COMMIT:
                self._commit(pending, first_days, upto if last else None)
                pending.clear()

    @staticmethod
    def _commit(pending: list[Computed], first_days: dict[str, date], upto: datetime | None) -> None:
        names = ", ".join(f"'{computed.commodity}'" for computed in pending)
        of_month = pa.concat_tables([computed.by_month for computed in pending])
        replace_rows(BY_MONTH, of_month, predicate=f"commodity in ({names})")
        of_day = pa.concat_tables([computed.by_day for computed in pending])
        changed = " or ".join(
            f"(commodity = '{computed.commodity}' and market_date >= '{first_days[computed.commodity]}')"
            for computed in pending
        )
        replace_rows(BY_DAY, of_day, predicate=changed, upto=upto)


def providers_of(table: DeltaTable, commodities: list[str]) -> dict[Series, str]:
    """The provider of each series of these commodities in gold.indicators."""
    options = ds.ParquetReadOptions(dictionary_columns=[*SERIES, "provider"])
    return providers_in(
        table.to_pyarrow_dataset(parquet_read_options=options).to_table(
            columns=[*SERIES, "provider"], filter=pc.field("commodity").isin(commodities)
        )
    )


def providers_in(rows: pa.Table) -> dict[Series, str]:
    """Series -> provider of rows with one provider a series."""
    columns = [*SERIES, "provider"]
    texts = pa.table({name: pc.cast(rows[name], pa.string()) for name in columns})
    distinct = texts.group_by(columns).aggregate([])
    rows_of = zip(*(distinct[name].to_pylist() for name in columns), strict=True)
    return {tuple(series): provider for *series, provider in rows_of}


def first_changed_days(after: datetime, upto: datetime) -> dict[str, date]:
    """Commodity -> first market day with a price from batches after `after`, up to `upto`.

    What depends on a price lies on its own day (other provinces, by the national price) or later.
    """
    silver = open_table("silver.prices").to_pyarrow_dataset()
    window = (pc.field("ingested_at") > after) & (pc.field("ingested_at") <= upto)
    first: dict[str, date] = {}
    for batch in silver.to_batches(columns=["commodity", "market_date"], filter=window):
        rows = pa.table(batch).group_by("commodity").aggregate([("market_date", "min")])
        for commodity, day in zip(
            rows["commodity"].to_pylist(), rows["market_date_min"].to_pylist(), strict=True
        ):
            first[commodity] = min(day, first.get(commodity, day))
    return first


def _by_commodity(daily: DeltaTable, names: list[str]) -> Iterator[pa.Table]:
    """The whole history of each commodity, with dictionary-encoded texts: a tenth of the memory."""
    options = ds.ParquetReadOptions(dictionary_columns=TEXTS)
    rows = daily.to_pyarrow_dataset(parquet_read_options=options).to_table(
        columns=list(COLUMNS), filter=pc.field("commodity").isin(names)
    )
    for name in names:
        yield rows.filter(pc.equal(rows["commodity"], name))


JOB = Indicators
