"""Lists of the ledger: the blocks of a chain, and those about paper orders."""

from typing import Annotated, Any

import orjson
import pyarrow.compute as pc
from pydantic import Field

from serving_api.http.cursors import Key
from serving_api.listings.listing import Filter, Listing, ListRequest, Row, equal, listing_router
from serving_api.reads.keyset import next_rows
from serving_api.reads.responses import KeyedItem, to_json_value
from serving_api.reads.snapshots import Snapshot
from serving_api.reads.trading.market import bar_of
from serving_api.schemas.blockchain import Chain
from serving_api.schemas.envelope import Name
from serving_api.schemas.trading.trades import RecordedTrade, TradeBlock

TABLE = "gold.ledger"
EventId = Annotated[str, Field(min_length=1, max_length=600)]
TRADE_COLUMNS = ("index", "hash", "previous_hash", "timestamp", "payload")


def newest_blocks(
    request: ListRequest, condition: pc.Expression, key: Key | None, limit: int
) -> list[KeyedItem]:
    """The blocks below an index. Of a whole chain a range of indexes is read; where it has gaps, the rest."""
    snapshot, chain = request.snapshot, request.values["chain"]
    below = key[0] if key else 1 + snapshot.cached(("top", chain), lambda: newest_index(snapshot, chain))
    condition &= pc.field("index") < below
    lowest = 0 if request.values["event_id"] else max(0, below - limit - 1)
    rows = snapshot.read(condition & (pc.field("index") >= lowest), BLOCKS.needed)
    if rows.num_rows <= limit and lowest > 0:
        rows = snapshot.read(condition, BLOCKS.needed)
    return next_rows(rows, BLOCKS.sort_keys, None, limit + 1)


def newest_index(snapshot: Snapshot, chain: str) -> int:
    """Index of the newest record; -1 when there is none."""
    newest: int | None = pc.max(snapshot.read(pc.field("chain") == chain, ["index"])["index"]).as_py()
    return -1 if newest is None else newest


def newest_trade_blocks(request: ListRequest) -> list[KeyedItem]:
    """The blocks about orders, newest first. Raises Problem 404 for an unknown symbol."""
    name = request.values["symbol"]
    symbol = None if name is None else bar_of(request.snapshots, name)["symbol"]
    blocks = request.snapshot.cached("trade blocks", lambda: trade_blocks(request.snapshot))
    return [block for block in blocks if symbol in (None, block[1]["trade"]["symbol"])]


def trade_blocks(snapshot: Snapshot) -> list[KeyedItem]:
    """The blocks of chain `trade` that are about orders, newest first."""
    condition = (pc.field("chain") == "trade") & (pc.field("table") == "silver.orders")
    rows = snapshot.read(condition & (pc.field("kind") == "trade"), TRADE_COLUMNS)
    records = rows.sort_by([("index", "descending")]).to_pylist()
    return [((-row["index"],), block_item(row)) for row in records]


def block_item(row: Row) -> Row:
    """A record of the ledger as an item."""
    payload: dict[str, Any] = orjson.loads(row["payload"])
    return {
        "block_number": row["index"],
        "block_hash": row["hash"],
        "previous_hash": row["previous_hash"],
        "trade": {name: payload[name] for name in RecordedTrade.model_fields},
        "timestamp": to_json_value(row["timestamp"]),
    }


BLOCKS = Listing(
    table=TABLE,
    path="/api/blockchain/blocks",
    name="list_blocks",
    item="Block",
    summary="Blocks, newest first",
    description="Records of a chain; with `event_id`, those about that event.",
    columns="index, hash, previous_hash, timestamp, kind, event_id, table, delta_version",
    filters=(
        equal("chain", "which of the two hash chains", Chain, default="price"),
        equal("event_id", "blocks about this event", EventId),
    ),
    order="index desc",
    read=newest_blocks,
    statuses=(),
)
TRADE_BLOCKS = Listing(
    table=TABLE,
    path="/api/smartcontract/records",
    name="list_trade_blocks",
    tag="trading",
    item=TradeBlock,
    summary="Blocks about paper orders, newest first",
    description="Blocks of chain `trade`. A ledger of this machine that detects alteration, not a public "
    "blockchain.",
    filters=(Filter("symbol", "only this stock or coin", annotation=Name),),
    keyed=newest_trade_blocks,
)
router = listing_router("ledger", BLOCKS, TRADE_BLOCKS)
