"""gold.forecasts and the prices that followed -> gold.model_accuracy, kind issued.

Shares of prices in their intervals, and drift: whether prices still fall into them as often as they should.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.io.delta import open_if_exists, open_table, replace_once
from lakehouse.io.query import run_sql
from ml import schedule
from ml.data.exogenous import JAKARTA_HOURS
from ml.data.panel import Panel
from ml.evaluation.metrics import usual_step
from ml.forecasts.rows import NATION, NATION_NAME
from ml.forecasts.rows import TABLE as FORECASTS

TABLE = "gold.model_accuracy"
# Only what was issued before the cut of its target day counts: a forecast made in the middle of a replay was
# served for a day that had passed. Of several issues from one origin the newest counts. Weekends are left
# out: many sources repeat Friday there.
CELLS = f"""
    with newest as (
        select commodity, region_code, region, model, champion, issued_at, origin_date, target_date,
        horizon_days, price_idr, lower_80_idr, upper_80_idr, lower_95_idr, upper_95_idr from forecasts where
        region_code <> '{NATION}' and epoch(issued_at) < epoch(target_date::timestamp) + $cut
        qualify row_number() over ( partition by commodity, region_code, model,
        origin_date, horizon_days order by issued_at desc) = 1 ) select f.*, a.price_idr as actual,
        s.step_idr, n.price_idr as naive from newest f join actuals a on (a.commodity, a.region_code,
        a.market_date) = (f.commodity, f.region_code, f.target_date) join steps s on (s.commodity,
        s.region_code, s.origin_date) = (f.commodity, f.region_code, f.origin_date) join newest n on n.model =
        'naive' and (n.commodity, n.region_code, n.origin_date, n.horizon_days) = (f.commodity, f.region_code,
        f.origin_date, f.horizon_days)
    where isodow(f.target_date) <= 5"""
LEAST_SKILL = -99.0  # where naive was exact there is no ratio
MEASURES = f"""
    100 * avg(abs(actual - price_idr) / actual) as mape_pct,
    100 * sum(abs(actual - price_idr)) / sum(actual) as wape_pct,
    avg(abs(actual - price_idr)) as mae_idr, sqrt(avg((actual - price_idr) ** 2)) as rmse_idr,
    avg(abs(actual - price_idr) / step_idr) as mase,
    avg(greatest(0.1 * (actual - lower_80_idr), -0.9 * (actual - lower_80_idr))
      + greatest(0.9 * (actual - upper_80_idr), -0.1 * (actual - upper_80_idr))) / 2 as pinball,
    case when sum(abs(actual - price_idr)) = sum(abs(actual - naive)) then 0.0
      else greatest(1 - sum(abs(actual - price_idr)) / sum(abs(actual - naive)), {LEAST_SKILL})
    end as skill_vs_naive,
    avg((actual between lower_80_idr and upper_80_idr)::int) as coverage_80,
    avg((actual between lower_95_idr and upper_95_idr)::int) as coverage_95,
    count(distinct origin_date)::int as origins, count(*) as cells,
    min(target_date) as from_date, max(target_date) as to_date"""
ACCURACY = f"""
    with cells as ({CELLS}),
    champions as (
        select commodity, max_by(model, issued_at) as champion from forecasts where champion group by
        commodity), measured as ( select model, commodity, coalesce(region_code, '{NATION}') as region_code,
        coalesce(max(region), '') as a_region, horizon_days, {MEASURES} from cells group by grouping sets
        ((model, commodity, region_code, horizon_days), (model, commodity, horizon_days)) ) select m.* exclude
        (a_region), case when region_code = '{NATION}' then '{NATION_NAME}' else a_region end as region,
        'issued' as kind, null::double as p_value, null::double as skill_low,
        null::double as skill_high, case when champion = model then 'champion' end as alias,
        null::varchar as run_id, $now as measured_at
    from measured m left join champions using (commodity)"""
# Shares of prices below the champion's intervals, in their lower part, inside, in the upper part, and above.
INTERVAL_SHARES = f"""
    select count(*) as cells,
        avg((actual < lower_95_idr)::int) as below,
        avg((actual >= lower_95_idr and actual < lower_80_idr)::int) as lower,
        avg((actual between lower_80_idr and upper_80_idr)::int) as inside,
        avg((actual > upper_80_idr and actual <= upper_95_idr)::int) as upper,
        avg((actual > upper_95_idr)::int) as above
    from ({CELLS}) where champion and target_date > $since"""
WINDOW_DAYS = 28  # of target days
LEAST_CELLS = 100
NOMINAL = (0.025, 0.075, 0.8, 0.075, 0.025)  # below, lower, inside 80 %, upper, above
FLOOR = 1e-3  # of a share, so that an empty part has a finite index


def _cut_seconds() -> float:
    """From midnight UTC to the cut of the day in Jakarta."""
    cut = settings().forecast.cut_local_time
    return float((cut.hour - JAKARTA_HOURS) * 3600 + cut.minute * 60)


def measure(panel: Panel) -> int:
    """Measure every forecast that was issued before its target and whose price is known.

    Returns the rows computed, 0 without forecasts.
    """
    forecasts = open_if_exists(FORECASTS)
    if forecasts is None:
        return 0
    rows = run_sql(ACCURACY, _inputs(panel), {"now": datetime.now(UTC), "cut": _cut_seconds()})
    made_from = f"issued before the target {forecasts.version()} {panel.source.get('fingerprint')}"
    if rows.num_rows or open_if_exists(TABLE) is not None:
        replace_once(TABLE, rows, made_from, "kind = 'issued'")
    return int(rows.num_rows)


def interval_shares(panel: Panel, since: date) -> tuple[int, list[float]]:
    """(cells, five shares) of the champions' forecasts for days after `since`; no shares without cells."""
    if open_if_exists(FORECASTS) is None:
        return 0, []
    row = run_sql(INTERVAL_SHARES, _inputs(panel), {"since": since, "cut": _cut_seconds()}).to_pylist()[0]
    cells = int(row.pop("cells"))
    return cells, [float(share) for share in row.values()] if cells else []


