"""Anomalies: prices that are sent for a check, and those that the anomaly job detected in the tables."""

from dataclasses import asdict
from datetime import date
from typing import Any

from fastapi import Response

from conf.settings import settings
from lakehouse.validation.prices.series_check import MODEL, PriceFinding, check_series
from lakehouse.validation.prices.series_verdicts import series_of
from lakehouse.validation.prices.thresholds import Thresholds
from serving_api.http.dependencies import KNOWN_CALLER
from serving_api.http.router import LARGE_BODY, Router
from serving_api.reads.names import (
    NATION,
    commodity_in_body,
    region_in_body,
)
from serving_api.reads.provenance import current_rule_set, from_simulated, model_meta
from serving_api.reads.responses import CurrentResponses
from serving_api.reads.series_statistics import series_statistics
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.schemas.anomalies import AnomalyBody, AnomalyReport, Observation

router = Router(prefix="/api/v1/predict/anomaly", tags=["anomalies"])


@router.post(
    "",
    response_model=AnomalyReport,
    openapi_extra=LARGE_BODY,
    summary="Check prices for anomalies",
    dependencies=[KNOWN_CALLER],
)
def check_prices(
    body: AnomalyBody,
    responses: CurrentResponses,
) -> Response:
    """An observation is compared with earlier prices only.

    When it is later than the newest day of the tables, it is compared with their statistics, else with the
    other observations. A method that lacks its input (earlier prices, other provinces) is left out. A price
    that none can evaluate has the verdict `not_evaluated`, with the reason.
    """
    code, name = region_in_body(responses.snapshots, body.region)
    commodity = commodity_in_body(body.commodity)
    region_code = None if code == NATION[0] else code
    snapshot, entries = check_observations(responses.snapshots, commodity, region_code, body)
    version = f"{MODEL}+{Thresholds.of(settings().rule_values()).version}"
    model = model_meta("series-check", version, "champion", {snapshot.table: snapshot.version})
    item = {
        "commodity": commodity,
        "region": name,
        "anomalies": entries,
        "count": sum(entry["is_anomaly"] for entry in entries),
    }
    demo = from_simulated(responses.snapshots, [commodity])
    return responses.personal([snapshot], item, rule_set=current_rule_set(), demo=demo, model=model)


def check_observations(
    snapshots: Snapshots, commodity: str, region_code: str | None, body: AnomalyBody
) -> tuple[Snapshot, list[dict[str, Any]]]:
    """The version of the statistics that were used, and an entry for every observation."""
    snapshot, rows = series_statistics(snapshots, commodity)
    findings = check_series(
        rows,
        commodity=commodity,
        region_code=region_code,
        observations=[(observation.date, observation.price_idr) for observation in body.observations],
        methods=body.methods,
        knobs=settings().rule_values(),
    )
    own = series_of(rows, region_code)
    return snapshot, [
        checked_price(observation, finding, own["last_day"] if own else None)
        for observation, finding in zip(body.observations, findings, strict=True)
    ]


def checked_price(observation: Observation, finding: PriceFinding, newest: date | None) -> dict[str, Any]:
    """The entry of an observation. `newest`: day of the newest price in the tables."""
    figures = asdict(finding)
    reason = figures.pop("unevaluated")
    if reason == "no_history" and newest is not None and observation.date <= newest:
        reason = "too_old"
    verdict = "anomaly" if finding.is_anomaly else "not_evaluated" if reason else "ordinary"
    given = {"date": observation.date, "price_idr": observation.price_idr}
    return given | figures | {"verdict": verdict, "reason": reason}
