"""Lists of what posts say: about commodities and symbols by day, and about the products of a shop."""

from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from lakehouse.sentiment.daily import score_of
from serving_api.http.messages import message
from serving_api.http.problems import Problem
from serving_api.listings.filters import MEMBERS
from serving_api.listings.listing import Filter, Listing, ListRequest, Row, listing_router
from serving_api.listings.retail import CATEGORY_COLUMN, REVENUE, SHOP
from serving_api.reads.names import commodity_ids
from serving_api.reads.provenance import model_meta
from serving_api.reads.retail.categories import listed_category, shop_of
from serving_api.reads.snapshots import Snapshot
from serving_api.reads.supported import Symbols, symbols_with_bars
from serving_api.schemas.envelope import Name, TimeRangeQuery
from serving_api.schemas.retail.analytics import ProductSentiment

TABLE = "gold.sentiment"
COUNTS = ("posts", "positive", "neutral", "negative")


class SubjectQuery(TimeRangeQuery):
    """Either a commodity or a symbol."""

    @model_validator(mode="after")
    def _names_a_subject(self) -> Self:
        subject: Any = self
        if (subject.commodity is None) == (subject.symbol is None):
            raise ValueError(message("commodity_or_symbol"))
        return self


def of_commodity(name: str, request: ListRequest) -> pc.Expression:
    """The rows about a commodity and the members of a group. Raises Problem 404."""
    ids = sorted(commodity_ids(name))
    return (pc.field("subject_kind") == "commodity") & pc.field("subject").isin(ids)


def of_symbol(name: str, request: ListRequest) -> pc.Expression:
    """The rows about a stock or coin that is traded or that posts name. Raises Problem 404."""
    symbol = name.strip().upper()
    condition = (pc.field("subject_kind") == "symbol") & (pc.field("subject") == symbol)
    is_traded = symbol in symbols_with_bars(request.shared[Symbols])
    if not is_traded and not request.snapshot.first_row(condition, ["subject"]):
        raise Problem("unknown-symbol", name=name)
    return condition


def named_products(request: ListRequest, condition: pc.Expression) -> pa.Table:
    """The products of the shop that posts name, with their counts. Raises Problem 404."""
    shop = shop_of(request.others[REVENUE], request.values["shop"])
    rows = request.snapshot.cached(("products", shop), lambda: product_counts(request.snapshot, shop))
    return rows.filter(condition)


def product_counts(snapshot: Snapshot, shop: str) -> pa.Table:
    """Columns `product_name`, `category`, COUNTS and `newest`: all days of each product of the shop."""
    condition = (pc.field("subject_kind") == "product") & (pc.field("shop") == shop)
    days = snapshot.read(condition, ["subject", "category", "market_date", *COUNTS])
    sums = [(name, "sum") for name in COUNTS]
    totals = days.group_by(["subject", "category"]).aggregate([*sums, ("market_date", "max")])
    names = {"subject": "product_name", "market_date_max": "newest"} | {
        f"{name}_sum": name for name in COUNTS
    }
    return totals.rename_columns([names.get(name, name) for name in totals.column_names])


def sentiment_model(request: ListRequest) -> Row | None:
    """The `meta.model` of the table; None while it is empty. All of its rows are of one classifier."""
    row = request.snapshot.first_row(pc.scalar(True), ["classifier", "classifier_version"])
    if row is None:
        return None
    alias = "baseline" if row["classifier"] == "lexicon" else "champion"
    return model_meta(row["classifier"], row["classifier_version"], alias)


def with_score(row: Row) -> Row:
    """A product as an item."""
    score = score_of(row["positive"], row["negative"])
    return row | {"newest": row["newest"].isoformat(), "score": score}


DAYS = Listing(
    table=TABLE,
    path="/api/v1/sentiment",
    name="list_sentiment",
    item="DailySentiment",
    summary="Sentiment of posts per day, newest first",
    description="""`meta.model` names what states the polarity: a list of words, or a trained model
    that beats it.

    Default: the 30 days that end with the newest day of the table; `meta.range` names them.""",
    columns="subject, market_date, posts, positive, neutral, negative, score, pressure",
    renamed={"market_date": "date"},
    query=SubjectQuery,
    times="market_date",
    filters=(
        Filter("commodity", MEMBERS, of_commodity, Name, examples=("cabai",)),
        Filter("symbol", "a stock or coin that posts name or that has bars", of_symbol, Name),
    ),
    order="market_date desc, subject",
    model=sentiment_model,
)
PRODUCTS = Listing(
    table=TABLE,
    path="/api/v1/retail/product-sentiment",
    name="list_product_sentiment",
    tag="retail",
    item=ProductSentiment,
    summary="Sentiment of posts that name a product of the shop",
    description="""Products that posts name, the most named first; empty where no post names one.

    A post names a product where the whole name stands in it, word by word; names of fewer than six
    letters and digits, and names of common words or numbers alone, do not count. `meta.model` names
    what states the polarity.""",
    others=(REVENUE,),
    rows=named_products,
    filters=(
        Filter(
            "category",
            CATEGORY_COLUMN,
            lambda name, request: pc.field("category") == listed_category(request.others[REVENUE], name),
            Name,
        ),
        SHOP,
    ),
    order="posts desc, product_name, category",
    item_from=with_score,
    model=sentiment_model,
)
router = listing_router("sentiment", DAYS, PRODUCTS)
