"""Daily prices of one commodity as matrices, (provinces, days), NaN where none was reported."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NO_SEAM = np.iinfo(np.int64).min


class Splice(NamedTuple):
    """Where the days of another provider end that were put in front of a series."""

    provider: str
    day: int  # since 1970: the first one of the series' own provider
    factor: float  # by which their prices were multiplied


@dataclass(frozen=True)
class PricePanel:
    """Prices of one commodity, channel and level.

    Provinces and days are those of all its channels and levels.
    """

    channel: str
    level: str
    unit: str
    regions: tuple[str, ...]  # codes
    names: tuple[str, ...]
    providers: tuple[str, ...]  # of each region; empty text where it has no price
    days: Ints  # (days,) since 1970, ascending, only days with a report
    price: Floats  # (regions, days) rupiah per unit
    observations: Ints  # (regions, days) accepted prices behind it
    markets: Ints  # (regions, days) distinct markets behind it
    splices: tuple[Splice | None, ...] = ()  # of each region; (): none

    @property
    def months(self) -> Ints:
        """(days,) month of each day, since 1970."""
        return self.days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)

    @property
    def seams(self) -> Ints:
        """(regions,) first day of the own provider where another one's days precede it; else long before."""
        ends = [splice.day if splice else NO_SEAM for splice in self.splices]
        return np.array(ends or [NO_SEAM] * len(self.regions), dtype=np.int64)

    @property
    def factors(self) -> Floats:
        """(regions, days) by which prices of another provider were multiplied; NaN for own ones."""
        factor = np.array([splice.factor if splice else np.nan for splice in self.splices] or [np.nan])
        return np.where(self.days < self.seams[:, None], factor[:, None], np.nan)

    @property
    def reported(self) -> Floats:
        """(regions, days) the prices as they were published."""
        factors = self.factors
        return np.where(np.isfinite(factors), self.price / factors, self.price)


def panels(daily: pa.Table) -> list[PricePanel]:
    """A panel per channel and level from the rows of one commodity, all with the same provinces and days.

    A series has one provider, whose days may follow those of another one (lakehouse.gold.chosen_provider).
    """
    code, named = _numbered(daily["region_code"])
    day = daily["market_date"].cast(pa.int32()).to_numpy().astype(np.int64)
    days, column = np.unique(day, return_inverse=True)
    first = {code: row for row, code in reversed(list(enumerate(code.tolist())))}
    names = tuple(daily["region"][first[number]].as_py() for number in range(len(named)))
    channel, channels = _numbered(daily["channel"])
    level, levels = _numbered(daily["level"])
    groups = []
    for pair in np.unique(channel * len(levels) + level):
        rows = np.flatnonzero(channel * len(levels) + level == pair)
        place = (code[rows], column[rows])
        price = np.full((len(named), len(days)), np.nan)
        price[place] = daily["median_price_idr"].to_numpy()[rows]
        counts = []
        for name in ("observations", "markets"):
            counts.append(np.zeros(price.shape, dtype=np.int64))
            counts[-1][place] = daily[name].to_numpy()[rows]
        providers = np.full(len(named), "", dtype=object)
        providers[code[rows]] = daily["provider"].take(pa.array(rows)).to_pylist()
        of = (channels[pair // len(levels)], levels[pair % len(levels)])
        groups.append(
            PricePanel(
                *of,
                daily["unit"][int(rows[0])].as_py(),
                tuple(named),
                names,
                tuple(providers),
                days,
                price,
                counts[0],
                counts[1],
                splices_of(daily.take(pa.array(rows)), named),
            )
        )
    return groups


def splices_of(rows: pa.Table, regions: Sequence[str]) -> tuple[Splice | None, ...]:
    """The splice of each region, from rows of one channel and level."""
    if "spliced_from" not in rows.column_names:
        return ()
    marked = rows.filter(pc.is_valid(rows["spliced_from"]))
    texts = {name: pc.cast(marked[name], pa.string()) for name in ("region_code", "spliced_from")}
    seams = {"day": marked["splice_day"].cast(pa.int32()), "factor": marked["splice_factor"]}
    columns = texts | seams
    distinct = pa.table(columns).group_by(list(columns)).aggregate([]).to_pylist()
    known = {row["region_code"]: Splice(row["spliced_from"], row["day"], row["factor"]) for row in distinct}
    return tuple(known.get(region) for region in regions)


def _numbered(texts: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """Index of each text in the sorted list of distinct texts, and that list."""
    plain = pc.cast(texts, pa.string())
    names = sorted(plain.unique().to_pylist())
    return pc.index_in(plain, value_set=pa.array(names)).to_numpy().astype(np.int64), names


def lagged(panel: PricePanel, days: int) -> Floats:
    """The price so many calendar days before, (regions, days); NaN without a report on that very day."""
    at = np.searchsorted(panel.days, panel.days - days)
    reported = panel.days[at] == panel.days - days
    return np.where(reported, panel.price[:, at], np.nan)