def _inputs(panel: Panel) -> dict[str, object]:
    """Tables of the queries.

    `forecasts`; `actuals` (commodity, region_code, market_date, price_idr); `steps` (commodity, region_code,
    origin_date, step_idr): the usual daily step up to each origin.
    """
    forecasts = open_table(FORECASTS).to_pyarrow_dataset()
    commodities = np.array(panel.commodities)
    regions = np.array(panel.regions)
    row, day = np.nonzero(np.isfinite(panel.price))
    actuals = _table(
        commodities[row], regions[row], market_date=panel.days[day], price_idr=panel.price[row, day]
    )
    origins = set(pc.unique(forecasts.to_table(columns=["origin_date"])["origin_date"]).to_pylist())
    steps = [_table(commodities[:0], regions[:0], origin_date=panel.days[:0], step_idr=np.empty(0))]
    for number, origin in enumerate(panel.days.tolist()):
        if origin in origins:
            days = np.full(len(commodities), panel.days[number])
            step = usual_step(panel.price[:, : number + 1])
            steps.append(_table(commodities, regions, origin_date=days, step_idr=step))
    return {"forecasts": forecasts, "actuals": actuals, "steps": pa.concat_tables(steps)}


def _table(commodities: npt.NDArray[np.str_], regions: npt.NDArray[np.str_], **columns: Any) -> pa.Table:
    """Rows of one series and day each; `columns`: a day and a figure."""
    return pa.table({"commodity": commodities, "region_code": regions, **columns})


@dataclass(frozen=True)
class DriftCheck:
    """Coverage and population stability index of the champions' intervals over the last weeks."""

    cells: int
    coverage_80: float
    psi: float

    @property
    def drifted(self) -> bool:
        """Whether the coverage is outside its band, or the index above its limit."""
        low, high = settings().training.drift_coverage
        return not low <= self.coverage_80 <= high or self.psi > settings().training.drift_psi


def psi(shares: Sequence[float], nominal: Sequence[float] = NOMINAL) -> float:
    """Population stability index, Σ(a − e)·ln(a/e); 0.1 is a small shift, above 0.2 a real one."""
    actual = np.maximum(shares, FLOOR)
    expected = np.maximum(nominal, FLOOR)
    return float(((actual - expected) * np.log(actual / expected)).sum())


def check_drift(panel: Panel) -> DriftCheck | None:
    """The check of the last WINDOW_DAYS; None with fewer than LEAST_CELLS cells."""
    cells, shares = interval_shares(panel, panel.days[-1].item() - timedelta(WINDOW_DAYS))
    return DriftCheck(cells, shares[2], psi(shares)) if cells >= LEAST_CELLS else None


def record_check(check: DriftCheck | None, day: str) -> bool:
    """Count checks that agree, one a market day; True when drift has just been established.

    Hysteresis: drift begins after drift_looks drifted checks in a row, and ends after as many others.
    """
    last = schedule.read_note("drift")
    if check is None or last.get("day") == day:
        return False
    was_drifting = bool(last.get("drifting"))
    against = last.get("against", 0) + 1 if check.drifted != was_drifting else 0
    turned = against >= settings().training.drift_looks
    schedule.write_note(
        "drift",
        day=day,
        drifting=was_drifting != turned,
        against=0 if turned else against,
        coverage_80=round(check.coverage_80, 4),
        psi=round(check.psi, 4),
        cells=check.cells,
    )
    return turned and not was_drifting
