"""Many days of real prices, days taking turns, all kinds mixed: the stream and its peers, shape by shape."""

from scripts.bench import throughput
from scripts.bench.event_shapes import SHAPES

MEANS = f"for each shape of events: {throughput.MEANS}"
FIRST_BATCH_EVENTS = 150_000  # what the start of a process slows down


def measure(events: int = 450_000) -> dict[str, object]:
    """Figures of `throughput.compare` per shape of `event_shapes`; steady: after the first batch.

    Raises RuntimeError when a table lacks events.
    """
    return {shape: throughput.compare(shape, events, FIRST_BATCH_EVENTS) for shape in SHAPES}
