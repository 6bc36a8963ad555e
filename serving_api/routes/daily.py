"""Daily figures: the overview of all commodities, series in columns, the map of provinces."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import Query, Response

from lakehouse.reference import provinces
from lakehouse.translation import in_language
from serving_api.http.messages import message
from serving_api.http.problems import invalid
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.dashboard.daily_figures import (
    Figures,
    figures_of,
    read_series,
    series_commodity,
    sources_of,
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
    levels = alerts.cached(("levels", query.day), lambda: read_alerts(alerts, query.day))
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
    series = figures.snapshots[0].cached(
        (*key, query.known_on), lambda: read_series(figures, commodity, first, last)
    )
    item = {name: value for name, value in series.items() if name != "providers"}
    item["sources"] = sources_of(series["providers"], responses.language)
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
    if item["reason"]:
        item["reason"] = in_language(item["reason"], responses.language)
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
