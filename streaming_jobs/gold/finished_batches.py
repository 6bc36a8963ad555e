"""Finished batches: gold.balance is written last, so a batch that it holds is in every table."""

from datetime import datetime

import pyarrow.compute as pc

from lakehouse.io.delta import open_table


def newest_finished(after: datetime, kind: str | None = None) -> datetime | None:
    """Time of the newest finished batch later than `after`, with events of `kind` if given; None without one.

    Files of gold.balance with earlier batches are skipped by their statistics.
    """
    wanted = pc.field("ingested_at") > after
    if kind is not None:
        wanted &= pc.field("kind") == kind
    balance = open_table("gold.balance").to_pyarrow_dataset()
    newest: datetime | None = pc.max(
        balance.to_table(columns=["ingested_at"], filter=wanted)["ingested_at"]
    ).as_py()
    return newest
