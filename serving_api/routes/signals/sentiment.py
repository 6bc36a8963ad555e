"""Sentiment of posts about a commodity or a symbol, per day."""

from collections.abc import Sequence
from typing import Annotated

import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Response

from serving_api.http.cursors import Key, time_range
from serving_api.http.dependencies import CurrentResponses, CurrentSnapshots, CurrentSymbols
from serving_api.http.problems import Problem
from serving_api.reads.names import commodity_ids
from serving_api.reads.responses import EncodedPage, KeyedItem, encode_page
from serving_api.reads.sentiment import TABLE, sentiment_model
from serving_api.reads.snapshots import Snapshot, newest_of
from serving_api.reads.supported import Symbols, is_traded
from serving_api.reads.table_rows import first_row, listed_rows
from serving_api.schemas.envelope import Page
from serving_api.schemas.problem import problems
from serving_api.schemas.signals.sentiment import DailySentiment, SentimentQuery

router = APIRouter(prefix="/api/v1", tags=["sentiment"])
COUNTS = ("posts", "positive", "neutral", "negative", "score", "pressure")
LISTED = ("subject", "market_date", *COUNTS)
ORDER = (("market_date", "descending"), ("subject", "ascending"))


@router.get(
    "/sentiment",
    response_model=Page[DailySentiment],
    responses=problems(404, 410, 422),
    summary="Sentiment of posts per day, newest first",
)
async def list_sentiment(
    query: Annotated[SentimentQuery, Query()],
    snapshots: CurrentSnapshots,
    symbols: CurrentSymbols,
    responses: CurrentResponses,
) -> Response:
    """`meta.model` names what states the polarity: a list of words, or a trained model that beats it.

    Default: the 30 days that end with the newest day of the table; `meta.range` names them.
    """

    def respond() -> Response:
        snapshot = snapshots.open_newest(TABLE)
        times = time_range(query.from_, query.to, newest_of(snapshot, "market_date"))

        def read(key: Key | None, limit: int) -> EncodedPage:
            of_subject = subjects(query, snapshot, symbols)
            rows = listed_rows(snapshot, of_subject & times.of_prices(), LISTED, ORDER, key, limit)
            return encode_page(shown(rows), limit, model=sentiment_model(snapshot))

        return responses.page([snapshot], query, read, times=times)

    return await run_sync(respond)


def subjects(query: SentimentQuery, snapshot: Snapshot, symbols: Symbols) -> pc.Expression:
    """The rows of the subject that the query names. Raises Problem 404 for an unknown one."""
    if query.commodity is not None:
        ids = sorted(commodity_ids(query.commodity))
        return (pc.field("subject_kind") == "commodity") & pc.field("subject").isin(ids)
    symbol = str(query.symbol).strip().upper()
    condition = (pc.field("subject_kind") == "symbol") & (pc.field("subject") == symbol)
    if not is_traded(symbols, symbol) and first_row(snapshot, condition, ["subject"]) is None:
        raise Problem("unknown-symbol", name=query.symbol)
    return condition


def shown(rows: Sequence[KeyedItem]) -> list[KeyedItem]:
    """The items with their day as `date`."""
    return [
        (key, {"subject": row["subject"], "date": row["market_date"], **{name: row[name] for name in COUNTS}})
        for key, row in rows
    ]
