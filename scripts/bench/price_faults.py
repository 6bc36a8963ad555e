"""Injection of faults into a published price panel, and the score of alarms against them as events."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from conf.settings import settings
from lakehouse.reference import commodity_aliases, island, matching_key, region_aliases

DETECTABLE_KINDS = ("spike", "unit", "shift", "ramp", "swap", "coordinated")  # kinds that change a price
GROSS_KINDS = ("unit", "gross")  # errors of a single report that no step of a market reaches
# The smallest injected spike. A swap with a commodity of a similar price is no fault of the price.
LEAST_CHANGE = 1.15
MERGE_DAYS, GRACE_DAYS = 3, 2
LEAST_SAMPLE = 5


@dataclass(frozen=True)
class Prices:
    """Prices in rupiah, [days, commodities, series]; NaN without a report.

    A series is a province, or with `markets` (their ids) a market of the province at its place.
    """

    idr: np.ndarray
    days: list[date]
    commodities: list[str]
    provinces: list[str]
    markets: tuple[str, ...] = ()

    @property
    def market_ids(self) -> list[str]:
        """The market id of each series; of a province PROV-<code>."""
        return list(self.markets) or [f"PROV-{code}" for code in self.provinces]

    @property
    def level(self) -> str:
        """`market` or `province`."""
        return "market" if self.markets else "province"


@dataclass(frozen=True)
class PriceFault:
    """One injected fault or one alarm; `first` and `last` are row numbers of days."""

    kind: str
    commodity: int
    provinces: tuple[int, ...]
    first: int
    last: int


def panel_harga() -> Prices:
    """Badan Pangan's daily consumer prices. Raises FileNotFoundError when the data set is missing."""
    folder = settings().shared / "data" / "panelharga_prov_daily" / "Harga_Bahan_Pangan" / "train"
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise FileNotFoundError(
            f"no price panel in {folder}; LUMBUNG_SHARED names the folder of the published data sets"
        )
    tables = [pd.read_csv(file, index_col=0) for file in files]
    idr = np.stack([table.to_numpy(float) for table in tables], axis=1)
    days = [date.fromisoformat(day) for day in tables[0].index]
    names = [commodity_aliases()[matching_key(file.stem)] for file in files]
    return Prices(idr, days, names, [region_aliases()[matching_key(name)] for name in tables[0].columns])


def jabar() -> Prices:
    """PIHPS prices of Jawa Barat, one series a commodity. Raises FileNotFoundError when it is missing."""
    table = pd.read_csv(settings().shared / "data" / "jabar_price_weather_daily" / "dataset_vegenation.csv")
    names = {name: commodity_aliases().get(matching_key(name)) for name in table.columns}
    known = {name: commodity for name, commodity in names.items() if commodity}
    idr = table[list(known)].to_numpy(float)[:, :, None]
    return Prices(idr, [date.fromisoformat(day) for day in table["Date"]], list(known.values()), ["32"])


def thin_days(prices: Prices) -> np.ndarray:
    """Days on which the sample is thin, by the panel as a whole.

    Fewer than 90 % of the usual reports, or a share of multiples of 500 rupiah above 3 times the usual one
    (and at least 5 of them); usual is the median of the 28 days before. A panel of fewer than 5 series has
    no thin day.
    """
    reports = np.isfinite(prices.idr).sum(axis=(1, 2))
    round_prices = (prices.idr % 500 == 0).sum(axis=(1, 2))
    share = round_prices / np.maximum(reports, 1)
    usual, usual_share = (
        pd.Series(values).rolling(28).median().shift(1).to_numpy() for values in (reports, share)
    )
    heaped = (round_prices >= LEAST_SAMPLE) & (share > 3 * usual_share)
    return np.asarray((usual >= LEAST_SAMPLE) & ((reports < 0.9 * usual) | heaped))


def inject(
    prices: Prices, rate: float, kinds: Sequence[str], first: int, stop: int, seed: int
) -> tuple[np.ndarray, list[PriceFault]]:
    """(prices with faults, the faults): `rate` faults a series-day.

    The kinds alternate; two faults of one series are more than five days apart.
    """
    random = np.random.default_rng(seed)
    idr = prices.idr.copy()
    faults: list[PriceFault] = []
    occupied = np.zeros(idr.shape, dtype=bool)
    wanted = round(rate * (stop - first) * idr.shape[1] * idr.shape[2])
    for _ in range(100 * wanted):
        if len(faults) == wanted:
            break
        fault = _draw(kinds[len(faults) % len(kinds)], random, idr.shape, first, stop)
        near_days = slice(max(fault.first - 5, 0), fault.last + 6)
        free = not any(
            occupied[near_days, fault.commodity, province].any()
            or np.isnan(idr[fault.first, fault.commodity, province])
            for province in fault.provinces
        )
        factors = _factors(fault, random, prices.idr) if free and fault.last < stop else None
        if factors is None:
            continue
        days = slice(fault.first, fault.last + 1)
        for province in fault.provinces:
            idr[days, fault.commodity, province] *= factors
            occupied[days, fault.commodity, province] = True
        faults.append(fault)
    return idr, faults


def _draw(
    kind: str, random: np.random.Generator, shape: tuple[int, ...], first: int, stop: int
) -> PriceFault:
    durations = {
        "shift": (7, 22),
        "ramp": (8, 15),
        "coordinated": (1, 4),
        "lasting": (30, 31),
    }.get(kind, (1, 2))
    begin = int(random.integers(first, stop))
    days = int(random.integers(*durations))
    chosen = random.choice(shape[2], 3 if kind == "coordinated" else 1, replace=False)
    commodity = int(random.integers(shape[1]))
    provinces = tuple(int(province) for province in chosen)
    return PriceFault(kind, commodity, provinces, begin, begin + days - 1)


