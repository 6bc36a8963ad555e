"""Schemas of the ledger: its blocks and the report of an integrity check."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, QueryParameters

Chain = Literal["price", "trade"]


class ChainQuery(QueryParameters):
    """Parameters of the integrity check."""

    chain: Chain = Field("price", description="which of the two hash chains")


class IntegrityReport(BaseModel):
    """Whether a chain and the rows that it covers are still as they were recorded."""

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
