"""Many days of real prices, days taking turns, all kinds mixed: the stream and the naive script."""

from scripts.bench.event_shapes import SHAPES
from scripts.bench.place import ENGINES, broker_only, run_module, with_engine
from scripts.bench.throughput import count_rows, run_seconds, steady_rate
from scripts.stack.throwaway import Stack

MEANS = "events/s from Kafka into Delta tables after the first batch, and as a ratio to the naive script"
FIRST_BATCH_EVENTS = 150_000  # what the start of a process slows down


def measure(events: int = 420_000) -> dict[str, object]:
    """Rates and ratio per shape of `event_shapes` and engine; with the seconds that the whole run took.

    Raises RuntimeError when a table lacks events.
    """
    return {shape: _measure(shape, events) for shape in SHAPES}


def _measure(shape: str, events: int) -> dict[str, object]:
    with broker_only() as stack:
        run_module(stack, "scripts.bench.events", str(events), shape)
        run_module(stack, "scripts.bench.naive", str(stack.home / "naive"))
        naive = steady_rate(str(stack.home / "naive"), FIRST_BATCH_EVENTS)
        return {engine: _figures(with_engine(stack, engine), naive, events) for engine in ENGINES}


def _figures(stack: Stack, naive: float, events: int) -> dict[str, object]:
    seconds = run_seconds(stack, "streaming_jobs.run", "--once")
    sent = count_rows(stack, "bronze/events")
    ours = steady_rate(f"{stack.lake_root}/bronze/events", FIRST_BATCH_EVENTS)
    if sent > events:
        raise RuntimeError(f"{events} events were sent, bronze holds {sent}")
    return {
        "events": sent,
        "quarantined": count_rows(stack, "silver/quarantine"),
        "events_per_second": round(ours),
        "ratio_to_naive": round(ours / naive, 2),
        "seconds_with_start": round(seconds, 1),
    }
