"""gold.daily_prices -> gold.indicators and gold.monthly_indicators, for what changed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.gold.chosen_provider import SERIES, spliced_rows
from lakehouse.gold.indicator_rows import indicator_rows
from lakehouse.io.change_levels import Identity, levels_fingerprint, levels_identity, levels_of
from lakehouse.io.delta import EPOCH, last_made_from, open_table
from lakehouse.io.query import run_sql
from streaming_jobs.gold.driver import BatchJob, Change, News, among, within

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


class SeriesSource(NamedTuple):
    """Whose prices a series has: since its first day, and before it with the factor of their level."""

    provider: str
    spliced_from: str | None
    splice_factor: float | None


SOURCE_COLUMNS = SeriesSource._fields


class Computed(NamedTuple):
    """Rows of one commodity that are not written yet."""

    commodity: str
    by_day: pa.Table
    by_month: pa.Table


class Indicators(BatchJob):
    """Follows gold.daily_prices, which another process writes, up to its high-water mark."""

    name = "indicators"
    source = SOURCE
    sources = (SOURCE,)
    tables = (BY_MONTH, BY_DAY)

    def __init__(self) -> None:
        super().__init__()
        self._levels: Identity = None

    def is_due(self) -> bool:
        """Whether an operator has set other levels."""
        return levels_identity() != self._levels

    def news(self) -> News | None:
        """New prices; all of them when the rows have other levels than those in force."""
        self._levels = levels_identity()
        self.made_from = levels_fingerprint()
        news = super().news()
        return news if last_made_from(BY_DAY) == self.made_from else self.everything()

    def compute(self, news: News) -> Iterator[Change]:
        """The rows of the commodities with new prices, of so many at once that memory is bounded."""
        daily = open_table(SOURCE)
        first_days = first_changed_days(news.after, news.upto)
        names = sorted(first_days)
        if not names:
            return
        pending: list[Computed] = []
        shown = sources_of(open_table(BY_DAY), names)
        for number, all_rows in enumerate(_by_commodity(daily, names), 1):
            pending.append(computed(all_rows, first_days, shown))
            is_last = number == len(names)
            if is_last or sum(part.by_day.num_rows for part in pending) > ROWS_PER_COMMIT:
                for change in changes_of(pending, first_days, is_part=not is_last):
                    yield change if change.is_part else replace(change, made_from=self.made_from)
                pending.clear()
        pa.default_memory_pool().release_unused()


def computed(rows: pa.Table, first_days: dict[str, date], shown: dict[Series, SeriesSource]) -> Computed:
    """The rows of a commodity from its first changed day on; of every day when it gets another source."""
    chosen = spliced_rows(rows, settings().lake.providers)
    commodity = chosen["commodity"][0].as_py()
    sources = sources_in(chosen)
    if any(shown.get(series, source) != source for series, source in sources.items()):
        first_days[commodity] = EPOCH.date()
    since = (first_days[commodity] - EPOCH.date()).days
    rises = levels_of(commodity)
    return Computed(
        commodity, *indicator_rows(chosen, since, rises, contracts()[BY_DAY], contracts()[BY_MONTH])
    )


def changes_of(pending: list[Computed], first_days: dict[str, date], is_part: bool) -> Iterator[Change]:
    """The commits of these commodities, the months first."""
    of_month = pa.concat_tables([part.by_month for part in pending])
    names = among("commodity", [part.commodity for part in pending])
    yield Change(BY_MONTH, of_month, names, is_part=is_part)
    of_day = pa.concat_tables([part.by_day for part in pending])
    changed = " or ".join(
        f"(commodity = '{part.commodity}' and market_date >= '{first_days[part.commodity]}')"
        for part in pending
    )
    yield Change(BY_DAY, of_day, changed, is_part=is_part)


def sources_of(table: DeltaTable, commodities: list[str]) -> dict[Series, SeriesSource]:
    """The source of each series of these commodities in gold.indicators."""
    options = ds.ParquetReadOptions(dictionary_columns=[*SERIES, "provider", "spliced_from"])
    return sources_in(
        table.to_pyarrow_dataset(parquet_read_options=options).to_table(
            columns=[*SERIES, *SOURCE_COLUMNS], filter=pc.field("commodity").isin(commodities)
        )
    )


def sources_in(rows: pa.Table) -> dict[Series, SeriesSource]:
    """Series -> its source, of rows with one provider a series."""
    texts = (*SERIES, "provider", "spliced_from")
    columns = {name: pc.cast(rows[name], pa.string()) for name in texts}
    columns["splice_factor"] = rows["splice_factor"]
    distinct = pa.table(columns).group_by(list(columns)).aggregate([])
    sources: dict[Series, SeriesSource] = {}
    for row in distinct.to_pylist():
        series = tuple(row[name] for name in SERIES)
        source = SeriesSource(*(row[name] for name in SOURCE_COLUMNS))
        if source.spliced_from or series not in sources:
            sources[series] = source
    return sources


def first_changed_days(after: datetime, upto: datetime) -> dict[str, date]:
    """Commodity -> first market day with a price from batches after `after`, up to `upto`.

    What depends on a price lies on its own day (other provinces, by the national price) or later.
    """
    prices = open_table("silver.prices").to_pyarrow_dataset().filter(within("ingested_at", after, upto))
    first = run_sql("select commodity, min(market_date) as day from prices group by all", {"prices": prices})
    return {row["commodity"]: row["day"] for row in first.to_pylist()}


def _by_commodity(daily: DeltaTable, names: list[str]) -> Iterator[pa.Table]:
    """The whole history of each commodity, with dictionary-encoded texts: a tenth of the memory."""
    options = ds.ParquetReadOptions(dictionary_columns=TEXTS)
    rows = daily.to_pyarrow_dataset(parquet_read_options=options).to_table(
        columns=list(COLUMNS), filter=pc.field("commodity").isin(names)
    )
    for name in names:
        yield rows.filter(pc.equal(rows["commodity"], name))


JOB = Indicators
