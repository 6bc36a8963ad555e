"""Daily prices of one commodity as matrices, (provinces, days), NaN where none was reported."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


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

    @property
    def months(self) -> Ints:
        """(days,) month of each day, since 1970."""
        return self.days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def panels(daily: pa.Table) -> list[PricePanel]:
    """A panel per channel and level from the rows of one commodity, all with the same provinces and days.

    A series has one provider (lakehouse.gold.chosen_provider).
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
                *counts,
            )
        )
    return groups


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
