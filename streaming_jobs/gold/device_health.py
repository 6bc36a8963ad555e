"""silver -> gold.device_health: events of each device by the hour; only new batches are read."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import contracts
from lakehouse.identity.devices import DEVICE_ID
from lakehouse.io.delta import append_rows, high_water_mark, open_table, replace_rows
from lakehouse.io.query import run_contract_sql
from streaming_jobs.gold.finished_batches import newest_finished
from streaming_jobs.gold.sent_events import sent_events

TABLE = "gold.device_health"
KEPT = timedelta(days=90)
TIME = "%Y-%m-%dT%H:%M:%SZ"
SENT_BY_DEVICE = f"^(?:mqtt|api):{DEVICE_ID}$"


class DeviceHealth:
    """Adds what finished batches brought to the hours that they touch; drops hours older than 90 days."""

    name = "device_health"

    def refresh(self) -> None:
        """Bring the table to the newest finished batch. Rows and high-water mark are one commit."""
        mark = high_water_mark(TABLE)
        upto = newest_finished(mark)
        if upto is None:
            return
        contract = contracts()[TABLE]
        events = pa.concat_tables(
            [sent_events(table, SENT_BY_DEVICE, mark, upto) for table in contract.reads]
        )
        stored = open_table(TABLE).to_pyarrow_dataset()
        if not events.num_rows:
            append_rows(TABLE, stored.schema.empty_table(), upto=upto)
            return
        times = pc.min_max(events["received_at"]).as_py()
        first, last = (times[name].replace(minute=0, second=0, microsecond=0) for name in ("min", "max"))
        touched = (pc.field("hour") >= first) & (pc.field("hour") <= last)
        views = {"device_events": events, "gold_device_health": stored.to_table(filter=touched)}
        predicate = f"(hour >= '{first:{TIME}}' and hour <= '{last:{TIME}}') or hour < '{upto - KEPT:{TIME}}'"
        replace_rows(TABLE, run_contract_sql(contract, views), predicate=predicate, upto=upto)


JOB = DeviceHealth
