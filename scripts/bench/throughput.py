"""A million events, 1 % of them invalid, through the stream and the naive script, from the same topic."""

import time

from deltalake import DeltaTable

from conf.settings import settings
from scripts.bench.place import broker_only, run_module
from scripts.stack.throwaway import Stack

MEANS = (
    "events/s from Kafka into validated Delta tables; steady: after a warm-up of as many events, "
    "cold: including the start of Spark"
)


def measure(events: int = 1_000_000, warm_up_events: int = 1_000_000) -> dict[str, object]:
    """Figures of both. `steady`: events after the warm-up. `cold`: all events, with the process start.

    Raises RuntimeError when a table lacks rows.
    """
    total = events + warm_up_events
    warm_batches = -(-warm_up_events // settings().stream.max_events_per_batch)
    with broker_only() as stack:
        run_module(stack, "scripts.bench.events", str(total))
        naive_seconds = run_seconds(stack, "scripts.bench.naive", str(stack.home / "naive"))
        naive = steady_rate(str(stack.home / "naive"), warm_batches)
        our_seconds = run_seconds(stack, "streaming_jobs.run", "--once")
        ours = steady_rate(f"{stack.lake_root}/gold/balance", warm_batches)
        rows = {
            name: count_rows(stack, name) for name in ("bronze/events", "silver/prices", "silver/quarantine")
        }
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


def run_seconds(stack: Stack, module: str, *arguments: str) -> float:
    """Seconds that the module ran, including the start of its process."""
    started = time.monotonic()
    run_module(stack, module, *arguments)
    return time.monotonic() - started


def steady_rate(table: str, skip: int) -> float:
    """Events per second between the commits of batch `skip` and the last but one.

    The last batch is left out because it may be small.
    """
    commits = [
        commit
        for commit in reversed(DeltaTable(table).history())
        if commit["operation"] in ("WRITE", "STREAMING UPDATE")
    ]
    times = [commit["timestamp"] / 1000 for commit in commits]
    seconds = float(times[-2] - times[skip])
    return settings().stream.max_events_per_batch * (len(times) - 2 - skip) / seconds


def count_rows(stack: Stack, table: str) -> int:
    """Number of rows of a table, from its log."""
    return DeltaTable(f"{stack.lake_root}/{table}").count()
