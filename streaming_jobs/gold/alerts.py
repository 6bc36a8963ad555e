"""Daily prices, silent sources and acts of people -> gold.alerts.

Nothing but the lake decides: a table that is computed from the beginning has the same rows. The rows of a
commodity are computed again when it has new prices; the table is written when one of them changed.
"""

from datetime import date, datetime
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from conf.settings import settings
from lakehouse.alerts.lifecycle import OPEN_STATES
from lakehouse.alerts.rows import (
    Row,
    manual_alerts,
    price_alerts,
    silence_alerts,
    with_acknowledgements,
    with_staleness,
)
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.gold.chosen_provider import chosen_rows
from lakehouse.io.delta import EPOCH, cached_table, high_water_mark, read_rows, replace_rows
from streaming_jobs.gold.indicators import COLUMNS, first_changed_days

TABLE = "gold.alerts"
PRICES = "gold.daily_prices"
SILENCE = "gold.silent_series"
ACTS = "silver.alert_events"


class OfCommodity(NamedTuple):
    """The alerts of one commodity; only open ones change without a new price."""

    newest_day: date
    closed: pa.Table
    open: list[Row]


class Alerts:
    """Follows the tables that it reads; a refresh without a change of theirs takes a millisecond."""

    name = "alerts"

    def __init__(self) -> None:
        self._versions: dict[str, tuple[str, int]] = {}
        self._mark = EPOCH
        self._of_commodity: dict[str, OfCommodity] = {}
        self._written: pa.Table | None = None

    def refresh(self) -> None:
        """Bring the table to the newest version of its sources."""
        sources = {table: cached_table(table) for table in (PRICES, SILENCE, ACTS)}
        versions = {table: (str(opened.metadata().id), opened.version()) for table, opened in sources.items()}
        if versions == self._versions:
            return
        self._follow_prices(sources[PRICES])
        rows = self._rows(sources[SILENCE].to_pyarrow_table().to_pylist(), acts_of(sources[ACTS]))
        if self._written is None:
            self._written = read_rows(TABLE).sort_by("alert_id").combine_chunks()
        if not rows.equals(self._written):
            replace_rows(TABLE, rows)
            self._written = rows
        self._versions = versions

    def _follow_prices(self, daily: DeltaTable) -> None:
        """Compute the alerts of commodities with prices that are newer than the last refresh."""
        upto = high_water_mark(daily)
        if upto < self._mark:  # the daily prices were set back
            self._of_commodity.clear()
            self._mark = EPOCH
        if upto == self._mark:
            return
        for commodity in sorted(first_changed_days(self._mark, upto)):
            rows = daily.to_pyarrow_dataset().to_table(
                columns=list(COLUMNS), filter=pc.field("commodity") == commodity
            )
            if rows.num_rows:
                self._of_commodity[commodity] = of_commodity(rows)
        self._mark = upto

    def _rows(self, silent: list[Row], acts: list[Row]) -> pa.Table:
        """All rows of the table, by their ids."""
        newest = max((known.newest_day for known in self._of_commodity.values()), default=None)
        by_price = [row for known in self._of_commodity.values() for row in known.open]
        clock: datetime | None = max((series["clock"] for series in silent), default=None)
        changing = with_acknowledgements([*with_staleness(by_price, newest), *silence_alerts(silent)], acts)
        closed = [known.closed for known in self._of_commodity.values()]
        acknowledged = with_acknowledged_closed(closed, acts)
        table = pa.concat_tables([*acknowledged, as_table([*changing, *manual_alerts(acts, clock)])])
        return table.sort_by("alert_id").combine_chunks()


def of_commodity(daily: pa.Table) -> OfCommodity:
    """The alerts of one commodity, from its rows of gold.daily_prices."""
    rows = price_alerts(chosen_rows(daily, settings().lake.providers), settings().alerts.levels)
    is_open = [row["state"] in OPEN_STATES for row in rows]
    return OfCommodity(
        pc.max(daily["market_date"]).as_py(),
        as_table([row for row, still in zip(rows, is_open, strict=True) if not still]),
        [row for row, still in zip(rows, is_open, strict=True) if still],
    )


def acts_of(events: DeltaTable) -> list[Row]:
    """What people did about alerts, in order of time."""
    acts = events.to_pyarrow_table().to_pylist()
    return sorted(acts, key=lambda act: (act["event_time"], act["event_id"]))


def with_acknowledged_closed(closed: list[pa.Table], acts: list[Row]) -> list[pa.Table]:
    """The closed alerts; those that a person had acknowledged keep that."""
    ids = pa.array(sorted({act["alert_id"] for act in acts}), pa.string())
    tables = []
    for table in closed:
        is_named = pc.is_in(table["alert_id"], ids)
        tables.append(table.filter(pc.invert(is_named)))
        tables.append(as_table(with_acknowledgements(table.filter(is_named).to_pylist(), acts)))
    return tables


def as_table(rows: list[dict[str, Any]]) -> pa.Table:
    """The rows in the contract's columns; what a rule does not know is null, and nothing is stale."""
    schema = arrow_schema(contracts()[TABLE])
    return pa.Table.from_pylist([{"stale": False, **row} for row in rows], schema=schema)


JOB = Alerts
