"""Rows of gold.indicators and gold.monthly_indicators: of now, or as known at the close of an earlier day."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conf.collected_sources import providers
from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.gold.chosen_provider import spliced_rows
from lakehouse.gold.indicator_rows import indicator_rows
from lakehouse.io.change_levels import levels_of
from lakehouse.io.query import run_contract_sql
from lakehouse.reference import DEFAULT_TIMEZONE, commodities
from lakehouse.translation import Language
from serving_api.reads.names import commodity_ids, single_commodity
from serving_api.reads.snapshots import Snapshot, Snapshots, newest_of

TABLE = "gold.indicators"
MONTHLY = "gold.monthly_indicators"
SILVER = "silver.prices"
DAILY = "gold.daily_prices"
RETAIL = "retail"
LEVEL_DAYS = 7  # days whose rows say whether markets or provinces are shown: a day in progress is not enough
SERIES_COLUMNS = (
    "level",
    "region_code",
    "region",
    "market_date",
    "median_price_idr",
    "national_price_idr",
    "reference_price_idr",
    "provider",
    "spliced_from",
    "splice_day",
    "splice_factor",
)


@dataclass(frozen=True)
class Figures:
    """Retail figures of one state of knowledge. `snapshots`: the tables that they come from."""

    snapshots: list[Snapshot]
    _known: Mapping[str, pa.Table] | None = None

    def rows(
        self,
        condition: pc.Expression,
        columns: Sequence[str],
        ids: Collection[str] | None = None,
        table: str = TABLE,
    ) -> pa.Table:
        """The rows that satisfy the condition; `ids`: of these commodities only."""
        condition = condition & (pc.field("channel") == RETAIL)
        if ids is not None:
            condition &= pc.field("commodity").isin(sorted(ids))
        if self._known is not None:
            return self._known[table].filter(condition).select(list(columns))
        snapshot = next(snapshot for snapshot in self.snapshots if snapshot.table == table)
        return snapshot.read(condition, columns)

    def newest_day(self, ids: Collection[str] | None = None) -> date | None:
        """The newest market day, of these commodities; None without a row."""
        if ids is None and self._known is None:
            return newest_of(self.snapshots[0], "market_date")
        newest: date | None = pc.max(self.rows(pc.scalar(True), ["market_date"], ids)["market_date"]).as_py()
        return newest

    def neighbour_days(self, day: date) -> tuple[date | None, date | None]:
        """The nearest market days with a price before and after `day`."""
        field = pc.field("market_date")
        near = timedelta(days=400)  # a longer gap counts as the end of the data
        before = self.rows((field < day) & (field >= day - near), ["market_date"])["market_date"]
        after = self.rows((field > day) & (field <= day + near), ["market_date"])["market_date"]
        return pc.max(before).as_py(), pc.min(after).as_py()


def figures_now(snapshots: Snapshots) -> Figures:
    """The figures by day of the newest version."""
    return Figures([snapshots[TABLE]])


def close_of(day: date) -> datetime:
    """The moment, UTC, at which a day ends in Jakarta."""
    midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(DEFAULT_TIMEZONE))
    return midnight.astimezone(UTC)


def prices_known_on(snapshots: Snapshots, day: date, ids: Iterable[str] | None = None) -> pa.Table:
    """The rows of silver.prices that had been stored by the close of a day, of market days up to it."""
    condition = (pc.field("ingested_at") < close_of(day)) & (pc.field("market_date") <= day)
    if ids is not None:
        condition &= pc.field("commodity").isin(sorted(ids))
    return snapshots.open_newest(SILVER).read(condition)


def figures_of(snapshots: Snapshots, known_on: date | None, ids: Collection[str] | None = None) -> Figures:
    """The figures as known at the close of `known_on`: later prices and corrections are absent; None: now.

    Blocks while the prices of an earlier day are read and the indicators are computed from them.
    """
    if known_on is None:
        return figures_now(snapshots)
    state = [snapshots[TABLE], snapshots.open_newest(SILVER)]
    key = ("known on", known_on, None if ids is None else tuple(sorted(ids)))
    known = state[0].cached(key, lambda: indicators_of(prices_known_on(snapshots, known_on, ids)))
    return Figures(state[1:], known)


def indicators_of(prices: pa.Table) -> dict[str, pa.Table]:
    """gold.indicators and gold.monthly_indicators computed from rows of silver.prices, by table."""
    of_day, of_month = contracts()[TABLE], contracts()[MONTHLY]
    daily = run_contract_sql(contracts()[DAILY], {"silver_prices": prices})
    by_day, by_month = [arrow_schema(of_day).empty_table()], [arrow_schema(of_month).empty_table()]
    for commodity in pc.unique(daily["commodity"]).to_pylist():
        rows = spliced_rows(daily.filter(pc.field("commodity") == commodity), settings().lake.providers)
        days, months = indicator_rows(rows, 0, levels_of(commodity), of_day, of_month)
        by_day.append(days)
        by_month.append(months)
    return {TABLE: pa.concat_tables(by_day), MONTHLY: pa.concat_tables(by_month)}


def chosen_level(rows: pa.Table) -> str:
    """The level with the most rows in the week that ends with the newest day of `rows`.

    Prices of markets and of provinces are never mixed. `rows`, of one commodity, hold that week whole: so
    the level depends on the day alone, and not on the range that is shown.
    """
    since = pc.max(rows["market_date"]).as_py() - timedelta(days=LEVEL_DAYS)
    levels = rows.filter(pc.field("market_date") > since)["level"]
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(levels).to_pylist()}
    level: str = max(sorted(counts, reverse=True), key=lambda name: counts[name])
    return level


def series_commodity(name: str, figures: Figures) -> str:
    """The commodity itself where it has prices of its own, else its representative. Raises Problem 404."""
    single = single_commodity(name)
    own = next(
        (entry for entry in commodity_ids(name) if commodities()[entry].representative == single), single
    )
    return own if own != single and figures.newest_day([own]) else single


def read_series(figures: Figures, commodity: str, first: date, last: date) -> dict[str, Any]:
    """The columns of the days from `first` to `last`; a day without a report is null.

    `providers`: ids of those whose prices are shown.
    """
    day = pc.field("market_date")
    weeks = (day > first - timedelta(days=LEVEL_DAYS)) & (day <= last)
    with_week = figures.rows(weeks, SERIES_COLUMNS, [commodity])
    rows = with_week.filter(day >= first)
    item: dict[str, Any] = {
        "commodity": commodity,
        "name": commodities()[commodity].name,
        "unit": commodities()[commodity].unit,
        "level": None,
        "dates": [],
        "regions": [],
        "price_idr": [],
        "national": [],
        "reference_idr": [],
        "seams": [],
        "providers": [],
    }
    if rows.num_rows:
        level = chosen_level(with_week)
        shown = rows.filter(pc.field("level") == level)
        item |= {"level": level, **columns_of(shown)} if shown.num_rows else {}
    return item


def sources_of(ids: Iterable[str], language: Language) -> list[dict[str, str | None]]:
    """Name and licence of providers in a language; of one that is not listed, its id and null."""
    listed = {name: providers().get(name) for name in ids}
    return [
        {
            "provider": name,
            "name": entry.name[language] if entry else name,
            "licence": entry.licence[language] if entry else None,
        }
        for name, entry in listed.items()
    ]


def columns_of(rows: pa.Table) -> dict[str, Any]:
    """Dates, provinces and matrices from the first to the last day with a price."""
    reports = rows.to_pandas()
    days = pd.date_range(reports["market_date"].min(), reports["market_date"].max()).date
    prices = reports.pivot(index="region_code", columns="market_date", values="median_price_idr")
    by_day = reports.groupby("market_date")
    names = reports.groupby("region_code")["region"].last()
    return {
        "dates": [day.isoformat() for day in days],
        "regions": [{"code": code, "name": name} for code, name in names.items()],
        "price_idr": [without_nan(series) for series in prices.reindex(columns=days).to_numpy()],
        "national": without_nan(by_day["national_price_idr"].last().reindex(days)),
        "reference_idr": without_nan(by_day["reference_price_idr"].median().reindex(days)),
        "seams": seams_of(reports),
        "providers": sorted({*reports["provider"].dropna(), *reports["spliced_from"].dropna()}),
    }


def seams_of(reports: pd.DataFrame) -> list[dict[str, Any]]:
    """Where prices of two providers were put together, by code of the province."""
    spliced = reports[reports["spliced_from"].notna()].groupby("region_code").first()
    return [
        {
            "code": code,
            "provider": row["provider"],
            "spliced_from": row["spliced_from"],
            "day": row["splice_day"].isoformat(),
            "factor": row["splice_factor"],
        }
        for code, row in spliced.to_dict("index").items()
    ]


def without_nan(values: Iterable[float]) -> list[float | None]:
    """The values as JSON holds them, to a tenth of a rupiah."""
    return [None if math.isnan(value) else round(float(value), 1) for value in values]
