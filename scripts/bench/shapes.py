"""Many days of real prices, days taking turns, all kinds mixed: the stream and the naive script."""

from deltalake import DeltaTable

from conf.settings import settings
from scripts.bench.event_shapes import SHAPES
from scripts.bench.place import broker_only, run_module
from scripts.bench.throughput import count_rows, run_seconds

MEANS = "events/s from Kafka into Delta tables after the first batch, and as a ratio to the naive script"


def measure(events: int = 420_000) -> dict[str, object]:
    """Rates and ratio per shape of `event_shapes`; with the seconds that the whole run took.

    Raises RuntimeError when a table lacks events.
    """
    return {shape: _measure(shape, events) for shape in SHAPES}


def _measure(shape: str, events: int) -> dict[str, object]:
    with broker_only() as stack:
        run_module(stack, "scripts.bench.events", str(events), shape)
        run_module(stack, "scripts.bench.naive", str(stack.home / "naive"))
        naive_table = str(stack.home / "naive")
        naive = rate_after_first(naive_table, DeltaTable(naive_table).count())
        seconds = run_seconds(stack, "streaming_jobs.run", "--once")
        sent = count_rows(stack, "bronze/events")
        ours = rate_after_first(f"{stack.lake_root}/gold/balance", sent)
        refused = count_rows(stack, "silver/quarantine")
    if sent > events:
        raise RuntimeError(f"{events} events were sent, bronze holds {sent}")
    return {
        "events": sent,
        "quarantined": refused,
        "events_per_second": round(ours),
        "ratio_to_naive": round(ours / naive, 2),
        "seconds_with_start": round(seconds, 1),
    }


def rate_after_first(table: str, events: int) -> float:
    """Events per second between the commits of the first batch and the last, of `events` in all."""
    commits = [
        commit["timestamp"] / 1000
        for commit in DeltaTable(table).history()
        if commit["operation"] in ("WRITE", "STREAMING UPDATE")
    ]
    return (events - settings().stream.max_events_per_batch) / float(max(commits) - min(commits))
