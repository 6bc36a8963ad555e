"""A price panel through the price validator, day by day, as the stream would see it, with the day close after each day."""

import copy
from dataclasses import dataclass
from datetime import UTC, datetime, time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.reference import commodities
from lakehouse.validation.day_close import LOOK_BACK_DAYS, common_shocks
from lakehouse.validation.prices import PriceValidator
from scripts.bench.price_faults import Prices


@dataclass(frozen=True)
class Outcome:
    """[days, commodities, provinces]: refused when it came; still refused after the close of its day; refused as a unit error."""

    hot: np.ndarray
    closed: np.ndarray
    unit_error: np.ndarray


def rows_of(prices: Prices, idr: np.ndarray, day: int) -> tuple[pa.Table, tuple[np.ndarray, np.ndarray]]:
    """(rows as silver.prices has them, (commodity, province) of each) of one day."""
    goods, places = np.nonzero(np.isfinite(idr[day]))
    when = datetime.combine(prices.days[day], time(3), UTC)
    codes = np.array(prices.provinces)[places]
    size = len(goods)
    columns = {
        "event_id": [f"{day}-{good}-{place}" for good, place in zip(goods.tolist(), places.tolist(), strict=True)],
        "event_time": pa.repeat(pa.scalar(when, pa.timestamp("us", "UTC")), size),
        "market_id": np.char.add("PROV-", codes),
        "region_code": codes,
        "level": pa.repeat("province", size),
        "commodity": np.array(prices.commodities)[goods],
        "channel": pa.repeat("retail", size),
        "price_idr": idr[day, goods, places],
        "market_date": pa.repeat(pa.scalar(prices.days[day], pa.date32()), size),
        "ingested_at": pa.repeat(pa.scalar(when, pa.timestamp("us", "UTC")), size),
    }
    return pa.table(columns), (goods, places)


def warmed(prices: Prices, knobs: dict[str, object], until: int) -> PriceValidator:
    """A validator that has seen the panel as published up to a day, day closes included."""
    validator = PriceValidator(knobs)
    replay(validator, prices, prices.idr, 0, until)
    return validator


def replay(validator: PriceValidator, prices: Prices, idr: np.ndarray, first: int, stop: int) -> Outcome:
    """Judge the days first..stop-1 in order; what the day close releases is taken up before the next day."""
    hot, closed, unit = (np.zeros(idr.shape, dtype=bool) for _ in range(3))
    recent: list[pa.Table] = []
    for day in range(first, stop):
        rows, (goods, places) = rows_of(prices, idr, day)
        every = np.ones(rows.num_rows, dtype=bool)
        bounds = np.array([commodities()[prices.commodities[good]].band_idr for good in goods.tolist()]).reshape(-1, 2)
        outside = (idr[day, goods, places] < bounds[:, 0]) | (idr[day, goods, places] > bounds[:, 1])  # rule price_in_band
        judgement = validator.judge(rows, ~outside, ~every)
        assert judgement.verdicts is not None
        recent = [*recent[-LOOK_BACK_DAYS:], judgement.verdicts]
        refused = outside.copy()
        refused[~outside] = np.asarray(pc.equal(judgement.verdicts["outcome"], "quarantine"))
        released = np.zeros_like(refused)
        if refused.any():
            freed = common_shocks(pa.concat_tables(recent), prices.days[day], validator.thresholds)
            released = np.isin(rows["event_id"].to_numpy(), [one.event_id for one in freed])
        if released.any():
            validator.judge(rows.filter(pa.array(released)), every[released], every[released])
        hot[day, goods, places] = refused
        closed[day, goods, places] = refused & ~released
        if "unit_error" in judgement.violated:
            unit[day, goods, places] = judgement.violated["unit_error"]
    return Outcome(hot, closed, unit)


def continued(validator: PriceValidator, prices: Prices, idr: np.ndarray, first: int, stop: int) -> Outcome:
    """`replay` on a copy, so that one warmed validator serves many panels."""
    return replay(copy.deepcopy(validator), prices, idr, first, stop)