def _factors(fault: PriceFault, random: np.random.Generator, clean: np.ndarray) -> np.ndarray | None:
    """The factors of the clean prices, one a day; None when the series does not allow this fault."""
    days = fault.last - fault.first + 1
    sign = random.choice([-1, 1])
    series = clean[fault.first : fault.last + 1, fault.commodity, fault.provinces[0]]
    if fault.kind == "unit":
        return np.array([random.choice([0.01, 0.1, 10.0, 1000.0])])
    if fault.kind == "gross":
        return np.array([random.uniform(2.5, 6.0) ** sign])
    if fault.kind == "ramp":
        return np.asarray((1 + random.uniform(0.015, 0.04)) ** (sign * np.arange(1, days + 1)))
    if fault.kind == "swap":
        other = clean[fault.first, random.integers(clean.shape[1]), fault.provinces[0]] / series
        return other if abs(np.log(other[0])) >= np.log(LEAST_CHANGE) else None
    most = 0.6 if fault.kind in ("spike", "coordinated") else 0.5
    return np.full(days, 1 + sign * random.uniform(0.15, most))


def national_shock(prices: Prices, first: int, stop: int, seed: int) -> tuple[np.ndarray, list[PriceFault]]:
    """(prices with one national shock for each commodity, the shocks).

    In four of five provinces the price moves by 15–40 % in one day, in the same direction, for 30 days.
    """
    random = np.random.default_rng(seed)
    idr = prices.idr.copy()
    faults = []
    for commodity in range(idr.shape[1]):
        begin = int(random.integers(first + 5, stop - 35))
        affected = tuple(np.flatnonzero(random.random(idr.shape[2]) < 0.8).tolist())
        size = 1 + random.choice([-1, 1]) * random.uniform(0.15, 0.4)
        for province in affected:
            idr[begin : begin + 30, commodity, province] *= size * np.exp(0.03 * random.standard_normal())
        faults.append(PriceFault("national", commodity, affected, begin, begin + 29))
    return idr, faults


def island_shock(prices: Prices, first: int, stop: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(prices with one shock of an island group for each commodity, which prices it moved).

    In five of six of its provinces the price rises by 25–60 log percent for two to five days, in some of them
    a day later. The island groups alternate; those with fewer than three provinces have none.
    """
    random = np.random.default_rng(seed)
    idr = prices.idr.copy()
    groups = np.array([island(code) for code in prices.provinces])
    names = [name for name in np.unique(groups) if (groups == name).sum() >= 3]
    for commodity in range(idr.shape[1]):
        begin = int(random.integers(first + 5, stop - 12))
        end = begin + int(random.integers(2, 6))
        size = random.uniform(0.25, 0.6)
        for province in np.flatnonzero(groups == names[(commodity + seed) % len(names)]).tolist():
            if random.random() < 5 / 6:
                late = int(random.random() < 0.15)
                own = size * np.exp(0.1 * random.standard_normal())
                idr[begin + late : end, commodity, province] *= np.exp(own)
    return idr, np.isfinite(idr) & (idr != prices.idr)


def alarms(flags: np.ndarray) -> list[PriceFault]:
    """Alarms: runs of flagged days of a series; runs at most three days apart are merged.

    `flags`: [days, commodities, provinces].
    """
    merged = []
    for commodity, province in np.argwhere(flags.any(axis=0)).tolist():
        days = np.flatnonzero(flags[:, commodity, province])
        for part in np.split(days, np.flatnonzero(np.diff(days) > MERGE_DAYS) + 1):
            merged.append(PriceFault("alarm", commodity, (province,), int(part[0]), int(part[-1])))
    return merged


@dataclass(frozen=True)
class Score:
    """Scores of alarms against faults as events.

    `by_kind`: `found.<kind>`, the share of its faults that raised an alarm, and `delay_days.<kind>`, the
    median of the days from the first day of each of these to its first alarm.
    """

    precision: float
    recall: float
    false_alarms: list[PriceFault]
    by_kind: dict[str, float]

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 when both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def score(raised: list[PriceFault], faults: list[PriceFault]) -> Score:
    """Score alarms: a hit overlaps [first, last + 2 days] of a fault in one of its series."""
    near: dict[tuple[int, int], list[int]] = defaultdict(list)
    for nth, fault in enumerate(faults):
        for province in fault.provinces:
            near[fault.commodity, province].append(nth)
    first_alarm: dict[int, int] = {}
    false = []
    for alarm in raised:
        hits = [nth for nth in near[alarm.commodity, alarm.provinces[0]] if _overlap(alarm, faults[nth])]
        for nth in hits:
            first_alarm[nth] = min(first_alarm.get(nth, alarm.first), alarm.first)
        if not hits:
            false.append(alarm)
    shares: dict[str, float] = {}
    delays: dict[str, float] = {}
    for kind in sorted({fault.kind for fault in faults}):
        numbers = [nth for nth, fault in enumerate(faults) if fault.kind == kind]
        days = [max(first_alarm[nth] - faults[nth].first, 0) for nth in numbers if nth in first_alarm]
        shares[f"found.{kind}"] = len(days) / len(numbers)
        if days:
            delays[f"delay_days.{kind}"] = statistics.median(days)
    return Score(
        precision=(len(raised) - len(false)) / max(len(raised), 1),
        recall=len(first_alarm) / max(len(faults), 1),
        false_alarms=false,
        by_kind=shares | delays,
    )


def _overlap(alarm: PriceFault, fault: PriceFault) -> bool:
    return alarm.first <= fault.last + GRACE_DAYS and alarm.last >= fault.first
