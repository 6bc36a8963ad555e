"""Lists of data quality: counts per rule, silent series, fields that no contract names."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import kinds
from lakehouse.gold.data_quality import UNVIOLATED, counts_by_rule
from serving_api.http.cursors import Key
from serving_api.http.problems import Problem
from serving_api.listings.listing import Filter, Listing, ListRequest, Row, equal, listing_router
from serving_api.reads.keyset import next_rows, time_slices
from serving_api.reads.operation.silent_series import SIMULATED_IN, ended_series, simulated_series
from serving_api.schemas.envelope import Name
from serving_api.schemas.pipeline import SeriesRhythm

READ_ROWS = 20_000  # rows of gold.data_quality read at a time: a page without filters needs one read
PART_ROWS = 1_000  # of them: a row may stand for 25 rules
TIME = pa.timestamp("us", "UTC")


def of_kind(kind: str, request: ListRequest) -> pc.Expression:
    """The rows of a kind of event. Raises Problem 404 when no contract has it."""
    if kind not in kinds():
        raise Problem("unknown-kind", name=kind)
    return pc.field("kind") == kind


def of_rule(rule: str, request: ListRequest) -> pc.Expression:
    """The rows that count a rule, and those that stand for all rules without a violation."""
    return (pc.field("rule") == rule) | pc.field("rule").is_null()


def counts(
    request: ListRequest, condition: pc.Expression, key: Key | None, limit: int
) -> list[tuple[Key, Row]]:
    """Up to limit + 1 counts after `key`, newest window first; reads one time slice at a time.

    Raises Problem 404 for a rule that is not in force and has no counts: those of a former rule may be left.
    """
    rule = request.values["rule"]
    page: list[tuple[Key, Row]] = []
    for part in quality_parts(request, condition, key):
        matches = counts_by_rule(part)
        if rule is not None:
            matches = matches.filter(pc.field("rule") == rule)
        page += next_rows(matches, QUALITY.sort_keys, key, limit + 1 - len(page))
        if len(page) > limit:
            break
    if not page and rule not in (
        None,
        *(rule.name for contract in kinds().values() for rule in contract.rules),
    ):
        raise Problem("unknown-rule", name=rule)
    return page


def quality_parts(request: ListRequest, condition: pc.Expression, key: Key | None) -> Iterator[pa.Table]:
    """The stored rows in parts, newest window first."""
    snapshot, times = request.snapshot, request.times
    delta = snapshot.delta
    assert times is not None
    if delta is None:
        return
    if key is not None:
        condition &= pc.field("window_end") <= pa.scalar(key[0], TIME)
    stored = snapshot.dataset().schema.names
    columns = [name for name in (*QUALITY.needed, UNVIOLATED) if name in stored]
    slices = snapshot.cached(
        "slices", lambda: time_slices(delta.get_add_actions(flatten=True), "window_end", READ_ROWS)
    )
    for part in slices:
        if part.high is not None and part.high < times.start:
            break
        yield from newest_first(snapshot.read(condition & part.contains("window_end"), columns))


def newest_first(stored: pa.Table) -> Iterator[pa.Table]:
    """Parts of about PART_ROWS rows, newest window first; rows of a window are in one part."""
    ordered = stored.sort_by([("window_end", "descending")])
    ends = ordered["window_end"].cast(TIME).cast(pa.int64()).to_numpy()
    start = 0
    while start < len(ends):
        last = ends[min(start + PART_ROWS, len(ends)) - 1]
        stop = int(np.searchsorted(-ends, -last, side="right"))
        yield ordered.slice(start, stop - start)
        start = stop


def with_ended(rows: Sequence[Row], request: ListRequest) -> list[Row]:
    """The series, each with whether it ended together with the simulator that sent it."""
    ended = ended_series(request.snapshot, simulated_series(request.snapshots))
    return [
        SILENT_SERIES.item_of(row) | {"ended": (row["series_kind"], row["series_id"]) in ended}
        for row in rows
    ]


QUALITY = Listing(
    table="gold.data_quality",
    path="/api/v1/data-quality",
    name="list_data_quality",
    item="QualityRow",
    summary="Counts per rule and window",
    description="""How often each rule was evaluated and violated, newest window first.

    Windows that ended in [from, to); default: the 30 days that end with the newest window.""",
    columns="table, source, rule, severity, evaluated, violated, rule_set, window_start, window_end",
    times="window_end",
    filters=(
        Filter("kind", "kind of event", of_kind, Name, examples=("price",)),
        Filter("rule", "name of a rule", of_rule, Name, examples=("price_positive",)),
    ),
    order="window_end desc, stream_id, batch_id, kind, source, rule",
    read=counts,
    rule_set=True,
)
SILENT_SERIES = Listing(
    table="gold.silent_series",
    path="/api/v1/silent-series",
    name="list_silent_series",
    tag="pipeline",
    item=SeriesRhythm,
    summary="Devices and markets against their own rhythm",
    description="Newest event first. Silent is what has been quiet for three of its own usual gaps.",
    columns=(
        "series_kind, series_id, replayed, last_event_time, cadence_seconds, silent_seconds, silent, since"
    ),
    filters=(equal("silent", "true: only what is silent; default: all"),),
    order="last_event_time desc, series_kind, series_id, clock_of",
    others=SIMULATED_IN,
    present=with_ended,
    statuses=(),
)
SCHEMA_DRIFT = Listing(
    table="gold.schema_drift",
    path="/api/v1/schema-drift",
    name="list_schema_drift",
    tag="pipeline",
    item="DriftField",
    summary="Fields that no contract names",
    description="By kind and name, with how many events had them.",
    columns="kind, field, json_types, events, quarantined, first_seen_at, last_seen_at",
    filters=(Filter("kind", "kind of the events", of_kind, Name, examples=("price",)),),
    order="kind, field",
)
router = listing_router("quality", QUALITY, SILENT_SERIES, SCHEMA_DRIFT)
