"""Daily figures: the overview of all commodities, series in columns, the map of provinces."""

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from fastapi import Query, Response

from lakehouse.reference import commodities, provinces
from serving_api.http.messages import message
from serving_api.http.problems import invalid
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.dashboard.daily_figures import (
    LEVEL_DAYS,
    Figures,
    chosen_level,
    figures_of,
    series_commodity,
)
from serving_api.reads.dashboard.overview import (
    read_alerts,
    read_overview,
    reporting_markets,
    with_level,
)
from serving_api.reads.dashboard.price_map import read_map
from serving_api.reads.names import commodity_ids
from serving_api.reads.operation.balance import BalanceReader, total_of
from serving_api.reads.provenance import from_simulated
from serving_api.reads.responses import CurrentResponses, Responses
from serving_api.reads.review.reviews import ReviewReader
from serving_api.reads.snapshots import Snapshot
from serving_api.schemas.daily import DailySeries, MapQuery, MarketDayQuery, Overview, PriceMap, SeriesQuery
from serving_api.schemas.problem import problems

router = Router(prefix="/api/v1", tags=["daily figures"])
DEFAULT_DAYS = 365
MOST_DAYS = 2000
COLUMNS = (
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


def read_series(figures: Figures, commodity: str, first: date, last: date) -> dict[str, Any]:
    """The columns of the days from `first` to `last`; a day without a report is null."""
    day = pc.field("market_date")
    with_week = figures.rows((day > first - timedelta(days=LEVEL_DAYS)) & (day <= last), COLUMNS, [commodity])
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
    }
    if rows.num_rows:
        level = chosen_level(with_week)
        shown = rows.filter(pc.field("level") == level)
        item |= {"level": level, **columns_of(shown)} if shown.num_rows else {}
    return item


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


@router.get("/overview", response_model=Overview, summary="All commodities on one day")
def get_overview(
    query: Annotated[MarketDayQuery, Query()],
    balance: Shared[BalanceReader],
    reviews: Shared[ReviewReader],
    responses: CurrentResponses,
) -> Response:
    """For each commodity its national price, changes, ceiling, and the provinces above it.

    `market_date`: another day by what is known now; `date`: that day as it was known at its close.
    """
    snapshots = responses.snapshots
    figures = figures_of(snapshots, query.known_on)
    key = ("overview", query.day)
    read = figures.snapshots[0].cached(key, lambda: read_overview(figures, query.day))
    alerts = snapshots["gold.alerts"]
    levels = read_alerts(alerts, query.day)
    items = [with_level(row, levels.get(row["commodity"], [])) for row in read["items"]]
    counted, per_kind = balance.read()
    totals = total_of(per_kind)
    reviewed, index = reviews.read()
    quarantine, markets = snapshots["silver.quarantine"], snapshots["gold.markets"]
    item = {
        **{name: value for name, value in read.items() if name != "provinces"},
        "items": items,
        "coverage": {
            "provinces": read["provinces"],
            "of": len(provinces()),
            "markets": reporting_markets(markets),
        },
        "balance": {**totals, "balanced": all(row["difference"] == 0 for row in per_kind.values())},
        "open_quarantine": max(0, quarantine.count - len(index)),
    }
    names = [row["commodity"] for row in read["items"]]
    tables = [*figures.snapshots, alerts, counted, quarantine, reviewed, markets]
    return answer(responses, figures, item, names, read["date"], tables)


@router.get(
    "/series/daily",
    response_model=DailySeries,
    responses=problems(404),
    summary="Daily prices of a commodity in columns",
)
def get_daily_series(query: Annotated[SeriesQuery, Query()], responses: CurrentResponses) -> Response:
    """Prices of all provinces, the national price and the ceiling, a column per calendar day.

    At most 2,000 days. Default: the 365 days that end with the newest.
    """
    figures = figures_of(responses.snapshots, query.known_on, commodity_ids(query.commodity))
    commodity = series_commodity(query.commodity, figures)
    first, last = requested_days(query, figures.newest_day([commodity]))
    key = ("series", commodity, first, last)
    item = figures.snapshots[0].cached(
        (*key, query.known_on), lambda: read_series(figures, commodity, first, last)
    )
    newest = item["dates"][-1] if item["dates"] else None
    return answer(responses, figures, item, [commodity], newest)


@router.get(
    "/map/prices", response_model=PriceMap, responses=problems(404), summary="A figure of every province"
)
def get_price_map(query: Annotated[MapQuery, Query()], responses: CurrentResponses) -> Response:
    """The newest report of the week that ends with the day, of every province; null is no data.

    `market_date`: another day by what is known now; `date`: that day as it was known at its close.
    """
    figures = figures_of(responses.snapshots, query.known_on, commodity_ids(query.commodity))
    commodity = series_commodity(query.commodity, figures)
    item = read_map(figures, commodity, query.metric, query.day)
    return answer(responses, figures, item, [commodity], item["date"])


def answer(
    responses: Responses,
    figures: Figures,
    item: dict[str, Any],
    names: list[str],
    newest: str | None,
    tables: list[Snapshot] | None = None,
) -> Response:
    """The response with its provenance. `names`: commodities in it; `newest`: the newest market day in it."""
    as_of = datetime.fromisoformat(newest).replace(tzinfo=UTC) if newest else None
    demo = from_simulated(responses.snapshots, names)
    return responses.item(tables or figures.snapshots, item, demo=demo, as_of=as_of)


def requested_days(query: SeriesQuery, newest: date | None) -> tuple[date, date]:
    """(first, last) day of a series. Raises Problem 422 for more than 2,000 days."""
    last = query.to - timedelta(days=1) if query.to else newest or query.from_ or date.today()
    first = query.from_ or last - timedelta(days=DEFAULT_DAYS - 1)
    if (last - first).days >= MOST_DAYS and query.from_ is not None and query.to is not None:
        raise invalid("/to", "range_too_long", message("range_too_long", days=MOST_DAYS))
    return max(first, last - timedelta(days=MOST_DAYS - 1)), last
