"""silver.posts -> gold.sentiment: counts per day grow by the posts of finished batches."""

import json
import time
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import EPOCH, LogStamps, high_water_mark, open_table, replace_rows, tags_of
from lakehouse.io.query import run_sql
from lakehouse.io.sentiment_model import load_sentiment_model, sentiment_model_file
from lakehouse.sentiment.classifier import PolarityClassifier, classifier_of
from lakehouse.sentiment.daily import daily_rows
from lakehouse.sentiment.products import Product, ProductNames
from streaming_jobs.gold.finished_batches import newest_finished

TABLE = "gold.sentiment"
POSTS = "silver.posts"
LISTINGS = "silver.listings"
COLUMNS = ["content", "title", "symbols", "commodities", "market_date", "event_time", "_warnings"]
MOST_DAYS = 200  # named in one predicate; a load of more days writes the table whole
POSTS_AT_ONCE = 10_000
PAUSE_SHARE = 10  # after all posts were read for a changed catalogue, a pause of so many times as long
NAMES_SQL = """
  select distinct newest.shop as shop, newest.category as category, newest.product_name as name from (
    select arg_max({'shop': coalesce(shop, 'main'), 'category': category, 'product_name': product_name},
      (event_time, event_id)) as newest
    from silver_listings where category is not null group by coalesce(shop, 'main'), product_id
  )
"""


class Sentiment:
    """Loads the champion again when training replaces its file; then all posts are read again.

    So they are when products have come, gone or been renamed.
    """

    name = "sentiment"

    def __init__(self, pause_share: float = PAUSE_SHARE) -> None:
        self._loaded: int | None = None
        self._classifier: PolarityClassifier = classifier_of(None)
        self._listings = LogStamps((LISTINGS,))
        self._pause_share = pause_share
        self._names_due = 0.0

    def refresh(self) -> None:
        """Take up the posts of batches that have finished since the last commit, and other product names."""
        classifier = self._current_classifier()
        served = {"classifier": f"{classifier.name} {classifier.version}"}
        upto = newest_finished(EPOCH, kind="post") or EPOCH
        mark = high_water_mark(TABLE)
        tags = tags_of(TABLE)
        if not tags or not served.items() <= tags[0].items() or upto < mark:
            mark = EPOCH
        stamps = self._listings.take() if time.monotonic() >= self._names_due else None
        if upto == mark and (stamps is None or upto == EPOCH):
            return
        began = time.monotonic()
        catalogue = listed_names()
        names = fingerprint(catalogue)
        counted = tags[0].get("products", "") if mark > EPOCH else names
        if counted != names:
            if stamps is None:  # until all posts are read again, the tag stays that of the older counts
                names = counted
            else:
                mark = EPOCH
        if upto > mark:
            _count(mark, upto, classifier, catalogue, served | {"products": names})
        if stamps is not None:
            self._listings.keep(stamps)
            self._names_due = time.monotonic() + self._pause_share * (time.monotonic() - began)

    def _current_classifier(self) -> PolarityClassifier:
        file = sentiment_model_file()
        modified = file.stat().st_mtime_ns if file.exists() else None
        if modified != self._loaded:
            self._classifier = classifier_of(load_sentiment_model())
            self._loaded = modified
        return self._classifier


def listed_names() -> pa.Table:
    """Shop, category and name of the products in their newest state, each once."""
    return run_sql(NAMES_SQL, {"silver_listings": open_table(LISTINGS).to_pyarrow_dataset()})


def fingerprint(catalogue: pa.Table) -> str:
    """Text that changes with the names, in whatever order they come."""
    sql = "select count(*) || ' ' || coalesce(bit_xor(hash(shop, category, name)), 0) from catalogue"
    return str(run_sql(sql, {"catalogue": catalogue}).column(0)[0].as_py())


def _count(
    mark: datetime,
    upto: datetime,
    classifier: PolarityClassifier,
    catalogue: pa.Table,
    served: dict[str, str],
) -> None:
    """Add the posts of the batches after `mark`, up to `upto`; after EPOCH, write all rows again."""
    columns = (catalogue[name].to_pylist() for name in Product._fields)
    products = ProductNames(map(Product, *columns))
    if mark == EPOCH:
        rows: list[dict[str, Any]] = []
        for posts in read_posts(mark, upto):
            rows = daily_rows(posts, classifier, products, rows)
        _replace(rows, None, served, upto)
        return
    posts = [post for part in read_posts(mark, upto) for post in part]
    days = {post["market_date"] for post in posts}
    if len(days) > MOST_DAYS:
        _replace(daily_rows(posts, classifier, products, rows_of(None)), None, served, upto)
    else:
        _replace(daily_rows(posts, classifier, products, rows_of(days)), days, served, upto)


def read_posts(after: datetime, upto: datetime) -> Iterator[list[dict[str, Any]]]:
    """Posts of the batches after `after`, up to `upto`, some thousands at a time."""
    window = (pc.field("ingested_at") > after) & (pc.field("ingested_at") <= upto)
    dataset = open_table(POSTS).to_pyarrow_dataset()
    for part in dataset.to_batches(columns=COLUMNS, filter=window, batch_size=POSTS_AT_ONCE):
        yield part.to_pylist()


def rows_of(days: set[date] | None) -> list[dict[str, Any]]:
    """Rows of the table: all, or those of some days."""
    condition = None if days is None else pc.field("market_date").isin(sorted(days))
    rows: list[dict[str, Any]] = open_table(TABLE).to_pyarrow_dataset().to_table(filter=condition).to_pylist()
    return rows


def _replace(
    rows: list[dict[str, Any]], days: set[date] | None, served: dict[str, str], upto: datetime
) -> None:
    """Replace the rows of these days, or all, in one commit with the new high-water mark."""
    table = pa.Table.from_pylist(rows, schema=arrow_schema(contracts()[TABLE]))
    listed = ", ".join(f"'{day}'" for day in sorted(days or ()))
    predicate = None if days is None else f"market_date in ({listed})" if days else "false"
    replace_rows(TABLE, table, json.dumps(served), predicate=predicate, upto=upto)


JOB = Sentiment
