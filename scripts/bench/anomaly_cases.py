"""Two sources of prices made from a published panel, with shocks, pushed prices and noise whose cause is known."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from lakehouse.reference import ceiling_on
from lakehouse.validation.price_evidence import nearest
from lakehouse.validation.thresholds import Thresholds
from lakehouse.validation.windows import median
from ml.anomaly_reports import Reports
from scripts.bench.price_faults import Prices

EPOCH = date(1970, 1, 1)
FIRST, SECOND = "panel-harga", "second"
SPREAD = ("national", "regional")  # several provinces: a common shock, which is to raise no alarm or to be called one
LABELS = {
    "national": "shock", "regional": "shock", "local": "shock", "push": "manipulation", "hold": "manipulation",
    "ceiling": "manipulation", "noise": "sample_noise", "unit": "unknown", "swap": "unknown", "unexplained": "unknown",
}  # fmt: skip
IN_TURN = ("local", "push", "noise", "unexplained", "hold", "local", "noise", "push", "unit", "ceiling", "noise", "swap")
WITH_SECOND, SECOND_FOLLOWS = 0.7, 0.85  # shares of provinces, of real moves
CAUSE_KNOWN, CAUSE_BY_CHANCE = 0.7, 0.04
WITH_DEVICES = 0.5


@dataclass(frozen=True)
class Case:
    """`rows`: first and last day number; `series`: those of the first source that it moves."""

    kind: str
    commodity: str
    series: tuple[int, ...]
    first: int
    last: int

    @property
    def label(self) -> str:
        return LABELS[self.kind]


@dataclass
class World:
    """One commodity under construction, arrays [days, provinces]."""

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
        """As the job reads them: series of the first source, then of the second."""
        names = [(source, f"PROV-{code}", code) for source in (FIRST, SECOND) for code in self.codes]
        price = np.concatenate([self.first, self.second], axis=1)
        days = np.array([(day - EPOCH).days for day in self.days])
        there = np.isfinite(price)
        ones = np.ones(self.first.shape)
        return Reports(
            self.commodity, "retail", tuple(names), ("province",) * len(names), days, price,
            np.repeat(days[:, None] * 86_400_000_000, price.shape[1], axis=1), None,
            np.where(there, np.concatenate([self.reporters, ones], axis=1), np.nan),
            np.concatenate([self.newcomer, ones < 0], axis=1), np.concatenate([self.trust, ones * np.nan], axis=1),
        )  # fmt: skip


def worlds(prices: Prices, since: int, first: int, thresholds: Thresholds, seed: int) -> list[World]:
    """Every commodity of the panel from day number `since` on, with cases that begin on `first` or later."""
    random = np.random.default_rng(seed)
    idr = prices.idr[since:]
    made = [
        _quiet(commodity, prices, idr[:, nth], since, thresholds.tolerance_of(commodity), random)
        for nth, commodity in enumerate(prices.commodities)
    ]
    for world in made:
        for kind, where, begin in _places(world, first - since, random):
            _put(world, kind, where, begin, made, random)
    return made


def _quiet(commodity: str, prices: Prices, idr: np.ndarray, since: int, tolerance: float, random: np.random.Generator) -> World:
    """The second source: the same week's level with a bias and slow noise of its own, in some provinces."""
    shape, width = idr.shape, idr.shape[1]
    log = np.log(idr)
    smooth = np.stack([median(log[max(row - 3, 0) : row + 4]) for row in range(len(log))])
    noise = np.zeros(shape)
    for row in range(1, len(noise)):
        noise[row] = 0.9 * noise[row - 1] + 0.1 * tolerance * random.standard_normal(width)
    second = np.exp(smooth + 0.05 * random.standard_normal(width) + noise)
    second[:, random.random(width) > WITH_SECOND] = np.nan
    usual = random.integers(4, 13, width)
    attends = np.where(random.random((shape[0], 1)) < 0.03, 0.5, 0.88)  # now and then a day on which few go out
    devices = np.where(random.random(width) < WITH_DEVICES, 1.0, np.nan)
    reporters = np.maximum(random.binomial(usual, attends, shape), 1.0)
    newcomer, trust = random.random(shape) < 0.001, devices * random.beta(30, 2, shape)
    return World(commodity, prices.days[since:], prices.provinces, idr.copy(), second, reporters, newcomer, trust)


