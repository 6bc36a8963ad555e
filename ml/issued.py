"""gold.forecasts and the prices that came -> gold.model_accuracy, kind issued; where the last of them lie in their intervals."""

from datetime import UTC, date, datetime

import duckdb
import numpy as np
import pyarrow as pa
from deltalake import DeltaTable

from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from ml.materialise import NATION, NATION_NAME
from ml.materialise import TABLE as FORECASTS
from ml.metrics import usual_step
from ml.panel import Panel
from ml.tables import is_there, path_of, replace

TABLE = "gold.model_accuracy"
READ = ("commodity", "region_code", "region", "model", "champion", "issued_at", "origin_date", "target_date", "horizon_days")
READ += ("price_idr", "lower_80_idr", "upper_80_idr", "lower_95_idr", "upper_95_idr")
# Of several issues from one origin the newest counts. Weekends are left out: many sources repeat Friday there.
CELLS = f"""
    with newest as (
        select {", ".join(READ)} from forecasts where region_code <> '{NATION}'
        qualify row_number() over (
            partition by commodity, region_code, model, origin_date, horizon_days order by issued_at desc) = 1
    )
    select f.*, a.price_idr as actual, s.step_idr, n.price_idr as naive
    from newest f
    join actuals a on (a.commodity, a.region_code, a.market_date) = (f.commodity, f.region_code, f.target_date)
    join steps s on (s.commodity, s.region_code, s.origin_date) = (f.commodity, f.region_code, f.origin_date)
    join newest n on n.model = 'naive' and (n.commodity, n.region_code, n.origin_date, n.horizon_days)
        = (f.commodity, f.region_code, f.origin_date, f.horizon_days)
    where isodow(f.target_date) <= 5"""
LEAST_SKILL = -99.0  # where naive was exact there is no ratio
MEASURES = f"""
    100 * avg(abs(actual - price_idr) / actual) as mape_pct, 100 * sum(abs(actual - price_idr)) / sum(actual) as wape_pct,
    avg(abs(actual - price_idr)) as mae_idr, sqrt(avg((actual - price_idr) ** 2)) as rmse_idr,
    avg(abs(actual - price_idr) / step_idr) as mase,
    avg(greatest(0.1 * (actual - lower_80_idr), -0.9 * (actual - lower_80_idr))
      + greatest(0.9 * (actual - upper_80_idr), -0.1 * (actual - upper_80_idr))) / 2 as pinball,
    case when sum(abs(actual - price_idr)) = sum(abs(actual - naive)) then 0.0
      else greatest(1 - sum(abs(actual - price_idr)) / sum(abs(actual - naive)), {LEAST_SKILL}) end as skill_vs_naive,
    avg((actual between lower_80_idr and upper_80_idr)::int) as coverage_80,
    avg((actual between lower_95_idr and upper_95_idr)::int) as coverage_95,
    count(distinct origin_date)::int as origins, count(*) as cells, min(target_date) as from_date, max(target_date) as to_date"""
ACCURACY = f"""
    with cells as ({CELLS}),
    champions as (select commodity, max_by(model, issued_at) as champion from forecasts where champion group by commodity),
    measured as (
        select model, commodity, coalesce(region_code, '{NATION}') as region_code, coalesce(max(region), '') as a_region,
            horizon_days, {MEASURES}
        from cells group by grouping sets ((model, commodity, region_code, horizon_days), (model, commodity, horizon_days))
    )
    select m.* exclude (a_region), case when region_code = '{NATION}' then '{NATION_NAME}' else a_region end as region,
        'issued' as kind, null::double as p_value, case when champion = model then 'champion' end as alias,
        null::varchar as run_id, $now as measured_at
    from measured m left join champions using (commodity)"""
# Shares of the champions' prices below, in the lower part of, inside, in the upper part of, above their intervals.
PLACES = f"""
    select count(*), avg((actual < lower_95_idr)::int), avg((actual >= lower_95_idr and actual < lower_80_idr)::int),
        avg((actual between lower_80_idr and upper_80_idr)::int),
        avg((actual > upper_80_idr and actual <= upper_95_idr)::int), avg((actual > upper_95_idr)::int)
    from ({CELLS}) where champion and target_date > $since"""


def measure(panel: Panel) -> int:
    """Measure every issue whose prices have come; returns the rows of the table that it made, 0 while there is none."""
    if not is_there(FORECASTS):
        return 0
    with _database(panel) as lake:
        rows = lake.sql(ACCURACY, params={"now": datetime.now(UTC)}).to_arrow_table()
    schema = arrow_schema(contracts()[TABLE])
    made_from = f"issued {DeltaTable(path_of(FORECASTS)).version()} {panel.source.get('fingerprint')}"
    if rows.num_rows:
        replace(TABLE, rows.select(schema.names).cast(schema), made_from, "kind = 'issued'")
    return rows.num_rows


def places(panel: Panel, since: date) -> tuple[int, list[float]]:
    """(cells, shares of the five places in their intervals) of the champions' forecasts for days after `since`."""
    if not is_there(FORECASTS):
        return 0, []
    with _database(panel) as lake:
        n, *shares = lake.execute(PLACES, {"since": since}).fetchall()[0]
    return n, [float(share) for share in shares] if n else []


def _database(panel: Panel) -> duckdb.DuckDBPyConnection:
    """`forecasts`, `actuals` (commodity, region_code, market_date, price_idr) and `steps` (…, origin_date, step_idr)."""
    lake = duckdb.connect(config={"threads": 1})
    lake.execute("set timezone = 'UTC'")
    issued = DeltaTable(path_of(FORECASTS)).to_pyarrow_dataset()
    lake.register("forecasts", issued)
    row, day = np.nonzero(np.isfinite(panel.price))
    goods, regions = np.array(panel.commodities), np.array(panel.regions)
    lake.register("actuals", _long(goods[row], regions[row], "market_date", panel.days[day], "price_idr", panel.price[row, day]))
    origins = {origin for (origin,) in lake.execute("select distinct origin_date from forecasts").fetchall()}
    known = [nth for nth, one in enumerate(panel.days.tolist()) if one in origins]
    parts = [
        _long(goods, regions, "origin_date", np.full(len(goods), panel.days[nth]), "step_idr", _step(panel, nth)) for nth in known
    ]
    empty = _long(goods[:0], regions[:0], "origin_date", panel.days[:0], "step_idr", np.empty(0))
    lake.register("steps", pa.concat_tables([empty, *parts]))
    return lake


def _step(panel: Panel, origin: int) -> np.ndarray:
    return usual_step(panel.price[:, : origin + 1])


def _long(goods: np.ndarray, regions: np.ndarray, day: str, days: np.ndarray, figure: str, values: np.ndarray) -> pa.Table:
    texts = {"commodity": pa.array(goods.tolist(), pa.string()), "region_code": pa.array(regions.tolist(), pa.string())}
    return pa.table({**texts, day: pa.array(days.astype("datetime64[D]")), figure: pa.array(values, pa.float64())})
