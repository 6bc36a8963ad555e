"""Faults put into a published price panel, and alarms counted against them as events."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from conf.settings import settings
from lakehouse.reference import commodity_aliases, matching_key, region_aliases

FOUND_BY_POLICY = ("spike", "unit", "shift", "ramp", "swap", "coordinated")  # kinds that change a price
LEAST_CHANGE = 1.15  # the smallest injected spike; a swap for a good that costs the same is no fault of the price
MERGE_DAYS, GRACE_DAYS = 3, 2


@dataclass(frozen=True)
class Prices:
    """Rupiah, [days, commodities, provinces], NaN where nobody reported."""

    idr: np.ndarray
    days: list[date]
    commodities: list[str]
    provinces: list[str]


@dataclass(frozen=True)
class Fault:
    """One injected event; `first` and `last` are row numbers of days."""

    kind: str
    commodity: int
    provinces: tuple[int, ...]
    first: int
    last: int


def panel_harga(folder: Path | None = None) -> Prices:
    """Badan Pangan's daily consumer prices. Raises FileNotFoundError when the data set is not there."""
    folder = folder or settings().shared / "data" / "panelharga_prov_daily" / "Harga_Bahan_Pangan" / "train"
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise FileNotFoundError(f"no price panel in {folder}; LUMBUNG_SHARED names where published data sets lie")
    goods, grids, codes, days = [], [], [], []
    for file in files:
        header, *rows = list(csv.reader(file.read_text(encoding="utf-8").splitlines()))
        codes = [region_aliases()[matching_key(name)] for name in header[1:]]
        grids.append([[float(cell) if cell else np.nan for cell in row[1:]] for row in rows])
        goods.append(commodity_aliases()[matching_key(file.stem)])
        days = [date.fromisoformat(row[0]) for row in rows]
    return Prices(np.array(grids).transpose(1, 0, 2), days, goods, codes)


def inject(prices: Prices, rate: float, kinds: Sequence[str], first: int, stop: int, seed: int) -> tuple[np.ndarray, list[Fault]]:
    """(prices with faults, the faults): `rate` events a series-day, kinds in turn, no two within five days in a series."""
    random = np.random.default_rng(seed)
    idr, faults = prices.idr.copy(), []
    taken = np.zeros(idr.shape, dtype=bool)
    wanted = round(rate * (stop - first) * idr.shape[1] * idr.shape[2])
    for _ in range(100 * wanted):
        if len(faults) == wanted:
            break
        fault = _draw(kinds[len(faults) % len(kinds)], random, idr.shape, first, stop)
        places = [(slice(max(fault.first - 5, 0), fault.last + 6), fault.commodity, p) for p in fault.provinces]
        free = not any(taken[place].any() or np.isnan(idr[fault.first, fault.commodity, place[2]]) for place in places)
        factors = _factors(fault, random, prices.idr) if free and fault.last < stop else None
        if factors is None:
            continue
        for place in places:
            days = slice(fault.first, fault.last + 1)
            idr[days, fault.commodity, place[2]] *= factors
            taken[days, fault.commodity, place[2]] = True
        faults.append(fault)
    return idr, faults


def _draw(kind: str, random: np.random.Generator, shape: tuple[int, ...], first: int, stop: int) -> Fault:
    lasts = {"shift": (7, 22), "ramp": (8, 15), "coordinated": (1, 4), "frozen": (14, 29)}.get(kind, (1, 2))
    begin, days = int(random.integers(first, stop)), int(random.integers(*lasts))
    where = random.choice(shape[2], 3 if kind == "coordinated" else 1, replace=False)
    return Fault(kind, int(random.integers(shape[1])), tuple(int(p) for p in where), begin, begin + days - 1)


def _factors(fault: Fault, random: np.random.Generator, clean: np.ndarray) -> np.ndarray | None:
    """What the clean prices are multiplied by, one factor a day; None when this place cannot bear such a fault."""
    days, sign = fault.last - fault.first + 1, random.choice([-1, 1])
    series = clean[fault.first : fault.last + 1, fault.commodity, fault.provinces[0]]
    if fault.kind == "unit":
        return np.array([random.choice([0.01, 0.1, 10.0, 1000.0])])
    if fault.kind == "ramp":
        return (1 + random.uniform(0.015, 0.04)) ** (sign * np.arange(1, days + 1))
    if fault.kind == "frozen":
        return series[0] / series
    if fault.kind == "swap":
        other = clean[fault.first, random.integers(clean.shape[1]), fault.provinces[0]] / series
        return other if abs(np.log(other[0])) >= np.log(LEAST_CHANGE) else None
    return np.full(days, 1 + sign * random.uniform(0.15, 0.5 if fault.kind == "shift" else 0.6))


