"""What the price validator remembers as tables: its panels, their series, closings and late prices."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.validation import ValidatorState
from lakehouse.validation.in_order import table_of, tuples_of
from lakehouse.validation.prices.phases import Phase, PriceRows

PRICES = pa.schema(
    [
        ("panel", pa.int64()),
        ("days", pa.int64()),
        ("columns", pa.int64()),
        ("prices", pa.float64()),
        ("times", pa.int64()),
        ("ids", pa.string()),
    ]
)


def tables_of(phases: Mapping[tuple[str, str], Phase]) -> ValidatorState:
    """`phases`: (commodity, channel) -> its open phase, which is settled."""
    panels = [(*key, phase.accepted) for key, phase in phases.items()]
    series = [
        (nth, *place, phase.panel.level[column])
        for nth, phase in enumerate(phases.values())
        for place, column in phase.panel.series.items()
    ]
    closings = ((nth, PriceRows(*phase.panel.closings())) for nth, phase in enumerate(phases.values()))
    late = ((nth, rows) for nth, phase in enumerate(phases.values()) for rows in phase.late)
    return {
        "panels": table_of(panels, ("commodity", "channel", "accepted")),
        "series": table_of(series, ("panel", "provider", "market_id", "region_code", "level")),
        "closings": _prices_table(closings),
        "late": _prices_table(late),
    }


def resume_phases(state: ValidatorState, phase_of: Callable[[tuple[str, str]], Phase]) -> None:
    """Fill new phases with what `tables_of` returned. `phase_of`: (commodity, channel) -> its phase."""
    for nth, (commodity, channel, accepted) in enumerate(tuples_of(state["panels"])):
        phase = phase_of((commodity, channel))
        for _, *place, level in tuples_of(_of_panel(state["series"], nth)):
            phase.panel.column((place[0], place[1], place[2]), level)
        closings, late = (_prices(_of_panel(state[name], nth)) for name in ("closings", "late"))
        phase.resume(closings, late, accepted)


def _of_panel(table: pa.Table, nth: int) -> pa.Table:
    return table.filter(pc.field("panel") == nth)


def _prices_table(parts: Iterable[tuple[int, PriceRows]]) -> pa.Table:
    tables = [
        pa.table({"panel": np.full(len(rows.days), nth), **rows._asdict()}, schema=PRICES)
        for nth, rows in parts
    ]
    return pa.concat_tables(tables) if tables else PRICES.empty_table()


def _prices(table: pa.Table) -> PriceRows:
    days, columns, prices, times = (table[name].to_numpy() for name in PRICES.names[1:-1])
    return PriceRows(days, columns, prices, times, np.array(table["ids"].to_pylist(), dtype=object))
