"""A closed market day as a whole: which of its outliers are released, and why."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import ordered
from lakehouse.families import siblings
from lakehouse.reference import island
from lakehouse.validation import Flags
from lakehouse.validation.prices.siblings import lies_at
from lakehouse.validation.prices.thin_sample import USUAL_DAYS, thin_sample
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.prices.verdict_rows import COPIED_COLUMNS
from lakehouse.validation.windows import Floats, Ints, median, median_of

DECIDED_BY = "system:day-close"
# Days before a refused price that are read: for the usual sample, and for the price from which it moved.
LOOK_BACK_DAYS = USUAL_DAYS
# Days after it on which its level may turn out to hold.
FOLLOW_DAYS = 14
# Log units: a level that holds may vary as much.
LEVEL_FLOOR = 0.04
# Of fewer than `min_peers` markets of a province, the share that confirms a move; at least two.
FEW_SHARE = 0.5
FEWEST_WITNESSES = 2
NEEDED = (
    *(name for name in COPIED_COLUMNS if name != "device_id"),
    "policy",
    "last_price_idr",
    "days_since_last",
    "score_r",
    "confirmed",
    "score_g",
    "sibling",
    "sibling_idr",
    "unit_power",
    "source_mismatch",
    "outside_band",
    "outcome",
)
SERIES = ("provider", "market_id", "region_code", "level")


@dataclass(frozen=True)
class Release:
    """A refused price that is released, its log ratio to the last accepted price, and the reason."""

    event_id: str
    move: float
    reason: str


def releases(verdicts: pa.Table, days: Collection[date], thresholds: Thresholds) -> list[Release]:
    """Prices of closed days to release: refused by scores or for a sibling's level, and one of these holds.

    - No exchange: only the level of a sibling spoke against it, and the sibling did not take its level.
    - Common shock: enough peers moved alike, see `_shared`.
    - Thin sample: the day's sample is thin, and no score exceeds `thin_limit` times its limit.
    - Lasting level: it holds on `level_days` days with a report of the series in a row, its own among them.

    Of two siblings that exchanged their levels on that day nothing is released, however many reporters show
    it: their columns were exchanged.

    `verdicts`: rows of silver.price_verdicts, siblings included, of `days`, of the LOOK_BACK_DAYS before and
    of days up to FOLLOW_DAYS after, refused ones included: what was refused is a reported move too. Only the
    last reason reads days after the price's own.
    """
    return _chosen(verdicts, days, thresholds, (_not_exchanged, _shared, _thin, _lasting))


def lasting_levels(verdicts: pa.Table, days: Collection[date], thresholds: Thresholds) -> list[Release]:
    """`releases` for the last reason alone: no other can arise after the close of the day."""
    return _chosen(verdicts, days, thresholds, (_lasting,))


def _chosen(
    verdicts: pa.Table, days: Collection[date], thresholds: Thresholds, reasons: Sequence["Reason"]
) -> list[Release]:
    rows = verdicts.select(NEEDED)
    of_days = rows.filter(pc.field("market_date").isin(pa.array(sorted(days), pa.date32())))
    refused = of_days.filter(pc.field("outcome") == "quarantine").to_pylist()
    by_event = {row["event_id"]: row for row in refused if _by_outlier_only(row, thresholds)}
    exchanged = _exchanged(of_days, by_event.values())
    by_event = {event: row for event, row in by_event.items() if event not in exchanged}
    chosen: list[Release] = []
    for commodity, channel in sorted({(row["commodity"], row["channel"]) for row in by_event.values()}):
        reported = Reported.of(
            rows.filter((pc.field("commodity") == commodity) & (pc.field("channel") == channel))
        )
        for row in by_event.values():
            if (row["commodity"], row["channel"]) == (commodity, channel):
                texts = (reason(row, reported, thresholds) for reason in reasons)
                if text := next(filter(None, texts), None):
                    chosen.append(Release(row["event_id"], _move(row), text))
    return chosen


def _by_outlier_only(row: Mapping[str, Any], thresholds: Thresholds) -> bool:
    other = row["unit_power"] or row["source_mismatch"] or row["outside_band"]
    return (
        row["policy"] == "calibrated"
        and (_strength(row, thresholds) > 1 or row["sibling_idr"] is not None)
        and not other
        and row["last_price_idr"] is not None
    )


def _exchanged(of_days: pa.Table, refused: Collection[Mapping[str, Any]]) -> set[str]:
    """Refused prices that lie at a sibling's last price, while that lies at theirs on the same day.

    `of_days`: all verdicts of these days. Of several prices of a sibling the newest counts.
    """
    names = pa.array(sorted({other for row in refused for other in siblings(row["commodity"])}), pa.string())
    rows = ordered(of_days.filter(pc.field("commodity").isin(names)), "event_time", "event_id", "ingested_at")
    newest = {(row["commodity"], *_report(row)): row for row in rows.to_pylist()}
    pairs = (
        (row, other)
        for row in refused
        for name in siblings(row["commodity"])
        if (other := newest.get((name, *_report(row)))) and other["last_price_idr"] is not None
    )
    return {row["event_id"] for row, other in pairs if _took_each_others_level(row, other)}


def _report(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Reporter and day of a price."""
    return tuple(row[name] for name in (*SERIES, "channel", "market_date"))


