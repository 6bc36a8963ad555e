"""Rows of gold.indicators and gold.monthly_indicators for one commodity, from its daily prices."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import Contract
from lakehouse.gold.indicators import (
    CHANGE_DAYS,
    Texts,
    bounds,
    change_level,
    days_in_a_row,
    dispersion_pct,
    gap_pct,
    margin_pct,
    national_price,
    producer_of,
    volatility_pct,
)
from lakehouse.gold.monthly_indicators import (
    IFPA_YEARS,
    Ifpa,
    MonthChanges,
    alps,
    alps_class,
    ifpa,
    ifpa_class,
    monthly,
)
from lakehouse.gold.price_panel import Floats, Ints, PricePanel, lagged, panels
from lakehouse.reference import ceilings_of, national_weights, provinces

# Wholesale prices have no reference price.
CEILING_LEVEL = {"retail": "consumer", "modern": "consumer", "producer": "producer"}


def indicator_rows(
    daily: pa.Table, since: int, rises_pct: Mapping[str, float], of_day: Contract, of_month: Contract
) -> tuple[pa.Table, pa.Table]:
    """Rows of gold.indicators from day `since` on, and all rows of gold.monthly_indicators.

    `daily`: rows of one commodity in gold.daily_prices, of the chosen providers; `since`: days since 1970;
    `rises_pct`: change levels over 7 days.
    """
    commodity = daily["commodity"][0].as_py()
    groups = panels(daily)
    days, months = [], []
    for panel in groups:
        warning = MonthlyRows(panel)
        months.append(
            _table(of_month, commodity, panel, warning.columns, np.nonzero(warning.days), warning.months, "M")
        )
        rows = np.nonzero(np.isfinite(panel.price) & (panel.days >= since))
        columns = _daily_columns(panel, groups, commodity, rises_pct) | warning.of_the_month_before(
            panel.months
        )
        days.append(_table(of_day, commodity, panel, columns, rows, panel.days, "D"))
    return pa.concat_tables(days), pa.concat_tables(months)


def _daily_columns(
    panel: PricePanel, groups: Sequence[PricePanel], commodity: str, rises_pct: Mapping[str, float]
) -> dict[str, Any]:
    """Column -> (regions, days) or one value for all."""
    price = panel.price
    changes = {days: 100 * (price / lagged(panel, days) - 1) for days in CHANGE_DAYS}
    weights = national_weights()
    national, count = national_price(
        price, np.array([weights.by_region.get(code, 1.0) for code in panel.regions])
    )
    level = CEILING_LEVEL.get(panel.channel, "")
    zones = [provinces()[code].rice_zone for code in panel.regions]
    bound, kind = bounds(panel.days, [ceilings_of(commodity, zone, level) for zone in zones])
    gap = gap_pct(panel.reported, bound, producer=level == "producer")
    producer = producer_of(panel, groups) if panel.channel == "retail" else None
    return {
        "median_price_idr": price,
        "observations": panel.observations,
        "markets": panel.markets,
        **{f"change_{days}d_pct": change for days, change in changes.items()},
        "change_level": change_level(changes[7], rises_pct),
        "volatility_pct": volatility_pct(price),
        "national_price_idr": _down(national, panel),
        "national_gap_pct": 100 * (price / national - 1),
        "national_weights": weights.name,
        "provinces": _down(count, panel),
        "dispersion_pct": _down(dispersion_pct(price), panel),
        "reference_kind": kind,
        "reference_price_idr": bound,
        "gap_pct": gap,
        "days_above": days_in_a_row(gap),
        **splice_columns(panel),
        "producer_margin_pct": np.nan if producer is None else margin_pct(price, producer),
    }


def splice_columns(panel: PricePanel) -> dict[str, Any]:
    """Whose price it was, until when and how it was multiplied, (regions, days); null for own prices."""
    factor = panel.factors
    is_spliced = np.isfinite(factor)
    seams = np.where(is_spliced, panel.seams[:, None], 0).astype("datetime64[D]")
    return {
        "spliced_from": spliced_from(panel, is_spliced),
        "splice_day": np.where(is_spliced, seams, np.datetime64("NaT", "D")),
        "splice_factor": factor,
    }


class MonthlyRows:
    """The monthly figures of a panel."""

    def __init__(self, panel: PricePanel) -> None:
        self.months, price, self.days = monthly(panel)
        figures = ifpa(price)
        changes = MonthChanges.of(panel, self.months, price)
        real_time, ex_post, reason = zip(*(alps(row) for row in price), strict=True)
        vintage = [
            str(np.datetime64(int(self.months[np.flatnonzero(row)[-1]]), "M")) if row.any() else None
            for row in self.days
        ]
        # columns of gold.monthly_indicators, (regions, months) each or one value for all
        self.columns: dict[str, Any] = {
            "mean_price_idr": price,
            "days": self.days,
            "last_day": changes.last_day.astype("datetime64[D]"),
            "is_complete": changes.is_complete,
            "mom_pct": changes.by_lag[1],
            "yoy_pct": changes.by_lag[12],
            "compared_days": changes.compared_days,
            "spliced_from": spliced_months(panel, self.months),
            "prices": "nominal",
            "cqgr_pct": 100 * figures.cqgr,
            "cagr_pct": 100 * figures.cagr,
            "ifpa": figures.value,
            "ifpa_class": ifpa_class(figures.value),
            "ifpa_years": figures.years,
            "ifpa_12m": _trailing_mean(figures.value),
            "ifpa_reason": ifpa_reason(figures, price),
            "alps": np.array(real_time),
            "alps_class": alps_class(np.array(real_time)),
            "alps_reason": np.array(reason, dtype=object),
            "alps_ex_post": np.array(ex_post),
            "alps_ex_post_class": alps_class(np.array(ex_post)),
            "vintage_month": np.repeat(np.array(vintage, dtype=object)[:, None], len(self.months), axis=1),
        }

    def of_the_month_before(self, month: Ints) -> dict[str, Any]:
        """Known on each day: the real-time figures of the last completed month.

        `month`: (days,), since 1970.
        """
        at = month - self.months[0] - 1
        columns = {}
        for figure in ("ifpa", "alps"):
            before = {figure: np.nan, f"{figure}_class": None, f"{figure}_reason": "no price in the month"}
            for name, value in before.items():
                columns[name] = np.where(at < 0, value, self.columns[name][:, at])
        return columns


def spliced_months(panel: PricePanel, months: Ints) -> Texts:
    """Whose prices are among those of a month besides the own provider's, (regions, months); else None."""
    region, day = np.nonzero(np.isfinite(panel.factors) & np.isfinite(panel.price))
    is_spliced = np.zeros((len(panel.regions), len(months)), dtype=np.bool_)
    is_spliced[region, panel.months[day] - months[0]] = True
    return spliced_from(panel, is_spliced)


