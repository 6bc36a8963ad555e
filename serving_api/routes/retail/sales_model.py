"""What is known about the sales model: verdict, three R² under three splits, leakage audit, importance."""

from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import Query, Response

from lakehouse.sales import model_name
from lakehouse.translation import in_language
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.responses import CurrentResponses, to_json_value
from serving_api.reads.retail.categories import items_of, shop_of
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.schemas.problem import problems
from serving_api.schemas.retail.analytics import ShopQuery
from serving_api.schemas.retail.price_curve import FeatureShare, LeakRow, SalesModelReport, SplitScores

router = Router(prefix="/api/v1/retail", tags=["retail"])
PUBLISHED_R2 = 0.9832  # of a system for such a shop; its inputs held a column computed from the sales
MEDIANS = ("overall_median", "category_median")


@router.get(
    "/sales-model",
    response_model=SalesModelReport,
    responses=problems(404),
    summary="Accuracy and leakage audit of the sales model",
)
def retail_sales_model(
    query: Annotated[ShopQuery, Query()], snapshots: Shared[Snapshots], responses: CurrentResponses
) -> Response:
    """Three R² of each model under three splits, and the columns that give the target away."""
    scores = snapshots.open_newest("gold.sales_model")
    leaks = snapshots.open_newest("gold.sales_leaks")
    importance = snapshots["gold.feature_importance"]
    shop = shop_of(snapshots["gold.revenue"], query.shop)
    key = (shop, leaks.identity, leaks.version, importance.version)
    report = scores.cached(key, lambda: report_of(scores, leaks, importance, shop))
    if report["verdict"]:
        report = report | {"verdict": in_language(report["verdict"], responses.language)}
    return responses.item([scores, leaks, importance], report, variant=shop)


def report_of(scores: Snapshot, leaks: Snapshot, importance: Snapshot, shop: str) -> dict[str, Any]:
    """The report, without `meta`."""
    measured = model_rows(scores, shop).sort_by([("split", "ascending"), ("mae", "ascending")])
    champions = measured.filter(pc.field("champion")).slice(0, 1).to_pylist() if measured.num_rows else []
    first: dict[str, Any] = champions[0] if champions else {}
    shares = importance.rows.filter(pc.field("model") == model_name(shop)).sort_by("rank")
    champion = first.get("model")
    return {
        "champion": champion,
        "signal": champion is not None and champion not in MEDIANS,
        "verdict": first.get("reason"),
        "measured_at": to_json_value(first.get("measured_at")),
        "published_r2": PUBLISHED_R2,
        "scores": items_of(measured, SplitScores),
        "leaks": items_of(
            model_rows(leaks, shop).sort_by([("role", "ascending"), ("r2_alone", "descending")]), LeakRow
        ),
        "importance": items_of(shares, FeatureShare),
    }


def model_rows(snapshot: Snapshot, shop: str) -> pa.Table:
    """The rows of a shop; none before the first commit."""
    return snapshot.read(pc.field("shop") == shop)