def _took_each_others_level(row: Mapping[str, Any], sibling: Mapping[str, Any]) -> bool:
    now, before, there, there_before = (
        np.log(price[name]) for price in (row, sibling) for name in ("price_idr", "last_price_idr")
    )
    return bool(lies_at(now, before, there_before) and lies_at(there, there_before, before))


def _strength(row: Mapping[str, Any], thresholds: Thresholds) -> float:
    """The larger of the two scores, each as a share of its limit."""
    residual = (row["score_r"] or 0) if row["confirmed"] else 0
    return float(max(residual / thresholds.residual, (row["score_g"] or 0) / thresholds.geographic))


def _move(row: Mapping[str, Any]) -> float:
    return float(np.log(row["price_idr"] / row["last_price_idr"]))


@dataclass(frozen=True)
class Reported:
    """Log prices [days, series] as reported, the newest of each series-day without unit errors.

    `days`: ascending epoch days. `series`: provider, market, province and level of each column.
    """

    log: Floats
    days: Ints
    series: list[tuple[str, ...]]

    @classmethod
    def of(cls, panel: pa.Table) -> "Reported":
        """From verdicts of one commodity and channel. Unit errors are left out: they are no moves."""
        rows = ordered(panel.filter(pc.field("unit_power") == 0), "event_time", "event_id", "ingested_at")
        names = pa.chunked_array(
            pc.binary_join_element_wise(*(rows[name].cast(pa.string()) for name in SERIES), "\x1f")
        )
        encoded = names.combine_chunks().dictionary_encode()
        day = rows["market_date"].cast(pa.int32()).to_numpy()
        days, row = np.unique(day, return_inverse=True)
        series = [tuple(name.split("\x1f")) for name in encoded.dictionary.to_pylist()]
        log = np.full((len(days), len(series)), np.nan)
        # Of equal places the last assignment counts: the newest.
        log[row, encoded.indices.to_numpy()] = np.log(rows["price_idr"].to_numpy())
        return cls(log, days.astype(np.int64), series)

    @cached_property
    def _place(self) -> dict[tuple[str, ...], int]:
        return {series: column for column, series in enumerate(self.series)}

    @cached_property
    def region(self) -> np.ndarray:
        """Province of each series."""
        return np.array([region for _, _, region, _ in self.series])

    @cached_property
    def regions(self) -> np.ndarray:
        """The provinces; in the order of the series where each has one."""
        regions = np.unique(self.region)
        return self.region if len(regions) == len(self.series) else regions

    @cached_property
    def is_market(self) -> Flags:
        """Whether a series is a single market."""
        return np.array([level == "market" for *_, level in self.series])

    def column(self, row: Mapping[str, Any]) -> int:
        """The column of a verdict's series."""
        return self._place[tuple(row[name] for name in SERIES)]

    def row(self, day: int) -> int:
        """The number of a reported day."""
        return int(np.searchsorted(self.days, day))

    def moves(self, day: int, base: int) -> Floats:
        """Log move of each series since its last report up to day `base`, at most LOOK_BACK_DAYS ago."""
        start, stop = np.searchsorted(self.days, [day - LOOK_BACK_DAYS, base + 1])
        return np.asarray(self.log[self.row(day)] - _newest(self.log[start:stop]))

    def rises(self, day: int, base: int) -> Floats:
        """Log distance of each series to its usual level: the median of LOOK_BACK_DAYS up to day `base`."""
        start, stop = np.searchsorted(self.days, [day - LOOK_BACK_DAYS, base + 1])
        return np.asarray(self.log[self.row(day)] - median(self.log[start:stop]))

    def by_region(self, values: Floats) -> Floats:
        """Median of the values of each of `regions`."""
        if len(self.regions) == len(self.series):
            return values
        return np.array([median(values[self.region == region][:, None])[0] for region in self.regions])


