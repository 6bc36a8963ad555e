"""bronze.events -> silver.sensors"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import kinds
from lakehouse.reference import markets
from lakehouse.verdicts.resolve import PLACE_TYPE, each, entry_of, place_entries

# Columns that come from `readings`.
READ_TOGETHER = ("metric", "value")
METRICS = tuple(field.name for field in kinds()["sensor"].payload if field.one_of == "metric")


def readings(rows: pa.Table) -> pa.Array:
    """list<struct<metric, value>> of the metrics that an event gives."""
    values = np.stack([rows[name].to_numpy() for name in METRICS], axis=1)
    given = np.stack([np.asarray(rows[name].is_valid()) for name in METRICS], axis=1)
    ends = np.concatenate([[0], np.cumsum(given.sum(axis=1))]).astype(np.int32)
    names = pa.array(METRICS).take(pa.array(np.nonzero(given)[1]))
    flat = pa.StructArray.from_arrays([names, pa.array(values[given])], ["metric", "value"])
    return pa.ListArray.from_arrays(pa.array(ends), flat)


def _markets() -> dict[str, dict[str, str]]:
    """Market id -> place."""
    places = place_entries()
    return {market.market_id: places[market.region_code] for market in markets().values()}


def rows(accepted: pa.Table) -> pa.Table:
    """Accepted events -> one row a reading."""
    lists = accepted["readings"].combine_chunks()
    flat = pc.list_flatten(lists)
    repeated = accepted.drop_columns(["readings"]).take(pc.list_parent_indices(lists))
    for name in READ_TOGETHER:
        repeated = repeated.append_column(name, pc.struct_field(flat, name))
    return repeated


RESOLVED = {"listed": each("market_id", entry_of(_markets(), key=str), PLACE_TYPE), "readings": readings}
MARKET_DATE = "local_day(event_time, listed.timezone)"
COLUMNS = {
    "listed_region_code": "listed.code",
    "region_code": "listed.code",
    "device_id_hash": "sha256(concat_ws('|', p.market_id, coalesce(p.device_id, '')))[:16]",
    "market_date": MARKET_DATE,
    "market_month": f"month({MARKET_DATE})",
}
