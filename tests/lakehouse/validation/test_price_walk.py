"""Prices are compared with those that arrived before them, however many are judged at once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.reference import commodities
from lakehouse.validation.prices import walk as price_walk
from lakehouse.validation.prices.closings import ClosingPanel
from lakehouse.validation.prices.rules import PriceRules
from lakehouse.validation.prices.scores import score
from lakehouse.validation.prices.statistics import statistics
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.prices.validator import PriceClosings, PriceValidator
from tests.support.plugins.examples import WITHOUT_SHRINKING, examples
from tests.support.price_rows import CODES, judge, knobs, numbered, row, table, verdicts, walk

DAYS = 45


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


def in_any_order(rows: list[dict], random: np.random.Generator) -> list[dict]:
    return shuffled(rows, random, lambda day, code: 0)


def shuffled(rows: list[dict], random: np.random.Generator, arrives: Callable[[int, str], int]) -> list[dict]:
    keys = [arrives(price["market_date"].toordinal(), price["region_code"]) for price in rows]
    return [rows[nth] for nth in np.lexsort((random.random(len(rows)), keys))]


ORDERS = [days_in_turn, zones_in_turn, some_late, series_by_series, in_any_order]


@dataclass
class RowByRow:
    """The definition, literally: closings are computed from all accepted prices for each row."""

    thresholds: Thresholds
    accepted: list[dict] = field(default_factory=list)

    def judge(self, price: dict) -> dict[str, object]:
        """The scores of a price of one commodity, and its outcome; it is remembered if it is accepted."""
        scores = self._scores(price)
        rules = PriceRules(self.thresholds)
        is_refused = bool(rules.refused(rules.violated(scores))[0])
        if not is_refused:
            self.accepted.append(price)
        scores["outcome"] = np.array(["quarantine" if is_refused else "silver"])
        return {name: values[0].item() for name, values in scores.items()}

    def _scores(self, price: dict) -> dict[str, np.ndarray]:
        closings = PriceClosings(knobs())
        closings.load(table(self.accepted))
        panel = closings.panel("bawang-merah", "retail")
        place = (price["provider"], price["market_id"], price["region_code"])
        column = panel.column(place, price["level"])
        day = (price["market_date"] - date(1970, 1, 1)).days
        known, _ = statistics(panel, day, self.thresholds)
        of = {name: values[[column]] for name, values in known.items()}
        commodity = commodities()["bawang-merah"]
        return score(np.array([price["price_idr"]]), day, of, self.thresholds, commodity)


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
        patch.setattr(price_walk, "MOST_DAYS", days_at_once)
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


def test_a_late_price_is_read_by_all_prices_of_later_days_that_follow():
    validator = PriceValidator(knobs())
    judge(validator, walk(40, 2, CODES[:3]))
    prices = [
        row(41, "13", 35_000, provider="pihps"),
        row(40, "13", 35_000),
        row(41, "12", 35_000),
        row(40, "12", 35_000),
        row(41, "12", 35_000, 1),
        row(41, "13", 35_000, 1, provider="pihps"),
    ]
    judged = judge(validator, prices)[0].verdicts
    assert judged["days_since_last"].to_pylist()[2::2] == [2, 1]
    assert judged["source_gap"].to_pylist()[0] != judged["source_gap"].to_pylist()[5] == 0


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
