"""Correlation of weather and of the sentiment of posts with prices, as the training job measured it."""

from datetime import UTC, datetime, time
from typing import Annotated, Any

import pyarrow.compute as pc
from fastapi import Query, Response

from lakehouse.event import Fault
from serving_api.http.dependencies import KNOWN_CALLER
from serving_api.http.messages import message
from serving_api.http.problems import Problem, invalid, invalid_fields
from serving_api.http.router import Router
from serving_api.reads.names import NATION, commodity_in_body, region_in_body, region_of, single_commodity
from serving_api.reads.provenance import from_simulated
from serving_api.reads.responses import CurrentResponses
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.schemas.analytics import (
    CorrelationBody,
    CorrelationReport,
    MeasuredCorrelation,
    SentimentCorrelation,
    SentimentCorrelationQuery,
)
from serving_api.schemas.problem import problems

router = Router(prefix="/api/v1", tags=["analytics"])
TABLE = "gold.weather_prices"
SENTIMENT = "sentiment"
NOT_MEASURED = ("commodity", "region", "by_lag")
REPORTED = tuple(name for name in MeasuredCorrelation.model_fields if name not in NOT_MEASURED)


@router.post(
    "/analytics/correlation",
    response_model=CorrelationReport,
    summary="Correlation of weather and prices",
    dependencies=[KNOWN_CALLER],
)
def correlate(
    body: CorrelationBody,
    responses: CurrentResponses,
) -> Response:
    """Returns the lag with the smallest p-value up to `max_lag_days`.

    When it is not significant, `significant` is false and `text` says so.
    """
    code, name = region_in_body(responses.snapshots, body.region)
    commodity = commodity_in_body(body.commodity)
    if code == NATION[0]:
        raise invalid("/region", "unknown_region", "weather is measured per province")
    snapshot, rows = read_lags(responses.snapshots, commodity, code, body.variable, body.max_lag_days)
    if not rows:
        reason = f"prices of '{commodity}' and weather in {name} have too few days in common"
        raise Problem("insufficient-data", reason=reason)
    strongest = strongest_lag(rows)
    report = correlation_report(rows, commodity, name, body.variable)
    first = strongest["from_date"]
    last = strongest["to_date"]
    refused = {
        "from": body.from_ if body.from_ is not None and body.from_ > first else None,
        "to": body.to if body.to is not None and body.to <= last else None,
    }
    period = {"first": first, "last": last}
    faults = [
        Fault(f"/{name}", f"{name}_range", message("part_of_period", field=name, day=day, **period))
        for name, day in refused.items()
        if day is not None
    ]
    if faults:
        raise invalid_fields(faults)
    demo = from_simulated(responses.snapshots, [commodity])
    return responses.personal([snapshot], report, demo=demo, as_of=data_until(rows))


@router.get(
    "/sentiment/correlation",
    response_model=SentimentCorrelation,
    responses=problems(404),
    summary="Correlation of the price pressure of posts with prices",
)
def correlate_sentiment(
    query: Annotated[SentimentCorrelationQuery, Query()],
    responses: CurrentResponses,
) -> Response:
    """Returns the lag with the smallest p-value up to `max_lag_days`; without a region, of the nation.

    When it is not significant, `significant` is false and `text` says so.
    """
    commodity = single_commodity(query.commodity)
    code, name = region_of(query.region)
    snapshot, rows = read_lags(responses.snapshots, commodity, code, SENTIMENT, query.max_lag_days)
    if not rows:
        reason = f"prices of '{commodity}' and posts about it have too few days in common in {name}"
        raise Problem("insufficient-data", reason=reason)
    report = correlation_report(rows, commodity, name, SENTIMENT)
    demo = from_simulated(responses.snapshots, [commodity])
    return responses.item([snapshot], report, demo=demo, as_of=data_until(rows))


def data_until(rows: list[dict[str, Any]]) -> datetime:
    """Beginning of the newest day of the data behind the rows, which were measured later."""
    return datetime.combine(max(row["to_date"] for row in rows), time(), UTC)


def strongest_lag(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The row with the smallest p-value, of equal ones that with the shortest lag."""
    return min(rows, key=lambda row: (row["p_value"], row["lag_days"]))


def correlation_report(
    rows: list[dict[str, Any]], commodity: str, region: str, variable: str
) -> dict[str, Any]:
    """The strongest lag, and all lags."""
    strongest = strongest_lag(rows)
    return {
        "commodity": commodity,
        "region": region,
        "variable": variable,
        **{field: strongest[field] for field in REPORTED},
        "by_lag": [{field: row[field] for field in ("lag_days", "correlation", "p_value")} for row in rows],
    }


def read_lags(
    snapshots: Snapshots, commodity: str, region_code: str, variable: str, longest_days: int
) -> tuple[Snapshot, list[dict[str, Any]]]:
    """The rows of a commodity, a province and a variable up to the longest lag, by lag."""
    snapshot = snapshots.open_newest(TABLE)
    condition = (pc.field("commodity") == commodity) & (pc.field("region_code") == region_code)
    condition &= (pc.field("variable") == variable) & (pc.field("lag_days") <= longest_days)
    rows = snapshot.cached(
        (commodity, region_code, variable, longest_days),
        lambda: snapshot.read(condition, [*REPORTED, "from_date", "to_date"]).sort_by("lag_days").to_pylist(),
    )
    return snapshot, rows
