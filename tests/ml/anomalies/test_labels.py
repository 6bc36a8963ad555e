"""The label of an isolated jump, test by test, on the day itself and four market days later."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from ml.anomalies.context import TABLES, read_context
from ml.anomalies.labels import Label, label_of
from ml.anomalies.observations import Reports
from ml.anomalies.rows import anomaly_rows
from ml.anomalies.scores import score_reports
from tests.support.anomaly_panels import CODES, limits, make_reports

DAY, SERIES = 100, 3  # of the first source, province 14
SECOND = len(CODES) + SERIES  # the same province in the second
Change = Callable[[np.ndarray], None]


def label(
    change: Change, known: int = 5, context: dict | None = None, second: bool = True, **fields: np.ndarray
) -> Label:
    """Of the series on DAY after `change` of the prices; `known` days from DAY on have been reported."""
    given = make_reports(second=second)
    price = given.price.copy()
    change(price)
    given = replace(given, price=price, **fields).until(DAY + known)
    return label_of(
        {given.commodity: (given, score_reports(given, limits()))},
        given.commodity,
        SERIES,
        DAY,
        limits(),
        context or {},
    )


def jump(days: int = 1, factor: float = 1.4, columns: tuple[int, ...] = (SERIES,)) -> Change:
    def change(price: np.ndarray) -> None:
        price[DAY : DAY + days, columns] *= factor

    return change


def test_jump_without_company_or_contradiction_is_unknown():
    result = label(jump(40), second=False)
    assert (result.label, result.final) == ("unknown", True)
    assert result.tests.isolated["passed"] and not any(
        outcome["passed"] for outcome in result.tests.manipulation.values()
    )


def test_jump_against_another_source_is_manipulation_once_it_has_reverted():
    early, late = label(jump(2), known=1), label(jump(2))
    assert (early.label, early.final) == ("unknown", False) and early.tests.manipulation["source_mismatch"][
        "passed"
    ]
    assert (late.label, late.final) == ("manipulation", True)
    assert "source_mismatch" in late.reason and "reverts" in late.reason


def test_jump_of_a_distrusted_device_against_another_source_is_manipulation_at_once():
    trust = np.full(make_reports().price.shape, 0.4)
    assert label(jump(), known=1, trust=trust).label == "manipulation"
    assert label(jump(), known=1, trust=np.full_like(trust, 0.9)).label == "unknown"


def test_spike_of_few_or_new_reporters_is_sample_noise_before_anything_else():
    few = np.full(make_reports().price.shape, 5.0)
    few[DAY, SERIES] = 2
    assert label(jump(2), reporters=few).label == "sample_noise"
    few[DAY, SERIES] = 3  # 0.6 of the usual is not below it
    assert label(jump(2), reporters=few).label == "manipulation"
    newcomer = np.zeros(few.shape, dtype=bool)
    newcomer[DAY, SERIES] = True
    assert label(jump(2), newcomer=newcomer).label == "sample_noise"
    assert label(jump(20), newcomer=newcomer).label != "sample_noise"


def test_price_that_stays_while_the_country_moves_is_unknown():
    def others(price: np.ndarray) -> None:
        price[DAY:, [nth for nth in range(price.shape[1]) if nth != SERIES]] *= 1.4

    result = label(others, second=False)
    assert (
        result.label == "unknown"
        and result.tests.shock["provinces"]["share"] == 0
        and result.move.excess < -0.25
    )


@pytest.mark.parametrize(
    ("provinces", "called"), [(1, "unknown"), (3, "unknown"), (4, "shock"), (11, "shock")]
)
def test_same_move_in_three_of_ten_provinces_is_a_shock(provinces: int, called: str):
    far = [nth for nth in range(len(CODES))[::-1] if nth != SERIES][: provinces - 1]  # its neighbours last
    assert label(jump(2, columns=(SERIES, *far)), second=False).label == called


def test_same_move_in_another_source_is_a_shock_also_a_day_later():
    def late(price: np.ndarray) -> None:
        jump(20)(price)
        price[DAY + 1 : DAY + 20, SECOND] *= 1.35

    assert label(jump(20, columns=(SERIES, SECOND)), known=1).label == "shock"
    assert label(late, known=1).label == "unknown" and label(late).label == "shock"


def test_known_cause_makes_a_shock_once_the_move_has_lasted():
    rain = {"stock_cover_days": None, "rainfall_mm": 80.0, "scarcity_posts": None, "arrivals_stopped": None}
    assert label(jump(10), known=2, context=rain, second=False).label == "unknown"
    assert label(jump(10), known=3, context=rain, second=False).label == "shock"
    assert label(jump(1), context=rain, second=False).label == "unknown"


def test_copied_values_are_a_sign_of_manipulation():
    def frozen(price: np.ndarray) -> None:
        price[DAY : DAY + 8, SERIES] = round(price[DAY, SERIES] * 1.4)

    def borrowed(price: np.ndarray) -> None:
        price[:, 9] *= 1.5
        price[DAY : DAY + 8, SERIES] = price[DAY : DAY + 8, 9]

    for change, name in ((frozen, "same_digits"), (borrowed, "same_as_another")):
        sign = label(change).tests.manipulation["copied"]
        assert sign["passed"] and sign[name]
        assert label(change, known=1).tests.manipulation["copied"]["passed"] is None
    assert label(jump(8)).tests.manipulation["copied"]["passed"] is False


def test_move_to_the_ceiling_is_a_sign_of_manipulation():
    def pushed(price: np.ndarray) -> None:
        price[DAY - 60 : DAY, SERIES] = 30_000 + 10 * (np.arange(60) % 7)
        price[DAY:, SERIES] = 41_400  # the ceiling of shallots was 41,500

    result = label(pushed).tests.manipulation["at_ceiling"]
    assert result["ceiling_idr"] == 41_500 and result["passed"]
    assert label(jump()).tests.manipulation["at_ceiling"]["passed"] is False


def test_entry_errors_are_unknown_and_no_manipulation():
    result = label(jump(factor=10.0))
    assert (result.label, result.reason) == ("unknown", "entry error") and result.tests.entry_error[
        "unit_power"
    ] == 1
    assert label(jump(factor=6.5)).reason == "entry error" and label(jump(factor=4.0)).reason != "entry error"
    beef, shallot = make_reports("daging-sapi", idr=135_000.0, seed=6), make_reports()
    price = shallot.price.copy()
    price[DAY, SERIES] = beef.price[DAY, SERIES]
    given: dict[str, Reports] = {"daging-sapi": beef, "bawang-merah": replace(shallot, price=price)}
    by_commodity = {name: (reports, score_reports(reports, limits())) for name, reports in given.items()}
    result = label_of(by_commodity, "bawang-merah", SERIES, DAY, limits(), {})
    assert result.label == "unknown" and result.tests.entry_error["price_of"] == "daging-sapi"


def test_context_is_read_from_the_days_before():
    place = {"commodity": "bawang-merah", "region_code": "14"}
    rows = {
        "silver.stocks": [
            {**place, "entity_id": "g1", "quantity_kg": kg, "market_date": day}
            for kg, day in ((900.0, date(2024, 5, 1)), (10.0, date(2024, 5, 9)))
        ],
        "silver.shipments": [
            {
                "commodity": "bawang-merah",
                "origin_region_code": "14",
                "quantity_kg": 2100.0,
                "event_time": at(2024, 4, 29),
            },
            *(
                {
                    "commodity": "bawang-merah",
                    "destination_region_code": "14",
                    "arrived_at": at(2024, 4, day),
                    "quantity_kg": 1.0,
                    "event_time": at(2024, 4, day),
                }
                for day in (5, 6, 7, 8)
            ),
        ],
        "silver.weather": [
            {"region_code": "14", "date": date(2024, 4, 30), "rainfall_mm": 60.0},
            {"region_code": "14", "date": date(2024, 5, 3), "rainfall_mm": 300.0},
        ],
        "silver.posts": [
            {"content": text, "commodities": ["bawang-merah"], "market_date": date(2024, 5, 1)}
            for text in ("bawang merah LANGKA di pasar", "panen raya")
        ],
    }
    tables = {name: _table(name, rows[name]) for name in TABLES}
    here = ("bawang-merah", "14", date(2024, 5, 1))
    there = ("bawang-merah", "15", date(2024, 5, 1))
    context = read_context(tables, [here, there])
    assert context[here] == {
        "stock_cover_days": 3.0,
        "rainfall_mm": 60.0,
        "arrivals_stopped": True,
        "scarcity_posts": 1,
    }
    assert context[there] == {
        "stock_cover_days": None,
        "rainfall_mm": None,
        "arrivals_stopped": None,
        "scarcity_posts": 1,
    }


def at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 3, tzinfo=UTC)


def _table(name: str, rows: list[dict]) -> pa.Table:
    schema = arrow_schema(contracts()[name])
    return pa.Table.from_pylist(
        [{column: row.get(column) for column in schema.names} for row in rows], schema=schema
    )


def test_final_row_does_not_change_when_more_days_follow():
    given = make_reports(second=False)
    price = given.price.copy()
    price[DAY, SERIES] *= 1.4
    price[DAY + 3 :, 7] *= 0.6
    given = replace(given, price=price)
    short, long = (
        anomaly_rows([given.until(stop)], limits(), 0, lambda places: {}, {}) for stop in (DAY + 5, DAY + 30)
    )
    assert short and [row["final"] for row in short if row["region_code"] == CODES[SERIES]] == [True]
    assert [row for row in short if row["final"]] == [
        row for row in long if row["market_date"] <= short[0]["market_date"]
    ]
    assert [row["final"] for row in short if row["region_code"] == CODES[7]] == [False]


def on_thin_day(factor: float) -> Change:
    """A jump on a day on which a third of the provinces do not report."""

    def change(price: np.ndarray) -> None:
        jump(1, factor)(price)
        price[DAY, 7:11] = np.nan

    return change


@pytest.mark.parametrize("known", [1, 5])
def test_jump_on_a_thin_day_is_sample_noise_at_once(known: int):
    assert label(jump(1, 1.4), known, second=False).label == "unknown"
    result = label(on_thin_day(1.4), known, second=False)
    assert result.label == "sample_noise" and "thin_day" in result.reason
    assert result.tests.noise["thin_day"]["coverage"] == pytest.approx(8 / 12)
    assert label(on_thin_day(10.0), known, second=False).label == "unknown"  # an entry error


def test_limits_of_a_thin_day_are_wider():
    given = make_reports(second=False)
    strengths = []
    for change in (jump(1, 1.25), on_thin_day(1.25)):
        price = given.price.copy()
        change(price)
        strengths.append(score_reports(replace(given, price=price), limits()).strength[DAY, SERIES])
    assert strengths[0] > 1 > strengths[1]


def test_level_that_lasts_is_an_alarm_for_three_days():
    given = make_reports(second=False)
    price = given.price.copy()
    jump(30)(price)
    strength = score_reports(replace(given, price=price), limits()).strength[DAY : DAY + 30, SERIES]
    assert (strength > 1).tolist() == [True] * 3 + [False] * 27
