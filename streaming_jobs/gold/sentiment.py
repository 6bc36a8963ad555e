"""silver.posts -> gold.sentiment: counts per day grow by the posts of finished batches."""

import json
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import EPOCH, high_water_mark, open_table, replace_rows, tags_of
from lakehouse.io.sentiment_model import load_sentiment_model, sentiment_model_file
from lakehouse.sentiment.classifier import PolarityClassifier, classifier_of
from lakehouse.sentiment.daily import daily_rows
from streaming_jobs.gold.finished_batches import newest_finished

TABLE = "gold.sentiment"
POSTS = "silver.posts"
COLUMNS = ["content", "title", "symbols", "commodities", "market_date", "event_time", "_warnings"]
MOST_DAYS = 200  # named in one predicate; a load of more days writes the table whole


class Sentiment:
    """Loads the champion again when training replaces its file; then all posts are read again."""

    name = "sentiment"

    def __init__(self) -> None:
        self._loaded: int | None = None
        self._classifier: PolarityClassifier = classifier_of(None)

    def refresh(self) -> None:
        """Take up the posts of batches that have finished since the last commit."""
        classifier = self._current_classifier()
        served = {"classifier": f"{classifier.name} {classifier.version}"}
        upto = newest_finished(EPOCH, kind="post") or EPOCH
        mark = high_water_mark(TABLE)
        tags = tags_of(TABLE)
        if not tags or not served.items() <= tags[0].items() or upto < mark:
            mark = EPOCH
        if upto == mark:
            return
        posts = read_posts(mark, upto)
        days = {post["market_date"] for post in posts}
        if mark == EPOCH or len(days) > MOST_DAYS:
            known = rows_of(None) if mark > EPOCH else []
            _replace(daily_rows(posts, classifier, known), None, served, upto)
        else:
            _replace(daily_rows(posts, classifier, rows_of(days)), days, served, upto)

    def _current_classifier(self) -> PolarityClassifier:
        file = sentiment_model_file()
        modified = file.stat().st_mtime_ns if file.exists() else None
        if modified != self._loaded:
            self._classifier = classifier_of(load_sentiment_model())
            self._loaded = modified
        return self._classifier


def read_posts(after: datetime, upto: datetime) -> list[dict[str, Any]]:
    """Posts of the batches after `after`, up to `upto`."""
    window = (pc.field("ingested_at") > after) & (pc.field("ingested_at") <= upto)
    posts = open_table(POSTS).to_pyarrow_dataset().to_table(columns=COLUMNS, filter=window)
    rows: list[dict[str, Any]] = posts.to_pylist()
    return rows


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
