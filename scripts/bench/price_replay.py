"""Replay of a price panel through the price validator, day by day, with the day close after each day."""

import copy
from dataclasses import dataclass
from datetime import UTC, datetime, time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.reference import commodities
from lakehouse.validation.prices.day_close import LOOK_BACK_DAYS, common_shocks
from lakehouse.validation.prices.validator import PriceValidator
from scripts.bench.price_faults import Prices


@dataclass(frozen=True)
class Outcome:
    """Refused prices, [days, commodities, series].

    `on_arrival`: refused on arrival. `closed`: still refused after the close of their day. `final`: after all
    days, when later days have released some. `unit_error`: refused as a unit error.
    """

    on_arrival: np.ndarray
    closed: np.ndarray
    final: np.ndarray
    unit_error: np.ndarray


def day_rows(prices: Prices, idr: np.ndarray, day: int) -> tuple[pa.Table, tuple[np.ndarray, np.ndarray]]:
    """(rows of silver.prices of one day, (commodity index, series index) of each row)."""
    commodity_index, series_index = np.nonzero(np.isfinite(idr[day]))
    when = datetime.combine(prices.days[day], time(3), UTC)
    size = len(commodity_index)
    columns = {
        "event_id": [
            f"{day}-{commodity}-{series}"
            for commodity, series in zip(commodity_index.tolist(), series_index.tolist(), strict=True)
        ],
        "event_time": pa.repeat(pa.scalar(when, pa.timestamp("us", "UTC")), size),
        "market_id": np.array(prices.market_ids)[series_index],
        "region_code": np.array(prices.provinces)[series_index],
        "level": pa.repeat(prices.level, size),
        "commodity": np.array(prices.commodities)[commodity_index],
        "channel": pa.repeat("retail", size),
        "price_idr": idr[day, commodity_index, series_index],
        "market_date": pa.repeat(pa.scalar(prices.days[day], pa.date32()), size),
        "ingested_at": pa.repeat(pa.scalar(when, pa.timestamp("us", "UTC")), size),
    }
    return pa.table(columns), (commodity_index, series_index)


def warmed_validator(prices: Prices, knobs: dict[str, object], until: int) -> PriceValidator:
    """A validator that has judged the published panel up to day `until`, including the day closes."""
    validator = PriceValidator(knobs)
    replay(validator, prices, prices.idr, 0, until)
    return validator


def replay(validator: PriceValidator, prices: Prices, idr: np.ndarray, first: int, stop: int) -> Outcome:
    """Judge the days first..stop-1 in order.

    Rows that a day close releases are judged again, as released, before the next day.
    """
    on_arrival, closed, unit_error = (np.zeros(idr.shape, dtype=bool) for _ in range(3))
    recent: list[pa.Table] = []
    for day in range(first, stop):
        rows, (commodity_index, series_index) = day_rows(prices, idr, day)
        if not rows.num_rows:
            continue
        all_rows = np.ones(rows.num_rows, dtype=bool)
        bounds = np.array(
            [commodities()[prices.commodities[commodity]].band_idr for commodity in commodity_index.tolist()]
        ).reshape(-1, 2)
        price = idr[day, commodity_index, series_index]
        outside = (price < bounds[:, 0]) | (price > bounds[:, 1])  # rule price_in_band
        judgement = validator.judge(rows, ~outside, ~all_rows)
        assert judgement.verdicts is not None
        recent = [*recent[-LOOK_BACK_DAYS:], judgement.verdicts]
        refused = outside.copy()
        refused[~outside] = np.asarray(pc.equal(judgement.verdicts["outcome"], "quarantine"))
        released = np.zeros_like(refused)
        if refused.any():
            releases = common_shocks(pa.concat_tables(recent), prices.days[day], validator.thresholds)
            released = np.isin(rows["event_id"].to_numpy(), [release.event_id for release in releases])
        if released.any():
            validator.judge(rows.filter(pa.array(released)), all_rows[released], all_rows[released])
        on_arrival[day, commodity_index, series_index] = refused
        closed[day, commodity_index, series_index] = refused & ~released
        if "unit_error" in judgement.violated:
            unit_error[day, commodity_index, series_index] = judgement.violated["unit_error"]
    return Outcome(on_arrival, closed, closed.copy(), unit_error)


def replay_on_copy(
    validator: PriceValidator, prices: Prices, idr: np.ndarray, first: int, stop: int
) -> Outcome:
    """`replay` on a copy of the validator, so that one warmed validator serves many panels."""
    return replay(copy.deepcopy(validator), prices, idr, first, stop)
