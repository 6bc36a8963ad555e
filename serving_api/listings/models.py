"""Lists of what is known of models: accuracy of forecasts, importance of features."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated, Literal, get_args

import pyarrow.compute as pc
from pydantic import Field

from serving_api.http.cursors import Key
from serving_api.http.problems import Problem
from serving_api.listings.filters import commodity, from_simulated_prices
from serving_api.listings.listing import Filter, Listing, ListRequest, Row, listing_router
from serving_api.reads.dashboard.daily_figures import close_of, figures_now
from serving_api.reads.dashboard.issued_forecasts import actual_prices, issued_rows
from serving_api.reads.forecasts import BASELINE, served_forecasts
from serving_api.reads.names import forecast_commodity, region_of, single_commodity
from serving_api.reads.provenance import model_meta, simulated_rows
from serving_api.reads.responses import rows_after
from serving_api.schemas.envelope import Name
from serving_api.schemas.forecasts import IssuedForecast, IssuedForecastsQuery
from serving_api.schemas.models import AccuracyRow, TrainedModel
from serving_api.schemas.predictions import PredictionModel

FORECASTS = "gold.forecasts"
FIGURES = (
    *("model", "commodity", "region", "horizon_days", "mape_pct", "wape_pct", "mae_idr", "rmse_idr"),
    *("skill_vs_naive", "origins", "alias"),
)


def of_model(name: str, request: ListRequest) -> pc.Expression:
    """The rows of a model. Raises Problem 404 for one that is not known and has no figures."""
    snapshot = request.snapshot
    measured = snapshot.cached("models", lambda: snapshot.rows["model"].unique().to_pylist())
    if name not in (BASELINE, *get_args(PredictionModel), *measured):
        raise Problem("no-model", name=name)
    return pc.field("model") == name


def accuracy_items(rows: Sequence[Row], request: ListRequest) -> list[Row]:
    """Rows of gold.model_accuracy as items."""
    return [
        {name: row[name] for name in FIGURES}
        | {"accuracy_pct": 100 - row["mape_pct"], "coverage": row["coverage_80"]}
        for row in rows
    ]


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


def ranked_features(
    request: ListRequest, condition: pc.Expression, key: Key | None, limit: int
) -> list[tuple[Key, Row]]:
    """Up to limit + 1 features after `key`, by rank."""
    keyed = [((row["rank"], row["feature"]), row) for row in newest_run(request)]
    return list(rows_after(sorted(keyed, key=lambda pair: pair[0]), key)[: limit + 1])


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


def issued(
    request: ListRequest, condition: pc.Expression, key: Key | None, limit: int
) -> list[tuple[Key, Row]]:
    """Up to limit + 1 forecasts after `key`, each with the price that followed. Raises Problem 404."""
    forecasts, values = request.snapshot, request.values
    code, _ = region_of(values["region"])
    commodity = forecast_commodity(values["commodity"], served_forecasts(forecasts), code)
    actuals = actual_prices(figures_now(request.snapshots), commodity, code)
    first = close_of(values["from_"] - timedelta(days=1)) if values["from_"] else None
    return issued_rows(forecasts, commodity, code, values["model"], first, actuals, key, limit + 1)


ISSUED = Listing(
    table=FORECASTS,
    path="/api/v1/forecasts/issued",
    name="list_issued_forecasts",
    tag="forecasts",
    item=IssuedForecast,
    summary="Past forecasts with the prices that followed",
    description="""Forecasts as they were issued, newest issue first, each with the price of its day once it
    is known.

    Default: the champion of that time, and the 90 days that end with the newest issue.""",
    query=IssuedForecastsQuery,
    others=("gold.indicators",),
    read=issued,
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
        Filter(
            "horizon_days",
            "days ahead",
            lambda days, request: pc.field("horizon_days") == days,
            Annotated[int, Field(ge=1, le=30)],
        ),
        Filter(
            "kind",
            "issued: forecasts that were served, measured afterwards",
            lambda kind, request: pc.field("kind") == kind,
            Literal["backtest", "issued"],
            default="backtest",
        ),
    ),
    order="measured_at desc, model, commodity, region_code, horizon_days",
    present=accuracy_items,
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
    read=ranked_features,
    demo=any_simulated,
    model=run_of,
)
router = listing_router("models", ISSUED, ACCURACY, IMPORTANCE)
