"""Schemas of the ledger: its blocks and the report of an integrity check."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving_api.schemas.envelope import Meta, PageQuery, with_examples

Chain = Literal["price", "trade"]
HASH_EXAMPLE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class ChainQuery(BaseModel):
    """Parameters of the integrity check."""

    model_config = ConfigDict(extra="forbid")
    chain: Chain = Field("price", description="which of the two hash chains")


class BlocksQuery(PageQuery):
    """Parameters of the list of blocks."""

    chain: Chain = Field("price", description="which of the two hash chains")
    event_id: Annotated[str, Field(min_length=1, max_length=600)] | None = Field(
        None, description="blocks about this event"
    )


class Block(BaseModel):
    """One record of the ledger."""

    model_config = with_examples(
        {
            "index": 811,
            "hash": HASH_EXAMPLE,
            "previous_hash": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            "timestamp": "2026-11-21T01:00:00Z",
            "kind": "batch",
            "event_id": None,
            "table": "silver.prices",
            "delta_version": 4711,
        }
    )
    index: int = Field(ge=0)
    hash: str = Field(pattern="^[0-9a-f]{64}$")
    previous_hash: str = Field(pattern="^[0-9a-f]{64}$")
    timestamp: datetime
    kind: str
    event_id: str | None = Field(description="null for a batch of prices and for a compaction")
    table: str | None
    delta_version: int | None


class IntegrityReport(BaseModel):
    """Whether a chain and the rows that it covers are still as they were recorded."""

    model_config = with_examples(
        {
            "valid": True,
            "chain": "price",
            "length": 812,
            "head_hash": HASH_EXAMPLE,
            "first_invalid_index": None,
            "reason": None,
            "first_altered_event_id": None,
            "checked_at": "2026-11-21T01:00:00Z",
        }
    )
    valid: bool
    chain: Chain
    length: int = Field(ge=0, description="number of records in the chain")
    head_hash: str | None
    first_invalid_index: int | None
    reason: str | None = Field(
        description="hash, gap, link, payload: fault of a record; rows, root: fault of the rows it covers; "
        "truncated, head: disagrees with the published head, or there is none; files: older than its files "
        "were noted to be; unreadable: a file cannot be read"
    )
    first_altered_event_id: str | None = Field(description="null when the row cannot be identified")
    checked_at: datetime = Field(
        description="time of the check; while a long check runs, the previous report is returned"
    )
    meta: Meta
