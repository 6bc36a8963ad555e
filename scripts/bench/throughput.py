"""A million events, 1 % bad, through the stream and through the naive script, from the same topic."""

import time

from deltalake import DeltaTable

from conf.settings import settings
from scripts.bench.place import broker_only, run_module
from tests.integration.stack import Stack

MEANS = (
    "events/s from Kafka into validated Delta tables; steady: behind a warm-up of as many events, cold: with the start of Spark"
)


def measure(events: int = 1_000_000, warm_up_events: int = 1_000_000) -> dict[str, object]:
    """Figures of both. `steady`: the events behind the warm-up; `cold`: all, from the start of the process."""
    total = events + warm_up_events
    warm_batches = -(-warm_up_events // settings().stream.max_events_per_batch)
    with broker_only() as stack:
        run_module(stack, "scripts.bench.events", str(total))
        naive_seconds = timed(stack, "scripts.bench.naive", str(stack.home / "naive"))
        naive = steady(str(stack.home / "naive"), warm_batches)
        our_seconds = timed(stack, "streaming_jobs.run", "--once")
        ours = steady(f"{stack.lake_root}/gold/balance", warm_batches)
        rows = {name: rows_of(stack, name) for name in ("bronze/events", "silver/prices", "silver/quarantine")}
    if rows["bronze/events"] != total or rows["silver/prices"] + rows["silver/quarantine"] != total:
        raise RuntimeError(f"{total} events were sent, the tables hold {rows}")
    return {
        "events": total,
        "rows": rows,
        "steady_events_per_second": round(ours),
        "naive_steady_events_per_second": round(naive),
        "steady_ratio_to_naive": round(ours / naive, 2),
        "cold_events_per_second": round(total / our_seconds),
        "naive_cold_events_per_second": round(total / naive_seconds),
        "cold_ratio_to_naive": round(naive_seconds / our_seconds, 2),
    }


def timed(stack: Stack, module: str, *arguments: str) -> float:
    """Seconds that the module took, start of the process included."""
    began = time.monotonic()
    run_module(stack, module, *arguments)
    return time.monotonic() - began


def steady(table: str, skip: int) -> float:
    """Events per second between the commit of batch `skip` and the last but one: the last may be a small rest."""
    commits = [c for c in reversed(DeltaTable(table).history()) if c["operation"] in ("WRITE", "STREAMING UPDATE")]
    times = [c["timestamp"] / 1000 for c in commits]
    return settings().stream.max_events_per_batch * (len(times) - 2 - skip) / (times[-2] - times[skip])


def rows_of(stack: Stack, table: str) -> int:
    """Rows of a table, from its log."""
    return DeltaTable(f"{stack.lake_root}/{table}").count()
