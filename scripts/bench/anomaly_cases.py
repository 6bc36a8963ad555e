"""Synthetic prices of two sources, with shocks, manipulated prices and noise; the true cause is recorded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from lakehouse.reference import ceiling_on
from lakehouse.validation.prices.evidence import nearest
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.windows import median
from ml.anomalies.observations import Reports
from scripts.bench.price_faults import Prices

EPOCH = date(1970, 1, 1)
FIRST_SOURCE = "panel-harga"
SECOND_SOURCE = "second"
# Shocks in several provinces: these must raise no alarm or be labelled as shock.
WIDE_SHOCKS = ("national", "regional")
LABEL_OF_KIND = {
    "national": "shock",
    "regional": "shock",
    "local": "shock",
    "push": "manipulation",
    "hold": "manipulation",
    "ceiling": "manipulation",
    "noise": "sample_noise",
    "unit": "unknown",
    "swap": "unknown",
    "unexplained": "unknown",
}
KIND_SEQUENCE = (
    "local",
    "push",
    "noise",
    "unexplained",
    "hold",
    "local",
    "noise",
    "push",
    "unit",
    "ceiling",
    "noise",
    "swap",
)
WITH_SECOND = 0.7  # share of provinces
SECOND_FOLLOWS = 0.85  # share of real moves
CAUSE_KNOWN = 0.7  # share of real moves
CAUSE_BY_CHANCE = 0.04  # share of other moves
WITH_DEVICES = 0.5  # share of provinces


@dataclass(frozen=True)
class Case:
    """One case: its `first` and `last` day number, and the `series` of the first source that it changes."""

    kind: str
    commodity: str
    series: tuple[int, ...]
    first: int
    last: int


@dataclass
class SyntheticPrices:
    """Prices of one commodity and their evidence; arrays are [days, provinces]."""

    commodity: str
    days: list[date]
    codes: list[str]
    first: np.ndarray
    second: np.ndarray
    reporters: np.ndarray
    newcomer: np.ndarray
    trust: np.ndarray
    causes: set[tuple[str, date]] = field(default_factory=set)  # province and day on which a cause was known
    cases: list[Case] = field(default_factory=list)

    def reports(self) -> Reports:
        """The reports as the job reads them: series of the first source, then of the second."""
        names = [
            (source, f"PROV-{code}", code) for source in (FIRST_SOURCE, SECOND_SOURCE) for code in self.codes
        ]
        price = np.concatenate([self.first, self.second], axis=1)
        days = np.array([(day - EPOCH).days for day in self.days])
        reported = np.isfinite(price)
        ones = np.ones(self.first.shape)
        return Reports(
            self.commodity,
            "retail",
            tuple(names),
            ("province",) * len(names),
            days,
            price,
            np.repeat(days[:, None] * 86_400_000_000, price.shape[1], axis=1),
            None,
            np.where(reported, np.concatenate([self.reporters, ones], axis=1), np.nan),
            np.concatenate([self.newcomer, ones < 0], axis=1),
            np.concatenate([self.trust, ones * np.nan], axis=1),
        )


def synthetic_prices(
    prices: Prices, since: int, first: int, thresholds: Thresholds, seed: int
) -> list[SyntheticPrices]:
    """Prices of every commodity from day number `since` on, with cases that begin on `first` or later."""
    random = np.random.default_rng(seed)
    idr = prices.idr[since:]
    panels = [
        _without_cases(commodity, prices, idr[:, nth], since, thresholds.tolerance_of(commodity), random)
        for nth, commodity in enumerate(prices.commodities)
    ]
    for panel in panels:
        for kind, series, begin in _plan_cases(panel, first - since, random):
            _apply_case(panel, kind, series, begin, panels, random)
    return panels


def _without_cases(
    commodity: str, prices: Prices, idr: np.ndarray, since: int, tolerance: float, random: np.random.Generator
) -> SyntheticPrices:
    """The published prices and, in some provinces, a second source.

    The second source has the level of the week with a bias and slow noise of its own.
    """
    shape = idr.shape
    width = idr.shape[1]
    log = np.log(idr)
    smooth = np.stack([median(log[max(row - 3, 0) : row + 4]) for row in range(len(log))])
    noise = np.zeros(shape)
    for row in range(1, len(noise)):
        noise[row] = 0.9 * noise[row - 1] + 0.1 * tolerance * random.standard_normal(width)
    second = np.exp(smooth + 0.05 * random.standard_normal(width) + noise)
    second[:, random.random(width) > WITH_SECOND] = np.nan
    usual = random.integers(4, 13, width)
    # On 3 % of the days few reporters are active.
    attendance = np.where(random.random((shape[0], 1)) < 0.03, 0.5, 0.88)
    devices = np.where(random.random(width) < WITH_DEVICES, 1.0, np.nan)
    reporters = np.maximum(random.binomial(usual, attendance, shape), 1.0)
    newcomer = random.random(shape) < 0.001
    trust = devices * random.beta(30, 2, shape)
    return SyntheticPrices(
        commodity, prices.days[since:], prices.provinces, idr.copy(), second, reporters, newcomer, trust
    )


def _plan_cases(
    panel: SyntheticPrices, first: int, random: np.random.Generator
) -> Iterator[tuple[str, tuple[int, ...], int]]:
    """(kind, series, first day) of every case.

    First a national and a regional shock, then the other kinds in one province each. Two cases of one
    series are more than 12 days apart.
    """
    stop = len(panel.days) - 12
    width = len(panel.codes)
    national = int(random.integers(first, stop - 30))
    yield "national", tuple(np.flatnonzero(random.random(width) < 0.8).tolist()), national
    occupied = np.zeros((len(panel.days), width), dtype=bool)
    occupied[national - 12 : national + 45] = True
    remaining = ["regional", *KIND_SEQUENCE]
    for _ in range(2000):
        if not remaining:
            return
        begin = int(random.integers(first, stop))
        middle = int(random.integers(width))
        order = sorted(range(width), key=lambda nth: nearest(panel.codes[middle])[panel.codes[nth]])
        series = tuple(order[: int(random.integers(5, 9))] if remaining[0] == "regional" else order[:1])
        zone = np.ix_(range(max(begin - 12, 0), min(begin + 33, len(panel.days))), series)
        if not occupied[zone].any() and np.isfinite(panel.first[begin, list(series)]).all():
            occupied[zone] = True
            yield remaining.pop(0), series, begin


def _apply_case(
    panel: SyntheticPrices,
    kind: str,
    series: tuple[int, ...],
    begin: int,
    panels: list[SyntheticPrices],
    random: np.random.Generator,
) -> None:
    """Change the prices of one case; a case that the series does not allow is left out."""
    durations = {
        "national": (30, 30),
        "regional": (10, 31),
        "local": (5, 21),
        "push": (1, 5),
        "hold": (5, 11),
        "ceiling": (2, 9),
    }
    durations |= {"noise": (1, 2), "unit": (1, 2), "swap": (1, 2), "unexplained": (7, 22)}
    least, most = durations[kind]
    days = least if least == most else int(random.integers(least, most))
    rows = slice(begin, begin + days)
    columns = list(series)
    sign = (
        random.choice([-1, 1])
        if kind in (*WIDE_SHOCKS, "local", "noise", "unexplained")
        else random.choice([-1, 1, 1, 1])
    )
    factor = 1 + sign * random.uniform(0.15, 0.6 if kind in ("push", "noise") else 0.5)
    price = panel.first[rows, columns]
    if kind == "unit":
        price = price * random.choice([0.01, 0.1, 10.0, 1000.0])
    elif kind == "swap":
        other = panels[int(random.integers(len(panels)))].first[rows, columns]
        if not np.isfinite(other).all() or (np.abs(np.log(other / price)) < np.log(1.15)).any():
            return
        price = other
    elif kind == "hold":
        price = np.full(price.shape, np.round(price[0] * factor, -1))
    elif kind == "ceiling":
        bound = ceiling_on(panel.days[begin], panel.commodity, panel.codes[columns[0]], "consumer")
        if (
            bound is None
            or bound.bound_idr is None
            or not 0.14 < abs(np.log(bound.bound_idr / price[0, 0])) < 0.5
        ):
            return
        price = bound.bound_idr * (1 - random.uniform(0, 0.008, price.shape))
    else:
        noise = np.exp(0.03 * random.standard_normal(price.shape)) if kind in WIDE_SHOCKS else 1.0
        price = price * factor * noise
    panel.first[rows, columns] = price
    case = Case(kind, panel.commodity, series, begin, begin + days - 1)
    _write_evidence(panel, case, factor, random)
    panel.cases.append(case)


def _write_evidence(panel: SyntheticPrices, case: Case, factor: float, random: np.random.Generator) -> None:
    """Write the evidence of a case: second source, reporters, devices, known causes.

    No evidence is certain, and some appears by chance.
    """
    real = LABEL_OF_KIND[case.kind] == "shock"
    begin, columns = case.first, list(case.series)
    for column in columns:
        if real and random.random() < SECOND_FOLLOWS:
            delay_days = int(random.integers(0, 3))
            followed = slice(begin + delay_days, case.last + 1 + delay_days)
            panel.second[followed, column] *= factor ** random.uniform(0.7, 1.0)
        if case.kind == "unexplained":
            panel.second[:, column] = np.nan  # another source would be evidence
    known = random.random() < (CAUSE_KNOWN if real else CAUSE_BY_CHANCE)
    panel.causes |= {
        (panel.codes[column], panel.days[begin] + timedelta(offset))
        for column in columns
        for offset in range(5)
        if known
    }
    if case.kind == "noise":
        usual = np.median(panel.reporters[max(begin - 28, 0) : begin, columns[0]])
        panel.newcomer[begin, columns[0]] |= random.random() < 0.25
        panel.reporters[begin, columns[0]] = max(1.0, np.floor(usual * random.uniform(0.05, 0.75)))
    if LABEL_OF_KIND[case.kind] == "manipulation":
        has_devices = np.isfinite(panel.trust[begin, columns])
        trust = np.where(has_devices, random.beta(6, 4, len(columns)), np.nan)
        panel.trust[begin : case.last + 1, columns] = trust
