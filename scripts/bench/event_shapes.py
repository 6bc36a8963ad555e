"""What users send, as events for the benches: one market day, many days, days taking turns, all kinds."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from itertools import chain, islice, zip_longest

import orjson

from conf.settings import settings
from lakehouse.event import Event
from lakehouse.io.source_files.file_events import FileEvents
from lakehouse.io.source_files.formats import Unmatched, format_of
from lakehouse.reference import commodities
from scripts.bench import throughput
from scripts.bench.events import price_events
from scripts.bench.price_faults import Prices, panel_harga

MEANS = f"for each shape of events: {throughput.MEANS}"
FIRST_BATCH_EVENTS = 150_000  # what the start of a process slows down


BLOCK_EVENTS = 200  # of one file before the next one follows
Cell = tuple[date, str, str, float]  # day, commodity, market, rupiah


def measure(events: int = 450_000) -> dict[str, object]:
    """Figures of `throughput.compare` per shape of `event_shapes`; steady: after the first batch.

    Raises RuntimeError when a table lacks events.
    """
    return {shape: throughput.compare(shape, events, FIRST_BATCH_EVENTS) for shape in SHAPES}


def many_days(count: int) -> Iterator[Event]:
    """The first `count` prices of Panel Harga, day after day: 13 commodities in 34 provinces."""
    return islice(map(_price, chain.from_iterable(_days(panel_harga()))), count)


def turns(count: int) -> Iterator[Event]:
    """The same, but the prices of two days take turns."""
    days = _days(panel_harga())
    pairs = zip(days, days, strict=False)
    alternating = (cell for pair in pairs for cells in zip_longest(*pair) for cell in cells if cell)
    return islice(map(_price, alternating), count)


def mixed(count: int) -> Iterator[Event]:
    """The first `count` events of all published sets, a block of each file in turn."""
    return islice(_in_turn([_events(file) for file in _published_files()]), count)


SHAPES: dict[str, Callable[[int], Iterator[Event]]] = {
    "one_day": price_events,
    "many_days": many_days,
    "turns": turns,
    "mixed": mixed,
}


def _days(prices: Prices) -> Iterator[list[Cell]]:
    for row, day in enumerate(prices.days):
        yield [
            (day, commodity, market, float(idr))
            for nth, commodity in enumerate(prices.commodities)
            for market, idr in zip(prices.market_ids, prices.idr[row, nth], strict=True)
            if idr == idr  # a gap is no event
        ]


def _price(cell: Cell) -> Event:
    day, commodity, market, idr = cell
    noon = f"{day}T12:00:00+07:00"
    payload = {
        "event_id": f"bench-{market}-{commodity}-{day}",
        "event_time": noon,
        "market_id": market,
        "region": market.removeprefix("PROV-"),
        "commodity": commodity,
        "price": idr,
        "unit": commodities()[commodity].unit,
        "provider": "panel-harga",
    }
    key = f"{market}|{commodity}"
    return Event(
        "price", key, orjson.dumps(payload), str(payload["event_id"]), "file:bench#0", datetime.now(UTC)
    )


def _published_files() -> list[FileEvents]:
    """Files of the published sets that some format reads. Raises FileNotFoundError when there is none."""
    folder = settings().shared / "data"
    formats = {file: format_of(file) for file in sorted(folder.rglob("*")) if file.is_file()}
    files = [FileEvents(file, known) for file, known in formats.items() if not isinstance(known, Unmatched)]
    if not files:
        raise FileNotFoundError(
            f"no published sets in {folder}; LUMBUNG_SHARED names the folder of the published data sets"
        )
    return files


def _events(file: FileEvents) -> Iterator[Event]:
    return (file.event(row) for row in file.ordered() if row.payload is not None)


def _in_turn(streams: list[Iterator[Event]]) -> Iterator[Event]:
    while streams:
        left = []
        for stream in streams:
            block = list(islice(stream, BLOCK_EVENTS))
            yield from block
            if len(block) == BLOCK_EVENTS:
                left.append(stream)
        streams = left
