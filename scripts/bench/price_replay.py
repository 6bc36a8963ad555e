"""Replay of a price panel through the price validator, day by day, with the day close after each day."""

from dataclasses import dataclass
from datetime import UTC, datetime, time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.reference import commodities
from lakehouse.validation.prices.day_close import LOOK_BACK_DAYS, Release, lasting_levels, releases
from lakehouse.validation.prices.validator import PriceValidator
from scripts.bench.price_faults import Prices

WAIT_DAYS = 5


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


def replay(validator: PriceValidator, prices: Prices, idr: np.ndarray, first: int, stop: int) -> Outcome:
    """Judge the days first..stop-1 in order.

    Rows that a day close releases are judged again, as released, before the next day.
    """
    on_arrival, closed, final, unit_error = (np.zeros(idr.shape, dtype=bool) for _ in range(4))
    recent: list[pa.Table] = []
    waiting: dict[int, pa.Table] = {}
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
        on_arrival[day, commodity_index, series_index] = refused
        final[day, commodity_index, series_index] = refused
        waiting = {nth: held for nth, held in waiting.items() if nth >= day - WAIT_DAYS and held.num_rows}
        if refused.any():
            waiting[day] = rows.filter(pa.array(refused))
        for nth in _release(validator, prices, recent, waiting, day):
            final[nth] = False
        closed[day] = final[day]
        if "unit_error" in judgement.violated:
            unit_error[day, commodity_index, series_index] = judgement.violated["unit_error"]
    return Outcome(on_arrival, closed, final, unit_error)


def _release(
    validator: PriceValidator,
    prices: Prices,
    recent: list[pa.Table],
    waiting: dict[int, pa.Table],
    today: int,
) -> list[tuple[int, int, int]]:
    """Release what the closed days allow; the places of the released prices. `waiting` loses their rows."""
    chosen: list[Release] = []
    if today in waiting:
        verdicts = pa.concat_tables(recent[-LOOK_BACK_DAYS - 1 :])
        chosen += releases(verdicts, [prices.days[today]], validator.thresholds)
    # A level holds by the third report; the bench waits no longer for a series with gaps.
    earlier = [prices.days[nth] for nth in waiting if today - WAIT_DAYS <= nth < today]
    if earlier:
        chosen += lasting_levels(pa.concat_tables(recent[-2 * WAIT_DAYS :]), earlier, validator.thresholds)
    ids = pa.array([release.event_id for release in chosen], pa.string())
    for nth, held in waiting.items():
        released = pc.is_in(held["event_id"], ids)
        again = held.filter(released)
        if again.num_rows:
            every = np.ones(again.num_rows, dtype=bool)
            validator.judge(again, every, every)
            waiting[nth] = held.filter(pc.invert(released))
    places = (release.event_id.split("-") for release in chosen)
    return [(int(day), int(commodity), int(series)) for day, commodity, series in places]