def national_shock(prices: Prices, first: int, stop: int, seed: int) -> tuple[np.ndarray, list[Fault]]:
    """Every commodity once: four of five provinces move by 15–40 % in one day, the same way, and stay there for 30 days."""
    random = np.random.default_rng(seed)
    idr, faults = prices.idr.copy(), []
    for commodity in range(idr.shape[1]):
        begin = int(random.integers(first + 5, stop - 35))
        hit = tuple(np.flatnonzero(random.random(idr.shape[2]) < 0.8).tolist())
        size = 1 + random.choice([-1, 1]) * random.uniform(0.15, 0.4)
        for province in hit:
            idr[begin : begin + 30, commodity, province] *= size * np.exp(0.03 * random.standard_normal())
        faults.append(Fault("national", commodity, hit, begin, begin + 29))
    return idr, faults


def alarms(flags: np.ndarray) -> list[Fault]:
    """Runs of flagged days of a series; two at most three days apart are one alarm. `flags`: [days, commodities, provinces]."""
    found = []
    for commodity, province in np.argwhere(flags.any(axis=0)).tolist():
        days = np.flatnonzero(flags[:, commodity, province])
        for part in np.split(days, np.flatnonzero(np.diff(days) > MERGE_DAYS) + 1):
            found.append(Fault("alarm", commodity, (province,), int(part[0]), int(part[-1])))
    return found


@dataclass(frozen=True)
class Score:
    """Alarms against faults as events. `delays`: days from the begin of each found fault to its first alarm, by kind."""

    precision: float
    recall: float
    alarms: int
    false_alarms: list[Fault]
    recall_by_kind: dict[str, float]
    delays: dict[str, list[int]]

    @property
    def f1(self) -> float:
        return 2 * self.precision * self.recall / (self.precision + self.recall) if self.precision + self.recall else 0.0


def score(raised: list[Fault], faults: list[Fault], known: list[Fault] | None = None) -> Score:
    """An alarm hits a fault when it overlaps [first, last + 2 days] in a series of the fault.

    `known`: alarms of the uninjected panel; alarms that overlap one of them are then left out instead of counted as false.
    """
    near: dict[tuple[int, int], list[int]] = defaultdict(list)
    for nth, fault in enumerate(faults):
        for province in fault.provinces:
            near[fault.commodity, province].append(nth)
    first: dict[int, int] = {}
    false = []
    for alarm in raised:
        hits = [nth for nth in near[alarm.commodity, alarm.provinces[0]] if _overlap(alarm, faults[nth], GRACE_DAYS)]
        for nth in hits:
            first[nth] = min(first.get(nth, alarm.first), alarm.first)
        if not hits:
            false.append(alarm)
    if known is not None:
        false = [one for one in false if not any(_same(one, old) and _overlap(one, old, GRACE_DAYS) for old in known)]
    matched = sum(1 for one in raised if any(_overlap(one, faults[n], GRACE_DAYS) for n in near[one.commodity, one.provinces[0]]))
    kinds = sorted({fault.kind for fault in faults})
    of_kind = {kind: [nth for nth, fault in enumerate(faults) if fault.kind == kind] for kind in kinds}
    return Score(
        precision=matched / max(matched + len(false), 1),
        recall=len(first) / max(len(faults), 1),
        alarms=len(raised),
        false_alarms=false,
        recall_by_kind={kind: sum(nth in first for nth in every) / len(every) for kind, every in of_kind.items()},
        delays={kind: [max(first[n] - faults[n].first, 0) for n in every if n in first] for kind, every in of_kind.items()},
    )


def _overlap(alarm: Fault, fault: Fault, grace: int) -> bool:
    return alarm.first <= fault.last + grace and alarm.last >= fault.first


def _same(one: Fault, other: Fault) -> bool:
    return (one.commodity, one.provinces) == (other.commodity, other.provinces)
