"""silver.posts -> gold.sentiment: counts per day grow by the posts of finished batches."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.dataset as ds

from lakehouse.io.delta import inputs_fingerprint, last_made_from, open_table
from lakehouse.io.log_stamps import LogStamps
from lakehouse.io.query import run_sql
from lakehouse.io.sentiment_model import load_sentiment_model, sentiment_model_file
from lakehouse.sentiment.classifier import PolarityClassifier, classifier_of
from lakehouse.sentiment.daily import MENTIONS, mentions_of
from lakehouse.sentiment.products import Product, ProductNames
from streaming_jobs.gold.contract_sql import SqlJob
from streaming_jobs.gold.driver import BALANCE, Change, News, Views

TABLE = "gold.sentiment"
POSTS = "silver.posts"
LISTINGS = "silver.listings"
COLUMNS = ["content", "title", "symbols", "commodities", "market_date", "event_time", "_warnings"]
POSTS_AT_ONCE = 10_000
PAUSE_SHARE = 10  # after all posts were read for a changed catalogue, a pause of so many times as long
NAMES_SQL = """
  select distinct newest.shop as shop, newest.category as category, newest.product_name as name from (
    select arg_max({'shop': coalesce(shop, 'main'), 'category': category, 'product_name': product_name},
      (event_time, event_id)) as newest
    from silver_listings where category is not null group by coalesce(shop, 'main'), product_id
  )
"""


class Sentiment(SqlJob):
    """The contract's SQL over what the posts of finished batches name.

    All posts are read again when training replaces the champion, and when products have come, gone or been
    renamed.
    """

    sources = (BALANCE, LISTINGS)

    def __init__(self, pause_share: float = PAUSE_SHARE) -> None:
        super().__init__(TABLE)
        self.kinds = ("post",)
        self._loaded: int | None = None
        self._classifier: PolarityClassifier = classifier_of(None)
        self._listings = LogStamps((LISTINGS,))
        self._listings_changed = False
        self._pause_share = pause_share
        self._names_due = 0.0
        self._products = pa.table({})

    def is_due(self) -> bool:
        """Whether training has replaced the champion."""
        return modified_at() != self._loaded

    def changes(self) -> Iterator[Change]:
        """The days of new posts, or all of them; then other names wait for a while."""
        if self.is_due():
            self._load_champion()
            self._listings = LogStamps((LISTINGS,))
            self._names_due = 0.0
        began = time.monotonic()
        stamps = self._listings.take() if began >= self._names_due else None
        self._listings_changed = stamps is not None
        yield from super().changes()
        self.is_behind = began < self._names_due
        if stamps is not None:
            self._listings.keep(stamps)
            self._names_due = time.monotonic() + self._pause_share * (time.monotonic() - began)

    def news(self) -> News | None:
        """New posts; all of them when the rows were made by another champion or from other names."""
        news = super().news()
        if news is None and not self._listings_changed:
            return None
        self._load_names()
        if self._listings_changed and last_made_from(TABLE) != self.made_from:
            return super().everything()
        return news

    def everything(self) -> News | None:
        """All posts, to be read by the champion and with the names that there are now."""
        self._load_champion()
        self._load_names()
        return super().everything()

    def _load_champion(self) -> None:
        self._loaded = modified_at()
        self._classifier = classifier_of(load_sentiment_model())

    def _load_names(self) -> None:
        self._products = listed_names()
        champion = f"{self._classifier.name} {self._classifier.version}"
        self.made_from = inputs_fingerprint(f"{champion} {fingerprint(self._products)}")

    def compute(self, news: News) -> Iterator[Change]:
        """The rows of the days with new posts, or all rows."""
        for change in super().compute(news):
            yield replace(change, made_from=self.made_from) if news.is_everything else change

    def prepared(self, rows_of: Callable[[str], ds.Dataset]) -> Views:
        """The view `mentions`, read some thousand posts at a time."""
        columns = (self._products[name].to_pylist() for name in Product._fields)
        products = ProductNames(map(Product, *columns))
        parts = rows_of(POSTS).to_batches(columns=COLUMNS, batch_size=POSTS_AT_ONCE)
        mentions = (
            batch
            for part in parts
            for batch in mentions_of(part.to_pylist(), self._classifier, products).to_batches()
        )
        return {"mentions": pa.RecordBatchReader.from_batches(MENTIONS, mentions)}


def modified_at() -> int | None:
    """When training has written the champion's file, nanoseconds; None while there is none."""
    file = sentiment_model_file()
    return file.stat().st_mtime_ns if file.exists() else None


def listed_names() -> pa.Table:
    """Shop, category and name of the products in their newest state, each once."""
    return run_sql(NAMES_SQL, {"silver_listings": open_table(LISTINGS).to_pyarrow_dataset()})


def fingerprint(catalogue: pa.Table) -> str:
    """Text that changes with the names, in whatever order they come."""
    sql = "select count(*) || ' ' || coalesce(bit_xor(hash(shop, category, name)), 0) from catalogue"
    return str(run_sql(sql, {"catalogue": catalogue}).column(0)[0].as_py())


JOB = Sentiment
