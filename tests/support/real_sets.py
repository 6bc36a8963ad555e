"""The published data sets, and how many events each file holds by a plain count of its cells."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conf.settings import settings

DATA = settings().shared / "data"
ABSENT = "published data sets are missing (LUMBUNG_SHARED)"
Rows = list[dict[str, str]]
Summary = dict[str, tuple[int, int]]  # kind -> (events, cells or rows without an event)


@dataclass(frozen=True)
class RealSet:
    """Files of one format below DATA (`files`: a glob).

    `count`: rows of a file -> its summary; `summary`: of all files together.
    """

    format: str
    files: str
    count: Callable[[Rows], Summary]
    summary: Summary

    def paths(self) -> list[Path]:
        return sorted(DATA.glob(self.files))

    def count_file(self, path: Path) -> Summary:
        """The summary of a file, counted with a plain CSV reader."""
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return self.count(list(csv.DictReader(lines)))


def each(kind: str) -> Callable[[Rows], Summary]:
    """Every row is an event."""
    return lambda rows: {kind: (len(rows), 0)}


def cells(rows: Rows) -> Summary:
    """Every filled cell is a price."""
    texts = [text for row in rows for column, text in row.items() if column != "Date"]
    return {"price": (sum(text != "" for text in texts), sum(text == "" for text in texts))}


def priced(column: str, nothing: str) -> Callable[[Rows], Summary]:
    """Every row is a price, unless `column` holds `nothing`."""
    return lambda rows: {
        "price": (sum(row[column] != nothing for row in rows), sum(row[column] == nothing for row in rows))
    }


def joined(rows: Rows) -> Summary:
    """Every row is a day's weather, an inflation figure and three prices."""
    return {"weather": (len(rows), 0), "macro": (len(rows), 0), "price": (3 * len(rows), 0)}


SETS = [
    RealSet(
        "panelharga_wide", "panelharga_prov_daily/Harga*/train/*.csv", cells, {"price": (422_589, 21_179)}
    ),
    RealSet("futures", "panelharga_prov_daily/Global*/*.csv", each("macro"), {"macro": (4_218, 0)}),
    RealSet("currency", "panelharga_prov_daily/Mata*/*.csv", each("macro"), {"macro": (2_864, 0)}),
    RealSet("bandung_consumer", "bandung_bapanas_daily/*.csv", priced("Harga", "0"), {"price": (1_326, 299)}),
    RealSet(
        "jabar_daily",
        "jabar_price*/*.csv",
        joined,
        {"weather": (1_919, 0), "macro": (1_919, 0), "price": (5_757, 0)},
    ),
    RealSet("kalimati", "kalimati_daily/*.csv", priced("Average", ""), {"price": (26_304, 2)}),
    RealSet("room_sensor", "occupancy_uci/data*.txt", each("sensor"), {"sensor": (20_560, 0)}),
    RealSet("shop_catalogue", "ecommerce_kaggle/*.csv", each("listing"), {"listing": (1_000, 0)}),
    RealSet("us_daily", "systb_trading/us_daily/*.csv", each("bar"), {"bar": (2_510, 0)}),
    RealSet("cn_daily", "systb_trading/cn_daily/*.csv", each("bar"), {"bar": (2_425, 0)}),
    RealSet("crypto_daily", "systb_trading/crypto_daily/*.csv", each("bar"), {"bar": (1_101, 0)}),
    RealSet("crypto_minutes", "systb_trading/crypto_1min_sample/*.csv", each("bar"), {"bar": (133_923, 0)}),
    RealSet("cnbc_headlines", "cnbci_headlines/dataset.csv", each("post"), {"post": (9_819, 0)}),
]
