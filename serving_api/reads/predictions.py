"""A price prediction from materialised forecasts: of which model, for which days, with which interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import exp, log
from statistics import NormalDist
from typing import Any, cast

from lakehouse.times import utc_text
from serving_api.http import metrics
from serving_api.http.messages import TranslatedText, message
from serving_api.http.problems import Problem
from serving_api.reads.forecasts import ForecastIssue, ServedForecasts
from serving_api.reads.names import NATION
from serving_api.reads.provenance import model_meta

HORIZON_DAYS = 7  # of the plain forecast
LEVEL = 0.8
CHAMPION = "champion"
UNREGISTERED = "0"  # model_version of a model without a version in the registry
Z80, Z95 = (NormalDist().inv_cdf((1 + level) / 2) for level in (0.80, 0.95))


@dataclass(frozen=True)
class PredictionRequest:
    """Commodity and region are ids of the reference lists; `region_code` ID is the nation."""

    commodity: str
    region_code: str
    region: str
    days: int = HORIZON_DAYS
    model: str = CHAMPION
    level: float = LEVEL


def predict(
    served: ServedForecasts, request: PredictionRequest
) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """(prediction, the model used, whether it came from the cache). Raises Problem 404 or 503."""
    (item, model), hit = served.cached(request, lambda: compute_prediction(served, request))
    metrics.PREDICTIONS.labels("true" if hit else "false").inc()
    return item, model, hit


def compute_prediction(
    served: ServedForecasts, request: PredictionRequest
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(prediction, the model used). Raises Problem 404 or 503."""
    issue = select_issue(served, request)
    rows = served.days(issue)
    if len(rows) < request.days:
        raise no_forecast(
            request, message("horizon_too_short", model=issue.model, forecast=len(rows), days=request.days)
        )
    days = [day_of(row, request.level) for row in rows[: request.days]]
    item = {
        "commodity": request.commodity,
        "region": NATION[1] if request.region_code == NATION[0] else request.region,
        "provider": rows[0]["provider"],
        "unit": rows[0]["unit"],
        "origin_date": rows[0]["origin_date"].isoformat(),
        "issued_at": utc_text(issue.issued_at),
        "horizon_days": request.days,
        "predictions": days,
        "confidence": min(day["confidence"] for day in days),
    }
    return item, model_of(issue, rows[0])


def select_issue(served: ServedForecasts, request: PredictionRequest) -> ForecastIssue:
    """The issue of the requested model.

    Raises Problem 404 without any forecast, 503 without one of this model.
    """
    if request.model == CHAMPION:
        issue = served.champion(request.commodity, request.region_code)
    else:
        issue = served.of_model(request.commodity, request.region_code, request.model)
    if issue is not None:
        return issue
    if not served.issues:
        raise no_forecast(request, message("no_model_run"))
    if not served.issues.get((request.commodity, request.region_code)):
        raise no_forecast(request, message("prices_too_few"))
    reason = message("model_without_forecast", commodity=request.commodity, region=request.region)
    raise Problem("model-unavailable", name=request.model, reason=reason)


def no_forecast(request: PredictionRequest, reason: TranslatedText) -> Problem:
    """404 with the reason."""
    return Problem("no-forecast", commodity=request.commodity, region=request.region, reason=reason)


def day_of(row: Mapping[str, Any], level: float) -> dict[str, Any]:
    """One day of a prediction."""
    lower, upper = interval(row, level)
    return {
        "date": row["target_date"].isoformat(),
        "price_idr": round(row["price_idr"], 2),
        "lower_idr": round(lower, 2),
        "upper_idr": round(upper, 2),
        "confidence": row["confidence"],
    }


def interval(row: Mapping[str, Any], level: float) -> tuple[float, float]:
    """(lower, upper) of the interval at any level.

    Those of 80 and 95 % are measured, the others interpolated.

    Per end, the log distance from the forecast is linear in the normal quantile between (and beyond) 0, 80
    and 95 %.
    """
    if level in (0.80, 0.95):
        name = "80" if level == LEVEL else "95"
        return row[f"lower_{name}_idr"], row[f"upper_{name}_idr"]
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = log(row["price_idr"])

    def end(side: str) -> float:
        near, far = (log(row[f"{side}_{name}_idr"]) - centre for name in ("80", "95"))
        return exp(centre + (near * z / Z80 if z < Z80 else near + (far - near) * (z - Z80) / (Z95 - Z80)))

    return end("lower"), end("upper")


def as_of(item: Mapping[str, Any]) -> datetime:
    """The last day whose prices a prediction was made from, as a time within it."""
    return datetime.fromisoformat(item["origin_date"]).replace(tzinfo=UTC)


def alias_of(issue: ForecastIssue, row: Mapping[str, Any]) -> str:
    """`champion` for a registered model that passed the gate, `baseline` for what serves where none has."""
    if not issue.champion:
        return "candidate"
    return CHAMPION if row["model_version"] not in (None, UNREGISTERED) else "baseline"


def model_of(issue: ForecastIssue, row: Mapping[str, Any]) -> dict[str, Any]:
    """The model as provenance; `reason`: why it is the champion or is not."""
    trained_on = {} if row["data_version"] is None else {"gold.daily_prices": cast(int, row["data_version"])}
    version, run_id = row["model_version"] or UNREGISTERED, row["run_id"] or "none"
    alias, reason = alias_of(issue, row), row["gate_reason"]
    return model_meta(issue.model, version, alias, trained_on, run_id, reason=reason)
