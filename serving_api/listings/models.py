"""Lists of what is known of models: accuracy of forecasts, importance of features."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from conf.settings import settings
from lakehouse.io.query import run_sql
from lakehouse.reference import DEFAULT_TIMEZONE
from serving_api.http.problems import Problem
from serving_api.listings.filters import commodity, from_simulated_prices
from serving_api.listings.listing import (
    Filter,
    Listing,
    ListRequest,
    Row,
    equal,
    listing_router,
    table_rows,
)
from serving_api.reads.dashboard.daily_figures import Figures, chosen_level, close_of, figures_now
from serving_api.reads.forecasts import BASELINE, served_forecasts
from serving_api.reads.names import NATION, forecast_commodity, region_of, single_commodity
from serving_api.reads.provenance import model_meta, simulated_rows
from serving_api.reads.responses import KeyedItem, to_json_value
from serving_api.schemas.envelope import Name
from serving_api.schemas.forecasts import IssuedForecast, IssuedForecastsQuery
from serving_api.schemas.models import AccuracyRow, TrainedModel
from serving_api.schemas.predictions import PredictionModel

FORECASTS = "gold.forecasts"
ISSUED_DAYS = 90
# A training round issues again what was issued from the same origin: one forecast of a day, not two.
LAST_ISSUES = """
    select *, epoch(issued_at) < epoch(target_date::timestamp) + $cut as in_time from forecasts
    qualify row_number() over (
        partition by target_date, horizon_days order by in_time desc, issued_at desc) = 1"""
FIGURES = tuple(name for name in AccuracyRow.model_fields if name not in ("accuracy_pct", "coverage"))


def of_model(name: str, request: ListRequest) -> pc.Expression:
    """The rows of a model. Raises Problem 404 for one that is not known and has no figures."""
    snapshot = request.snapshot
    measured = snapshot.cached("models", lambda: snapshot.rows["model"].unique().to_pylist())
    if name not in (BASELINE, *get_args(PredictionModel), *measured):
        raise Problem("no-model", name=name)
    return pc.field("model") == name


def accuracy_item(row: Row) -> Row:
    """A row of gold.model_accuracy as an item."""
    figures = {name: row[name] for name in FIGURES}
    return figures | {"accuracy_pct": 100 - row["mape_pct"], "coverage": row["coverage_80"]}


def newest_run(request: ListRequest) -> list[Row]:
    """The importances of the run that the model was trained in last. Raises Problem 404 without any."""
    name = request.values["commodity"]
    commodity = None if name is None else single_commodity(name)
    of_model = request.snapshot.rows.filter(pc.field("model") == request.values["model"]).to_pylist()
    of_commodity = [row for row in of_model if row["commodity"] == commodity]
    candidates = of_commodity or [row for row in of_model if row["commodity"] is None]
    if not candidates:
        raise Problem("no-model", name=request.values["model"])
    newest = max(candidates, key=lambda row: row["measured_at"])
    return [row for row in candidates if row["run_id"] == newest["run_id"]]


def ranked_features(request: ListRequest) -> list[KeyedItem]:
    """The features by rank."""
    keyed = [((row["rank"], row["feature"]), row) for row in newest_run(request)]
    return sorted(keyed, key=lambda pair: pair[0])


def run_of(request: ListRequest) -> Row:
    """The run that the importances come from, with its training data if its forecasts name them."""
    row = newest_run(request)[0]
    served = served_forecasts(request.others[FORECASTS])
    forecasts: list[Row] = []
    if served.issues and row["run_id"]:
        forecasts = served.rows.filter(pc.field("run_id") == row["run_id"]).slice(0, 1).to_pylist()
    forecast = forecasts[0] if forecasts else {}
    data, version = forecast.get("data_version"), forecast.get("model_version") or "0"
    trained_on = {} if data is None else {"gold.daily_prices": data}
    return model_meta(request.values["model"], version, "latest", trained_on, row["run_id"] or "none")


def any_simulated(request: ListRequest) -> Callable[[Row], bool]:
    """Whether simulated prices are among those that models learn from: all of them."""
    simulated = any(simulated_rows(request.snapshots["gold.live_prices"], ["commodity"]))
    return lambda item: simulated


def issued_series(request: ListRequest) -> tuple[str, str]:
    """(commodity, code of the province or nation) whose forecasts are listed. Raises Problem 404."""
    code, _ = region_of(request.values["region"])
    served = served_forecasts(request.snapshot)
    return forecast_commodity(request.values["commodity"], served, code), code


def issued(request: ListRequest) -> pc.Expression:
    """The forecasts of the series, of the requested model or of the champion then. Raises Problem 404."""
    commodity, code = issued_series(request)
    model, first = request.values["model"], request.values["from_"]
    newest = request.snapshot.newest or datetime.max.replace(tzinfo=UTC)
    since = close_of(first - timedelta(days=1)) if first else newest - timedelta(days=ISSUED_DAYS)
    return (
        (pc.field("commodity") == commodity)
        & (pc.field("region_code") == code)
        & (pc.field("issued_at") >= since)
        & (pc.field("champion") if model is None else pc.field("model") == model)
    )


def last_issues(request: ListRequest, condition: pc.Expression) -> pa.Table:
    """The last issue for each target day and horizon, of those issued before the cut of the day if there are.

    `in_time`: it was issued before the cut, after which the prices of a day are complete.
    """
    cut = datetime.combine(date(1970, 1, 1), settings().forecast.cut_local_time, ZoneInfo(DEFAULT_TIMEZONE))
    rows = table_rows(request.snapshot, condition, ISSUED.needed)
    return run_sql(LAST_ISSUES, {"forecasts": rows}, {"cut": cut.timestamp()})


def with_actual_prices(rows: Sequence[Row], request: ListRequest) -> list[Row]:
    """The forecasts, each with the price that followed."""
    actuals = actual_prices(figures_now(request.snapshots), *issued_series(request))
    return [issued_item(row, actuals) for row in rows]


def issued_item(row: Row, actuals: Mapping[date, float]) -> Row:
    """A forecast with the price of its day and whether the interval of 80 % held it."""
    actual = actuals.get(row["target_date"])
    lower, upper = row["lower_80_idr"], row["upper_80_idr"]
    return {
        "issued_at": to_json_value(row["issued_at"]),
        "issued_on": row["issued_at"].date().isoformat(),
        "origin_date": row["origin_date"].isoformat(),
        "target_date": row["target_date"].isoformat(),
        "horizon_days": row["horizon_days"],
        "price_idr": round(row["price_idr"], 2),
        "lower_idr": round(lower, 2),
        "upper_idr": round(upper, 2),
        "actual_idr": actual,
        "inside": None if actual is None else lower <= actual <= upper,
        "in_time": row["in_time"],
        "model": row["model"],
    }


def actual_prices(figures: Figures, commodity: str, region_code: str) -> dict[date, float]:
    """Market day -> price of the province; of the nation the national price of that day.

    Both as gold.indicators has them, so that they equal those of all other pages.
    """
    is_nation = region_code == NATION[0]
    condition = pc.scalar(True) if is_nation else pc.field("region_code") == region_code
    price = "national_price_idr" if is_nation else "median_price_idr"
    rows = figures.rows(condition, ("level", "market_date", price), [commodity])
    if not rows.num_rows:
        return {}
    of_level = rows.filter(pc.field("level") == chosen_level(rows))
    return dict(zip(of_level["market_date"].to_pylist(), of_level[price].to_pylist(), strict=True))


ISSUED = Listing(
    table=FORECASTS,
    path="/api/v1/forecasts/issued",
    name="list_issued_forecasts",
    tag="forecasts",
    item=IssuedForecast,
    summary="Past forecasts with the prices that followed",
    description="""Forecasts as they were issued, newest issue first, each with the price of its day once it
    is known: of a province its price, of the nation the national price of that day.

    One forecast for each target day and horizon: the last issue before the prices of its day were complete.
    Where all issues came later, `in_time` is false: such a forecast proves nothing.

    Default: the champion of that time, and the 90 days that end with the newest issue.""",
    columns=(
        "issued_at, origin_date, target_date, horizon_days, model, price_idr, lower_80_idr, upper_80_idr"
    ),
    query=IssuedForecastsQuery,
    others=("gold.indicators",),
    condition=issued,
    rows=last_issues,
    order="issued_at desc, model, horizon_days",
    present=with_actual_prices,
)
ACCURACY = Listing(
    table="gold.model_accuracy",
    path="/api/v1/models/accuracy",
    name="list_model_accuracy",
    item=AccuracyRow,
    summary="Accuracy of forecasts",
    description="""The accuracy of every model on the same forecasts, newest figures first.

    Measured in a rolling-origin backtest or, with `kind=issued`, on the forecasts that were served.""",
    columns=", ".join((*FIGURES, "coverage_80")),
    condition=lambda request: pc.field("origins") >= 1,
    filters=(
        commodity(examples=("cabai",)),
        Filter(
            "region",
            "province name or two-digit code; Indonesia: all provinces together",
            lambda name, request: pc.field("region_code") == region_of(name)[0],
            Name,
        ),
        Filter("model", "name of the model", of_model, Name, examples=("ensemble",)),
        equal("horizon_days", "days ahead", Annotated[int, Field(ge=1, le=30)]),
        equal(
            "kind",
            "issued: forecasts that were served, measured afterwards",
            Literal["backtest", "issued"],
            default="backtest",
        ),
    ),
    order="measured_at desc, model, commodity, region_code, horizon_days",
    item_from=accuracy_item,
    demo=from_simulated_prices,
)
IMPORTANCE = Listing(
    table="gold.feature_importance",
    path="/api/v1/models/importance",
    name="list_feature_importance",
    item="ImportanceRow",
    summary="Feature importance of a model, most important first",
    description="Features of the model that was trained last, by rank; 404 before the first training.",
    columns="feature, importance, rank",
    others=(FORECASTS,),
    filters=(
        Filter("model", "what the model predicts", annotation=TrainedModel, required=True),
        Filter(
            "commodity",
            "a commodity without a model of its own has that of all commodities",
            annotation=Name,
        ),
    ),
    keyed=ranked_features,
    demo=any_simulated,
    model=run_of,
)
router = listing_router("models", ISSUED, ACCURACY, IMPORTANCE)
