"""Late prices are read from the next phase on, and the walk in blocks equals the definition row by row."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.reference import commodities
from lakehouse.validation.prices import phases
from lakehouse.validation.prices.closings import ClosingPanel
from lakehouse.validation.prices.phases import Arrived
from lakehouse.validation.prices.rules import PriceRules
from lakehouse.validation.prices.scores import score
from lakehouse.validation.prices.statistics import statistics
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.prices.validator import PriceClosings, PriceValidator
from tests.support.plugins.examples import WITHOUT_SHRINKING, examples
from tests.support.price_rows import CODES, judge, knobs, numbered, row, table, verdicts, walk

DAYS = 45
SMALL_PHASE = 24


@pytest.fixture(autouse=True)
def small_phases(monkeypatch: pytest.MonkeyPatch):
    """Phases and blocks so short that many end within the rows of a test."""
    monkeypatch.setattr(phases, "PHASE_ROWS", SMALL_PHASE)


def days_in_turn(rows: list[dict], random: np.random.Generator) -> list[dict]:
    """Two market days at a time, in any order."""
    return shuffled(rows, random, lambda day, code: day // 2)


def zones_in_turn(rows: list[dict], random: np.random.Generator) -> list[dict]:
    """Every second province is one market day ahead."""
    return shuffled(rows, random, lambda day, code: day - CODES.index(code) % 2)


def some_late(rows: list[dict], random: np.random.Generator) -> list[dict]:
    """Day by day, but one row in ten comes up to three days late."""
    return shuffled(rows, random, lambda day, code: day + int(random.random() < 0.1) * random.integers(1, 4))


def series_by_series(rows: list[dict], random: np.random.Generator) -> list[dict]:
    """All days of a province, then the next province."""
    return sorted(rows, key=lambda price: (price["region_code"], price["market_date"]))


def shuffled(rows: list[dict], random: np.random.Generator, arrives: Callable[[int, str], int]) -> list[dict]:
    keys = [arrives(price["market_date"].toordinal(), price["region_code"]) for price in rows]
    return [rows[nth] for nth in np.lexsort((random.random(len(rows)), keys))]


ORDERS = [days_in_turn, zones_in_turn, some_late, series_by_series]


@dataclass
class RowByRow:
    """The definition of `Phase`, literally: closings are computed from all visible prices for each row."""

    thresholds: Thresholds
    visible: list[dict] = field(default_factory=list)
    late: list[dict] = field(default_factory=list)
    accepted: int = 0
    newest: date = date.min

    def judge(self, price: dict) -> dict[str, object]:
        """The scores of a price of one commodity, and its outcome; it is remembered if it is accepted."""
        ends_phase = bool(self.late) and (
            price["market_date"] > self.newest
            or any(
                late["market_id"] == price["market_id"] and late["market_date"] < price["market_date"]
                for late in self.late
            )
        )
        scores = self._scores(price, self.visible + self.late if ends_phase else self.visible)
        rules = PriceRules(self.thresholds)
        is_refused = bool(rules.refused(rules.violated(scores))[0])
        if not is_refused:
            self._accept(price, ends_phase)
        scores["outcome"] = np.array(["quarantine" if is_refused else "silver"])
        return {name: values[0].item() for name, values in scores.items()}

    def _accept(self, price: dict, ends_phase: bool) -> None:
        self.accepted += 1
        if ends_phase:
            self.visible, self.late = self.visible + self.late, []
        (self.late if price["market_date"] < self.newest else self.visible).append(price)
        self.newest = max(self.newest, price["market_date"])
        if self.accepted % SMALL_PHASE == 0:
            self.visible, self.late = self.visible + self.late, []

    def _scores(self, price: dict, prices: list[dict]) -> dict[str, np.ndarray]:
        closings = PriceClosings(knobs())
        closings.load(table(prices))
        panel = closings.panel("bawang-merah", "retail")
        place = (price["provider"], price["market_id"], price["region_code"])
        column = panel.column(place, price["level"])
        day = (price["market_date"] - date(1970, 1, 1)).days
        known, _ = statistics(panel, day, self.thresholds)
        of = {name: values[[column]] for name, values in known.items()}
        commodity = commodities()["bawang-merah"]
        tolerance = self.thresholds.tolerance_of(commodity.id)
        return score(np.array([price["price_idr"]]), day, of, self.thresholds, commodity, tolerance)


@pytest.mark.parametrize("order", ORDERS)
def test_verdicts_equal_the_definition_row_by_row(order: Callable[..., list[dict]]):
    rows = order(walk(DAYS, 11, CODES[:5]), np.random.default_rng(3))
    judgement, _ = judge(PriceValidator(knobs()), rows)
    definition = RowByRow(Thresholds.of(knobs()))
    refused = 0
    for price, verdict in zip(rows, judgement.verdicts.to_pylist(), strict=True):
        expected = definition.judge(price)
        refused += expected["outcome"] == "quarantine"
        for name in set(expected) & set(verdict):
            value = expected[name]
            is_missing = isinstance(value, float) and np.isnan(value)
            assert verdict[name] == (None if is_missing else value), (name, price)
    assert refused


@pytest.mark.parametrize("order", ORDERS)
@given(
    seed=st.integers(0, 50),
    cuts=st.lists(st.integers(0, 330), max_size=12),
    reloads=st.sets(st.integers(0, 12), max_size=3),
    restored=st.sets(st.integers(0, 12), max_size=5),
    days_at_once=st.integers(1, 40),
)
@examples(5, phases=WITHOUT_SHRINKING)
def test_cuts_and_restarts_change_no_verdict_of_interleaved_days(
    order: Callable[..., list[dict]],
    seed: int,
    cuts: list[int],
    reloads: set[int],
    restored: set[int],
    days_at_once: int,
):
    rows = numbered(order(walk(DAYS, seed), np.random.default_rng(seed)))
    expected = verdicts(judge(PriceValidator(knobs()), rows)[0].verdicts)
    validator = PriceValidator(knobs())
    verdicts_by_id = {}
    landed = []
    edges = [0, *sorted(cuts), len(rows)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phases, "MOST_DAYS", days_at_once)
        for nth, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
            if nth in reloads:  # a new process loads what has landed, in pieces and in another order
                validator = PriceValidator(knobs())
                order_of_load = np.random.default_rng(seed).permutation(len(landed))
                for piece in np.array_split(order_of_load, 3):
                    validator.load(table([landed[at] for at in piece]))
            if nth in restored:  # a new process reads the saved state
                state = validator.state()
                validator = PriceValidator(knobs())
                validator.restore(state)
            part = rows[low:high]
            judgement, _ = judge(validator, part)
            part_verdicts = verdicts(judgement.verdicts)
            landed += [price for price in part if part_verdicts[price["event_id"]]["outcome"] == "silver"]
            verdicts_by_id |= part_verdicts
    assert verdicts_by_id == expected


@pytest.mark.parametrize("order", ORDERS)
@given(
    seed=st.integers(0, 50),
    cuts=st.sets(st.integers(0, 210), min_size=2, max_size=30),
    loads=st.sets(st.integers(0, 30), min_size=1),
    restored=st.sets(st.integers(0, 30), max_size=8),
)
@examples(12, phases=WITHOUT_SHRINKING)
def test_rows_of_silver_loaded_between_calls_replace_their_judgement(
    order: Callable[..., list[dict]], seed: int, cuts: set[int], loads: set[int], restored: set[int]
):
    """Each part of the rows is judged, or its silver is loaded; before it, a state may be restored."""
    rows = numbered(order(walk(DAYS, seed, CODES[:5]), np.random.default_rng(seed)))
    expected = verdicts(judge(PriceValidator(knobs()), rows)[0].verdicts)
    validator = PriceValidator(knobs())
    edges = sorted({0, *cuts, len(rows)})
    for nth, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
        if nth in restored:
            state = validator.state()
            validator = PriceValidator(knobs())
            validator.restore(state)
        part = rows[low:high]
        if nth in loads:
            landed = [price for price in part if expected[price["event_id"]]["outcome"] == "silver"]
            for piece in np.array_split(np.random.default_rng(seed).permutation(len(landed)), 2):
                validator.load(table([landed[at] for at in piece]))
        else:
            judged = verdicts(judge(validator, part)[0].verdicts)
            assert judged == {price["event_id"]: expected[price["event_id"]] for price in part}


def test_the_next_price_of_its_series_reads_a_late_price():
    validator = PriceValidator(knobs())
    judge(validator, walk(40, 2, CODES[:3]))
    prices = [row(41, "13", 35_000), row(40, "12", 35_000), row(41, "12", 35_000)]
    assert judge(validator, prices)[0].verdicts["days_since_last"].to_pylist()[2] == 1


def test_the_phase_rows_th_price_ends_a_phase():
    """A late price of another provider is no vote until the phase has ended."""
    validator = PriceValidator(knobs())
    rows = [row(day, code, 35_000.0) for day in range(2) for code in CODES[:6]]
    judge(validator, rows)
    judge(validator, [row(2, "11", 35_000)])
    judge(validator, [row(0, "31", 35_000)])
    panel = validator.panels["bawang-merah", "retail"]
    column = panel.series["market", "PROV-31", "31"]
    assert np.isnan(panel.grid("price", 0, panel.size)[:, column]).all()
    judge(validator, [row(2, "11", 35_000, nth) for nth in range(1, SMALL_PHASE - 13)])
    assert np.nanmax(panel.grid("price", 0, panel.size)[:, column]) == 35_000


def test_what_an_addition_replaced_can_be_put_back():
    random = np.random.default_rng(1)
    panel = ClosingPanel(0, 5)
    for code in CODES:
        panel.column(("market", f"PROV-{code}", code), "province")
    held = []

    def draw(size: int) -> tuple:
        ids = np.array([f"{nth:06}" for nth in random.integers(0, 10**6, size)], dtype=object)
        return (
            random.integers(0, 90, size),
            random.integers(0, len(CODES), size),
            random.uniform(1, 2, size),
            random.integers(0, 9, size),
            ids,
        )

    for size in (40, 3, 0, 200, 1):
        before = {
            name: panel.grid(name, 0, panel.size).copy() for name in ("price", "log", "gap", "residual")
        }
        held.append((before, panel.days(0, panel.size).copy(), panel.add(*draw(size))))
    for before, days, replaced in reversed(held):
        panel.restore(replaced)
        assert panel.days(0, panel.size).tolist() == days.tolist()
        for name, grid in before.items():
            np.testing.assert_array_equal(panel.grid(name, 0, panel.size), grid)


def test_ends_of_days_and_of_ascending_days():
    days = np.array([1, 1, 2, 4, 4, 3, 3, 5])
    arrived = Arrived(days, np.zeros(8, dtype=np.int64), np.ones(8, dtype=bool))
    assert [arrived.end_of_day(start) for start in range(8)] == [2, 2, 3, 5, 5, 7, 7, 8]
    assert [arrived.ascending(start, 9) for start in (0, 4, 5, 7)] == [5, 5, 8, 8]
    assert [arrived.ascending(0, days) for days in (1, 2, 3)] == [2, 3, 5]