def spliced_from(panel: PricePanel, is_spliced: npt.NDArray[np.bool_]) -> Texts:
    """The earlier provider of each region where the mask, (regions, times), is true; else None."""
    names = np.full(is_spliced.shape, None, dtype=object)
    for region, splice in enumerate(panel.splices):
        names[region, is_spliced[region]] = splice.provider if splice else None
    return names


def ifpa_reason(figures: Ifpa, price: Floats) -> Texts:
    """Why there is no IFPA, (regions, months); None where there is one."""
    reason = np.full(price.shape, None, dtype=object)
    reason[np.isnan(figures.value)] = "no variation"
    reason[np.isnan(figures.cqgr) | np.isnan(figures.cagr)] = "no price 3 or 12 months before"
    few = figures.years < IFPA_YEARS
    reason[few] = [f"insufficient: {n} years of this month, {IFPA_YEARS} needed" for n in figures.years[few]]
    reason[np.isnan(price)] = "no price in the month"
    return reason


def _trailing_mean(values: Floats, months: int = 12) -> Floats:
    """Mean of the last 12 months; NaN unless all of them are known."""
    means = np.full(values.shape, np.nan)
    if values.shape[1] >= months:
        windows = np.lib.stride_tricks.sliding_window_view(values, months, axis=1)
        means[:, months - 1 :] = windows.mean(axis=2)
    return means


def _down(row: npt.NDArray[Any], panel: PricePanel) -> npt.NDArray[Any]:
    """One value per day, the same for every province."""
    return np.broadcast_to(row, panel.price.shape)


def _table(
    contract: Contract,
    commodity: str,
    panel: PricePanel,
    columns: Mapping[str, Any],
    rows: tuple[npt.NDArray[np.intp], ...],
    times: Ints,
    step: str,
) -> pa.Table:
    """The cells `rows` of the matrices as rows of the contract; NaN becomes null."""
    region, time = rows
    date = times[time].astype(f"datetime64[{step}]")
    month, texts = np.unique(date.astype("datetime64[M]"), return_inverse=True)
    common = {
        "commodity": commodity,
        "region_code": np.array(panel.regions, dtype=object)[region],
        "region": np.array(panel.names, dtype=object)[region],
        "provider": np.array(panel.providers, dtype=object)[region],
        "channel": panel.channel,
        "level": panel.level,
        "unit": panel.unit,
        "market_date": date,
        "market_month": month.astype(str).astype(object)[texts],
    }
    arrays = []
    for field in arrow_schema(contract):
        value = common[field.name] if field.name in common else columns[field.name]
        if isinstance(value, np.ndarray):
            value = value[region, time] if value.ndim == 2 else value
        else:
            value = np.full(len(region), value, dtype=None if isinstance(value, float) else object)
        whole = isinstance(value, np.ndarray) and value.dtype.kind == "f"
        arrays.append(
            pa.array(value, from_pandas=whole).cast(field.type) if len(value) else pa.array([], field.type)
        )
    return pa.Table.from_arrays(arrays, schema=arrow_schema(contract))
