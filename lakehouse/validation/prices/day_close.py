"""A closed market day as a whole: outliers that most provinces share are a common shock and are released."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.windows import Floats, median

DECIDED_BY = "system:day-close"
# How old the price may be from which a refused one moved.
LOOK_BACK_DAYS = 14
NEEDED = (
    "event_id",
    "event_time",
    "provider",
    "market_id",
    "region_code",
    "commodity",
    "channel",
    "market_date",
    "price_idr",
    "policy",
    "last_price_idr",
    "days_since_last",
    "score_r",
    "confirmed",
    "score_g",
    "unit_power",
    "source_mismatch",
    "outside_band",
    "outcome",
)


@dataclass(frozen=True)
class Release:
    """A refused price that moved with the country: `share` of `regions` provinces moved alike."""

    event_id: str
    move: float  # log ratio to the last accepted price
    share: float
    regions: int

    @property
    def reason(self) -> str:
        return (
            f"common shock: {self.share:.0%} of {self.regions} provinces moved the same way by at least "
            f"half of {100 * (np.exp(self.move) - 1):+.0f} %"
        )


def common_shocks(verdicts: pa.Table, day: date, thresholds: Thresholds) -> list[Release]:
    """Prices of a closed day to release: refused by score_r or score_g alone, and shared by most provinces.

    `verdicts`: rows of silver.price_verdicts of that day and the LOOK_BACK_DAYS before it, refused ones
    included: what was refused is a reported move too. A province moved alike when its price changed, since
    the day of the last accepted price of the refused row, with the same sign by `shock_part` of its move or
    more. The share of such provinces is at least `shock_share`.
    """
    releases: list[Release] = []
    rows = verdicts.select(NEEDED)
    refused = rows.filter(
        (pc.field("market_date") == pa.scalar(day)) & (pc.field("outcome") == "quarantine")
    ).to_pylist()
    refused = [row for row in refused if _by_outlier_only(row, thresholds)]
    for commodity, channel in sorted({(row["commodity"], row["channel"]) for row in refused}):
        panel = rows.filter((pc.field("commodity") == commodity) & (pc.field("channel") == channel))
        reported = _reported(panel)
        own = [row for row in refused if (row["commodity"], row["channel"]) == (commodity, channel)]
        releases += [release for row in own if (release := _release(row, reported, day, thresholds))]
    return releases


def _by_outlier_only(row: Mapping[str, Any], thresholds: Thresholds) -> bool:
    residual = row["confirmed"] and (row["score_r"] or 0) > thresholds.residual
    outlier = residual or (row["score_g"] or 0) > thresholds.geographic
    other = row["unit_power"] or row["source_mismatch"] or row["outside_band"]
    return row["policy"] == "calibrated" and bool(outlier) and not other and row["last_price_idr"] is not None


@dataclass(frozen=True)
class Reported:
    """Log prices [days, series] as reported, the newest of each series-day; `region`: their provinces."""

    log: Floats
    days: list[date]
    region: list[str]


def _reported(panel: pa.Table) -> Reported:
    """Unit errors are left out: they are no moves."""
    newest: dict[tuple[date, tuple[str, str, str]], tuple[Any, str, float]] = {}
    for row in panel.filter(pc.field("unit_power") == 0).to_pylist():
        key = (row["market_date"], (row["provider"], row["market_id"], row["region_code"]))
        newest[key] = max(
            newest.get(key, (row["event_time"], "", 0.0)),
            (row["event_time"], row["event_id"], row["price_idr"]),
        )
    days = sorted({day for day, _ in newest})
    series = sorted({key for _, key in newest})
    log = np.full((len(days), len(series)), np.nan)
    place = {key: column for column, key in enumerate(series)}
    row_of = {day: row for row, day in enumerate(days)}
    for (day, one_series), (_, _, price) in newest.items():
        log[row_of[day], place[one_series]] = np.log(price)
    return Reported(log, days, [region for _, _, region in series])


def _release(row: Mapping[str, Any], reported: Reported, day: date, thresholds: Thresholds) -> Release | None:
    move = float(np.log(row["price_idr"] / row["last_price_idr"]))
    base = day.toordinal() - row["days_since_last"]
    before = np.array([reported_day.toordinal() <= base for reported_day in reported.days])
    moves = reported.log[reported.days.index(day)] - _newest(reported.log[before])
    regions = sorted(set(reported.region))
    of_series = np.array(reported.region)
    of_region = np.array([median(moves[of_series == region][:, None])[0] for region in regions])
    there = np.isfinite(of_region)
    alike = (
        there
        & (np.sign(of_region) == np.sign(move))
        & (np.abs(of_region) >= thresholds.shock_part * abs(move))
    )
    share = float(alike.sum() / max(there.sum(), 1))
    if there.sum() < thresholds.min_peers or share < thresholds.shock_share:
        return None
    return Release(row["event_id"], move, share, int(there.sum()))


def _newest(log: Floats) -> Floats:
    """The last value of each column; NaN where there is none."""
    if not len(log):
        return np.full(log.shape[1], np.nan)
    known = np.isfinite(log)
    last = len(log) - 1 - np.argmax(known[::-1], axis=0)
    return np.where(known.any(axis=0), log[last, np.arange(log.shape[1])], np.nan)