def _places(world: World, first: int, random: np.random.Generator) -> Iterator[tuple[str, tuple[int, ...], int]]:
    """A national and a regional shock, and the other kinds in turn, one province each; no two touch within 12 days."""
    stop, width = len(world.days) - 12, len(world.codes)
    national = int(random.integers(first, stop - 30))
    yield "national", tuple(np.flatnonzero(random.random(width) < 0.8).tolist()), national
    taken = np.zeros((len(world.days), width), dtype=bool)
    taken[national - 12 : national + 45] = True
    wanted = ["regional", *IN_TURN]
    for _ in range(2000):
        if not wanted:
            return
        begin, middle = int(random.integers(first, stop)), int(random.integers(width))
        order = sorted(range(width), key=lambda nth: nearest(world.codes[middle])[world.codes[nth]])
        where = tuple(order[: int(random.integers(5, 9))] if wanted[0] == "regional" else order[:1])
        zone = np.ix_(range(max(begin - 12, 0), min(begin + 33, len(world.days))), where)
        if not taken[zone].any() and np.isfinite(world.first[begin, list(where)]).all():
            taken[zone] = True
            yield wanted.pop(0), where, begin


def _put(
    world: World, kind: str, where: tuple[int, ...], begin: int, all_worlds: list[World], random: np.random.Generator
) -> None:
    """Move the prices of one case; one that the place cannot bear is left out."""
    lasts = {"national": 30, "regional": (10, 31), "local": (5, 21), "push": (1, 5), "hold": (5, 11), "ceiling": (2, 9)}
    lasts |= {"noise": (1, 2), "unit": (1, 2), "swap": (1, 2), "unexplained": (7, 22)}
    days = lasts[kind] if isinstance(lasts[kind], int) else int(random.integers(*lasts[kind]))
    rows, columns = slice(begin, begin + days), list(where)
    sign = random.choice([-1, 1]) if kind in (*SPREAD, "local", "noise", "unexplained") else random.choice([-1, 1, 1, 1])
    factor = 1 + sign * random.uniform(0.15, 0.6 if kind in ("push", "noise") else 0.5)
    series = world.first[rows, columns]
    if kind == "unit":
        series = series * random.choice([0.01, 0.1, 10.0, 1000.0])
    elif kind == "swap":
        other = all_worlds[int(random.integers(len(all_worlds)))].first[rows, columns]
        if not np.isfinite(other).all() or (np.abs(np.log(other / series)) < np.log(1.15)).any():
            return
        series = other
    elif kind == "hold":
        series = np.full(series.shape, np.round(series[0] * factor, -1))
    elif kind == "ceiling":
        bound = ceiling_on(world.days[begin], world.commodity, world.codes[columns[0]], "consumer")
        if bound is None or bound.bound_idr is None or not 0.14 < abs(np.log(bound.bound_idr / series[0, 0])) < 0.5:
            return
        series = bound.bound_idr * (1 - random.uniform(0, 0.008, series.shape))
    else:
        wobble = np.exp(0.03 * random.standard_normal(series.shape)) if kind in SPREAD else 1.0
        series = series * factor * wobble
    world.first[rows, columns] = series
    _leave_traces(world, kind, columns, begin, days, factor, random)
    world.cases.append(Case(kind, world.commodity, where, begin, begin + days - 1))


def _leave_traces(
    world: World, kind: str, columns: list[int], begin: int, days: int, factor: float, random: np.random.Generator
) -> None:
    """What else shows: the other source, the reporters, the devices, known causes; none of them always, some by chance."""
    real, pushed = LABELS[kind] == "shock", LABELS[kind] == "manipulation"
    for column in columns:
        if real and random.random() < SECOND_FOLLOWS:
            late = int(random.integers(0, 3))
            world.second[begin + late : begin + days + late, column] *= factor ** random.uniform(0.7, 1.0)
        if kind == "unexplained":
            world.second[:, column] = np.nan  # with another source there would be something to go by
    known = random.random() < (CAUSE_KNOWN if real else CAUSE_BY_CHANCE)
    world.causes |= {
        (world.codes[column], world.days[begin] + timedelta(later)) for column in columns for later in range(5) if known
    }
    if kind == "noise":
        usual = np.median(world.reporters[max(begin - 28, 0) : begin, columns[0]])
        world.newcomer[begin, columns[0]] |= random.random() < 0.25
        world.reporters[begin, columns[0]] = max(1.0, np.floor(usual * random.uniform(0.05, 0.75)))
    if pushed:
        has = np.isfinite(world.trust[begin, columns])
        world.trust[begin : begin + days, columns] = np.where(has, random.beta(6, 4, len(columns)), np.nan)