@dataclass(frozen=True)
class _Peers:
    """Peers of a price, its own series among them: how many report, and how many moved alike.

    `is_near`: the price ends where the others of these end, up to `shock_part` of their move. A shared move
    explains no price far beyond it.
    """

    known: int
    alike: int
    is_near: bool

    @classmethod
    def of(cls, moves: Floats, ends: Floats, move: float, end: float, thresholds: Thresholds) -> "_Peers":
        """Of the moves of peers in the direction of `move`: alike is at least `shock_part` of it.

        `ends`: how far they end above an earlier level of their own; NaN for the series of the price.
        """
        moved = moves >= thresholds.shock_part * move
        others = moved & np.isfinite(ends)
        apart = abs(end - float(median_of(ends[others], 1)))
        is_near = apart <= thresholds.shock_part * float(median_of(moves[others], 1))
        return cls(int(np.isfinite(moves).sum()), int(moved.sum()), is_near)

    def share_it(self, thresholds: Thresholds) -> bool:
        """Whether `shock_share` of many peers moved alike."""
        is_enough = self.known >= thresholds.min_peers and self.alike >= thresholds.shock_share * self.known
        return self.is_near and is_enough

    @property
    def confirm_it(self) -> bool:
        """Whether of few peers enough others moved alike."""
        return self.is_near and self.alike - 1 >= max(FEWEST_WITNESSES, FEW_SHARE * (self.known - 1))

    def text(self, move: float, places: str) -> str:
        """The reason for a decision."""
        return (
            f"common shock of {100 * (np.exp(move) - 1):+.0f} %: {self.alike / self.known:.0%} of "
            f"{self.known} {places} moved the same way by at least half of it, and the price ends near theirs"
        )


Reason = Callable[[Mapping[str, Any], Reported, Thresholds], str | None]


def _not_exchanged(row: Mapping[str, Any], reported: Reported, thresholds: Thresholds) -> str | None:
    """Why a price at a sibling's level is its own: no score exceeds its limit, and they did not exchange."""
    if _strength(row, thresholds) > 1:
        return None
    sibling = f"the level of {row['sibling']}, {row['sibling_idr']:,.0f} rupiah"
    return f"no columns exchanged: it came near {sibling}, which did not take its own level"


