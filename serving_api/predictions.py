"""A price prediction out of materialised forecasts: which model speaks, for which days, in which interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log
from statistics import NormalDist
from typing import Any, cast

from serving_api import metrics
from serving_api.forecasts import Issue, Served
from serving_api.names import NATION
from serving_api.problems import Problem

DAYS = 7  # of the plain forecast
LEVEL = 0.8
CHAMPION = "champion"
Z80, Z95 = (NormalDist().inv_cdf((1 + level) / 2) for level in (0.80, 0.95))


@dataclass(frozen=True)
class Question:
    """What is asked of the forecasts; names are ids of the reference lists, `region_code` ID is the nation."""

    commodity: str
    region_code: str
    region: str
    days: int = DAYS
    model: str = CHAMPION
    level: float = LEVEL


def predicted(served: Served, asked: Question) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """(answer, the model that spoke, whether the answer was remembered). Raises Problem 404 or 503."""
    (item, model), hit = served.answered(asked, lambda: made(served, asked))
    metrics.PREDICTIONS.labels("true" if hit else "false").inc()
    return item, model, hit


def made(served: Served, asked: Question) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answer without what belongs to the request. Raises Problem 404 or 503."""
    issue = speaker(served, asked)
    rows = served.days(issue)
    if len(rows) < asked.days:
        raise nothing(asked, f"model {issue.model} looks {len(rows)} days ahead, not {asked.days}")
    days = [day_of(row, asked.level) for row in rows[: asked.days]]
    item = {
        "commodity": asked.commodity,
        "region": NATION[1] if asked.region_code == NATION[0] else asked.region,
        "unit": rows[0]["unit"],
        "horizon_days": asked.days,
        "predictions": days,
        "confidence": min(day["confidence"] for day in days),
    }
    return item, model_of(issue, rows[0])


def speaker(served: Served, asked: Question) -> Issue:
    """The issue that answers. Raises Problem 404 when nobody forecasts the series, 503 when the model asked for does not."""
    champion = served.champion(asked.commodity, asked.region_code)
    wanted = champion if asked.model == CHAMPION else served.of_model(asked.commodity, asked.region_code, asked.model)
    if wanted is not None:
        return wanted
    if not served.issues.get((asked.commodity, asked.region_code)):
        raise nothing(asked, "no model has been run for it yet" if not served.issues else "its prices are too few or too old")
    why = f"it has no current forecast of '{asked.commodity}' for {asked.region}; ask for the champion"
    raise Problem("model-unavailable", name=asked.model, why=why)


def nothing(asked: Question, why: str) -> Problem:
    """404 with the reason."""
    return Problem("no-forecast", commodity=asked.commodity, region=asked.region, why=why)


def day_of(row: Mapping[str, Any], level: float) -> dict[str, Any]:
    """One day of the answer."""
    lower, upper = interval(row, level)
    return {
        "date": row["target_date"].isoformat(),
        "price_idr": round(row["price_idr"], 2),
        "lower_idr": round(lower, 2),
        "upper_idr": round(upper, 2),
        "confidence": row["confidence"],
    }


def interval(row: Mapping[str, Any], level: float) -> tuple[float, float]:
    """Ends at any level: those of 80 and 95 % as they stand; else, per end, the log distance from the forecast is laid straight
    between (and beyond) 0, 80 and 95 % over the normal quantiles. An interpolation: only 80 and 95 % are measured."""
    if level in (0.80, 0.95):
        name = "80" if level == LEVEL else "95"
        return row[f"lower_{name}_idr"], row[f"upper_{name}_idr"]
    z, centre = NormalDist().inv_cdf((1 + level) / 2), log(row["price_idr"])

    def end(side: str) -> float:
        near, far = (log(row[f"{side}_{name}_idr"]) - centre for name in ("80", "95"))
        return exp(centre + (near * z / Z80 if z < Z80 else near + (far - near) * (z - Z80) / (Z95 - Z80)))

    return end("lower"), end("upper")


def model_of(issue: Issue, row: Mapping[str, Any]) -> dict[str, Any]:
    """The model as provenance; `reason`: why it is champion or is not."""
    trained_on = {} if row["data_version"] is None else {"gold.daily_prices": cast(int, row["data_version"])}
    return {
        "name": issue.model,
        "version": row["model_version"] or "0",
        "run_id": row["run_id"] or "none",
        "alias": CHAMPION if issue.champion else "candidate",
        "trained_on": trained_on,
        "reason": row["gate_reason"],
    }
