"""silver.prices, silver.price_verdicts -> gold.series_stats"""

from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.validation.price_evidence import sources
from lakehouse.validation.price_panel import Panel
from lakehouse.validation.price_stats import NUMBERS, statistics
from lakehouse.validation.prices import PriceValidator

TABLE = "gold.series_stats"
EPOCH = date(1970, 1, 1)
Series = tuple[str, str, str, str, str]  # commodity, channel, provider, market_id, region_code
CANDIDATE_WINDOW_DAYS = 30
# Series whose last five judged days were all refused in one direction, by two reporters at least; a released day is not refused.
CANDIDATES = """
  with doubtful as (
    select distinct commodity, channel, provider, market_id, region_code from silver_price_verdicts where outcome = 'quarantine'
  ), days as (
    select commodity, channel, provider, market_id, region_code, market_date, bool_and(outcome = 'quarantine') as refused,
      min(sign(move)) as lowest, max(sign(move)) as highest, list(distinct coalesce(device_id, provider)) as reporters
    from silver_price_verdicts semi join doubtful using (commodity, channel, provider, market_id, region_code)
    group by all
  ), newest as (
    select * from days
    qualify row_number() over (partition by commodity, channel, provider, market_id, region_code order by market_date desc) <= 5
  )
  select commodity, channel, provider, market_id, region_code from newest group by all
  having count(*) = 5 and bool_and(refused) and min(lowest) = max(highest) and len(list_distinct(flatten(list(reporters)))) >= 2
"""


def series_stats(validator: PriceValidator, candidates: set[Series]) -> pa.Table:
    """One row a series: the statistics by which the validator would judge a price of the day after the panel's newest."""
    schema = arrow_schema(contracts()[TABLE])
    parts = [_rows(validator, key, panel, candidates, schema) for key, panel in sorted(validator.panels.items()) if panel.size]
    return pa.concat_tables(parts) if parts else schema.empty_table()


def _rows(validator: PriceValidator, key: tuple[str, str], panel: Panel, candidates: set[Series], schema: pa.Schema) -> pa.Table:
    commodity, channel = key
    day = panel.newest_day + 1
    of, said = statistics(panel, day, validator.thresholds)
    names = sorted(one for one, column in panel.series.items() if np.isfinite(of["last_day"][column]))
    columns = np.array([panel.series[one] for one in names])
    made: dict[str, Any] = {
        "commodity": [commodity] * len(names),
        "channel": [channel] * len(names),
        "provider": [one[0] for one in names],
        "market_id": [one[1] for one in names],
        "region_code": [one[2] for one in names],
        "level": [panel.level[column] for column in columns],
        "as_of": [EPOCH + timedelta(days=day)] * len(names),
        "sources": [
            [{**one, "event_time": panel.last_time(one["name"], names[nth], day)} for one in sources(said.others, int(column))]
            for nth, column in enumerate(columns)
        ],
        "regime_candidate": [(commodity, channel, *one) in candidates for one in names],
        "thresholds": [validator.thresholds.version] * len(names),
    }
    made |= {name: _typed(of[name][columns], schema.field(name).type) for name in NUMBERS}
    return pa.table({name: pa.array(made[name], schema.field(name).type) for name in schema.names}, schema=schema)


def _typed(values: npt.NDArray[np.float64], kind: pa.DataType) -> pa.Array:
    if pa.types.is_floating(kind):
        return pa.array(values, kind, from_pandas=True)
    return pa.array(values, pa.float64(), from_pandas=True).cast(pa.int32()).cast(kind)