def _shared(row: Mapping[str, Any], reported: Reported, thresholds: Thresholds) -> str | None:
    """Why the move is a common shock: enough peers moved the same way, and the price ends near them.

    Peers of a single market are the markets of its province. With fewer than `min_peers` of them, and for
    provinces, all provinces are counted, by moves since the day of the last accepted price, then those of
    the island group. Of few markets, and of an island group, two others that are half of them suffice.
    Markets and provinces of an island group may have moved within `shock_days`.
    """
    day, move = _epoch_day(row["market_date"]), _move(row)
    base = day - int(row["days_since_last"])
    moves = reported.moves(day, base) * np.sign(move)
    of_week = reported.moves(day, min(base, day - thresholds.shock_days)) * np.sign(move)
    of_week = np.fmax(moves, of_week)
    rises = reported.rises(day, base)
    column = reported.column(row)
    own, rise = abs(move), float(rises[column])
    rises[column] = np.nan
    if row["level"] == "market":
        here = (reported.region == row["region_code"]) & reported.is_market
        markets = _Peers.of(of_week[here], rises[here], own, rise, thresholds)
        if markets.share_it(thresholds) or (markets.known < thresholds.min_peers and markets.confirm_it):
            return markets.text(move, "markets of the province")
        if markets.known >= thresholds.min_peers:
            return _among_markets(row, reported, here, thresholds)
    others = np.where(np.isfinite(rises), moves, np.nan)
    moves, others, of_week, rises = map(reported.by_region, (moves, others, of_week, rises))
    provinces = _Peers.of(moves, others, own, own, thresholds)
    if provinces.share_it(thresholds):
        return provinces.text(move, "provinces")
    near = np.array([island(region) == island(row["region_code"]) for region in reported.regions])
    neighbours = _Peers.of(of_week[near], rises[near], own, rise, thresholds)
    return neighbours.text(move, "provinces of the island group") if neighbours.confirm_it else None


def _among_markets(
    row: Mapping[str, Any], reported: Reported, here: Flags, thresholds: Thresholds
) -> str | None:
    """Why the step only follows the others: it ends near the median of the markets `here` on that day.

    Near is within `shock_part` of its distance before: a step that leads as far beyond follows nobody.
    """
    today = reported.log[reported.row(_epoch_day(row["market_date"]))].copy()
    today[reported.column(row)] = np.nan
    others = float(median_of(today[here], thresholds.min_peers))
    before = abs(np.log(row["last_price_idr"]) - others)
    if not abs(np.log(row["price_idr"]) - others) <= thresholds.shock_part * before:
        return None
    return f"follows its peers: the median of the markets of the province is {np.exp(others):,.0f} rupiah"


def _thin(row: Mapping[str, Any], reported: Reported, thresholds: Thresholds) -> str | None:
    """Why the price is not held against its day: the sample of its provider and level is thin on it."""
    if _strength(row, thresholds) > thresholds.thin_limit:
        return None
    same = np.array([(series[0], series[3]) == (row["provider"], row["level"]) for series in reported.series])
    prices = np.asarray(np.exp(reported.log[:, same]).round(4), dtype=np.float64)
    at = reported.row(_epoch_day(row["market_date"]))
    sample = thin_sample(prices, reported.days, at, thresholds)
    return sample.reason if sample else None


def _lasting(row: Mapping[str, Any], reported: Reported, thresholds: Thresholds) -> str | None:
    """Why the price is a new level: `level_days` reports in a row, its own among them, lie near it.

    Near is within `shock_part` of its move, or LEVEL_FLOOR.
    """
    day = _epoch_day(row["market_date"])
    own = reported.log[:, reported.column(row)]
    level = float(np.log(row["price_idr"]))
    near = np.abs(own - level) <= max(thresholds.shock_part * abs(_move(row)), LEVEL_FLOOR)
    there = np.isfinite(own) & (np.abs(reported.days - day) <= FOLLOW_DAYS)
    run = _run_around(near[there], int(np.searchsorted(reported.days[there], day)))
    if run < thresholds.level_days:
        return None
    return f"lasting level: {run} reports in a row of the series lie near it"


def _run_around(flags: Flags, at: int) -> int:
    """Length of the run of true flags that contains place `at`; 0 when that flag is false."""
    runs = np.split(np.arange(len(flags)), np.flatnonzero(~flags))
    return next((int(flags[run].sum()) for run in runs if at in run and flags[at]), 0)


def _newest(log: Floats) -> Floats:
    """The last value of each column; NaN where there is none."""
    if not len(log):
        return np.full(log.shape[1], np.nan)
    known = np.isfinite(log)
    last = len(log) - 1 - np.argmax(known[::-1], axis=0)
    return np.where(known.any(axis=0), log[last, np.arange(log.shape[1])], np.nan)


def _epoch_day(day: date) -> int:
    return (day - date(1970, 1, 1)).days
