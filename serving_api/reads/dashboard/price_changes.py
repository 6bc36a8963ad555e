"""Live prices that changed since an earlier version of gold.live_prices: for callers that poll."""

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from lakehouse.io.delta import open_table
from lakehouse.io.table_files import reading
from serving_api.http.problems import Problem
from serving_api.reads.snapshots import Snapshot

TABLE = "gold.live_prices"
Seen = frozenset[tuple[str, str, str]]  # (market, commodity, event) of the live prices of a version


def seen_in(rows: pa.Table) -> Seen:
    """The events behind the retail prices of a version."""
    retail = rows.filter(pc.field("channel") == "retail")
    columns = (retail[name].to_pylist() for name in ("market_id", "commodity", "event_id"))
    return frozenset(zip(*columns, strict=True))


def changed_since(snapshot: Snapshot, after: int) -> frozenset[tuple[str, str]]:
    """(market, commodity) of the prices that `snapshot` has and version `after` had not.

    Raises Problem 410 for a version that is not kept any more or is not there yet.
    """
    if snapshot.delta is None or after == snapshot.version:
        return frozenset()
    if after > snapshot.version:
        raise Problem("cursor-expired")

    def compare() -> frozenset[tuple[str, str]]:
        new = seen_in(snapshot.rows) - seen_in(rows_of_version(after))
        return frozenset((market, commodity) for market, commodity, _ in new)

    return snapshot.cached(("changed since", after), compare)


def rows_of_version(version: int) -> pa.Table:
    """The live prices of an earlier version. Raises Problem 410 when its files are gone."""
    columns = ["market_id", "commodity", "channel", "event_id"]
    with reading(TABLE):
        try:
            return open_table(TABLE, version).to_pyarrow_dataset().to_table(columns=columns)
        except (DeltaError, FileNotFoundError):
            raise Problem("cursor-expired") from None
