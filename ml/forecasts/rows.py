"""Forecasts of all models -> rows of gold.forecasts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.gold.indicators import national_price
from lakehouse.reference import national_weights, provinces
from ml.data.panel import Floats, Panel
from ml.data.reporting_periods import ReportingPeriod, reporting_periods
from ml.forecasts.fitted_model import NAIVE, FittedModel
from ml.forecasts.interval_widths import Margins

TABLE = "gold.forecasts"
NATION = "ID"
NATION_NAME = "Indonesia"
NATION_PROVINCES = 3  # a mean over fewer is no figure of the nation


@dataclass(frozen=True)
class ServedModels:
    """The models that forecast, and the champions among them. Naive must be one of the models."""

    models: Sequence[FittedModel]
    champions: Mapping[str, str] = field(default_factory=dict)  # commodity -> model; others: naive

    def covers(self, model: FittedModel, commodity: str) -> bool:
        """Whether this fit forecasts the commodity.

        A fit that is limited to it goes before one without limits.
        """
        if model.commodities is not None:
            return commodity in model.commodities
        same_name = (other for other in self.models if other.name == model.name)
        return not any(other.commodities and commodity in other.commodities for other in same_name)


def forecast_rows(
    panel: Panel, served: ServedModels, horizons: Sequence[int], issued_at: datetime
) -> pa.Table:
    """Rows of gold.forecasts.

    Each series is forecast from the end of its reporting period, so an archive has forecasts too, dated
    accordingly.
    """
    periods = reporting_periods(panel)
    national = national_periods(panel, periods)
    parts: list[pa.Table] = []
    for number, period in enumerate(periods):
        nationwide = {commodity for commodity, chosen in national.items() if chosen == number}
        known = panel.until(period.end)
        parts += _period_tables(known, period, nationwide, served, horizons, issued_at)
    schema = arrow_schema(contracts()[TABLE])
    return pa.concat_tables(parts).select(schema.names).cast(schema) if parts else schema.empty_table()


def national_periods(panel: Panel, periods: Sequence[ReportingPeriod]) -> dict[str, int]:
    """Commodity -> number of the period that its national figure is computed from.

    It is the newest period of at least NATION_PROVINCES provinces: an archive of more provinces does not
    replace what is reported now. Where none has so many, it is the one with most, of equals the newer one.
    """
    counted = Counter(
        (panel.commodities[row], number) for number, period in enumerate(periods) for row in period.rows
    )
    chosen: dict[str, int] = {}
    for (commodity, number), provinces_in_it in counted.items():
        most = counted[commodity, chosen.get(commodity, number)]
        if commodity not in chosen or most < min(provinces_in_it, NATION_PROVINCES):
            chosen[commodity] = number
    return chosen


def _period_tables(
    panel: Panel,
    period: ReportingPeriod,
    nationwide: Set[str],
    served: ServedModels,
    horizons: Sequence[int],
    issued_at: datetime,
) -> Iterator[pa.Table]:
    """A table per model. Where a model has no forecast it takes that of naive, as in its evaluation."""
    naive = next(model for model in served.models if model.name == NAIVE).predict(panel, horizons)
    for model in served.models:
        covered = [row for row in period.rows if served.covers(model, panel.commodities[row])]
        if not covered:
            continue
        rows = np.array(covered, dtype=int)
        price = model.predict(panel, horizons)
        price = np.where(np.isfinite(price) & (price > 0), price, naive)
        margins = model.intervals(panel, horizons).at(rows)
        series, price, margins = _with_nation(panel.select(rows), price[rows], margins, nationwide)
        yield model_rows(series, price, margins, model, served, horizons, issued_at)


def _with_nation(
    panel: Panel, price: Floats, margins: Margins, nationwide: Set[str]
) -> tuple[Panel, Floats, Margins]:
    """The series, then the national price of each commodity of `nationwide` that has no national series.

    It is the weighted mean over the provinces that are forecast, as national_price_idr of gold.indicators is
    over those that reported. The nation's interval is that of its middle province: wider than a mean over
    provinces needs.
    """
    members = {
        commodity: panel.rows_of(commodity)
        for commodity in panel.distinct_commodities
        if commodity in nationwide and (commodity, NATION) not in panel.series
    }
    if not members:
        return panel, price, margins
    first = np.array([rows[0] for rows in members.values()], dtype=int)
    extended = panel.select(np.concatenate([np.arange(len(price)), first]))
    extended = replace(extended, regions=panel.regions + (NATION,) * len(members), exogenous=())
    if panel.providers:
        of_nation = (", ".join(sorted({panel.providers[row] for row in rows})) for rows in members.values())
        extended = replace(extended, providers=(*panel.providers, *of_nation))
    weights = np.array([national_weights().by_region.get(code, 1.0) for code in panel.regions])
    national = [national_price(price[rows], weights[rows])[0] for rows in members.values()]
    return extended, np.vstack([price, *national]), margins.with_medians(list(members.values()))


def model_rows(
    panel: Panel,
    price: Floats,
    margins: Margins,
    model: FittedModel,
    served: ServedModels,
    horizons: Sequence[int],
    issued_at: datetime,
) -> pa.Table:
    """The forecasts of one model, series by series; a skill that is not a number is null."""
    commodities = panel.commodities
    ahead = len(horizons)
    origin = panel.days[-1]
    count = len(commodities) * ahead
    version = panel.source.get("version")
    champion = [served.champions.get(commodity, NAIVE) == model.name for commodity in commodities]
    results = [model.gate_result(commodity) for commodity in commodities]
    return pa.table(
        {
            "commodity": _repeat(commodities, ahead),
            "region_code": _repeat(panel.regions, ahead),
            "region": _repeat([region_name(code) for code in panel.regions], ahead),
            "provider": _repeat(
                [name or None for name in panel.providers or [None] * len(commodities)], ahead, pa.string()
            ),
            "unit": _repeat(panel.units, ahead),
            "issued_at": pa.array([issued_at] * count, pa.timestamp("us", "UTC")),
            "origin_date": pa.array(np.full(count, origin)),
            "target_date": pa.array(np.tile(origin + np.asarray(horizons), len(commodities))),
            "horizon_days": pa.array(np.tile(np.asarray(horizons, dtype=np.int32), len(commodities))),
            "model": pa.array([model.name] * count),
            "champion": _repeat(champion, ahead),
            "price_idr": price.ravel(),
            "lower_80_idr": (price * np.exp(-margins.half_80)).ravel(),
            "upper_80_idr": (price * np.exp(margins.half_80)).ravel(),
            "lower_95_idr": (price * np.exp(-margins.half_95)).ravel(),
            "upper_95_idr": (price * np.exp(margins.half_95)).ravel(),
            "confidence": np.clip(margins.confidence, 0.0, 1.0).ravel(),
            "interval_basis": pa.array(margins.basis.ravel().tolist(), pa.string()),
            "model_version": _repeat(
                [model.versions.get(commodity, "0") for commodity in commodities], ahead
            ),
            "run_id": pa.array([model.run_id] * count, pa.string()),
            "data_version": pa.array([version if isinstance(version, int) else None] * count, pa.int64()),
            "skill_vs_naive": _repeat([result.skill for result in results], ahead, pa.float64()),
            "gate_reason": _repeat([result.reason for result in results], ahead),
        }
    )


def _repeat(values: Sequence[object], times: int, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array([value for value in values for _ in range(times)], kind, from_pandas=True)


def region_name(code: str) -> str:
    """Name of a region code; the code itself when it is not listed."""
    if code == NATION:
        return NATION_NAME
    return provinces()[code].name if code in provinces() else code
