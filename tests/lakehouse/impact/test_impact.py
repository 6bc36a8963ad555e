"""The size of a move and the shares of its factors."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from lakehouse.impact import (
    FACTORS,
    MacroState,
    attribution,
    impact_of,
    impact_score,
    macro_state,
    multiplier,
    weekly_scale,
)

NONE = MacroState(dict.fromkeys(("inflation", "fuel_coefficient", "fertilizer_trend")))
BEGAN = datetime(2024, 1, 1, tzinfo=UTC)


def test_score_is_zero_without_a_move_fifty_for_a_large_week_and_grows_with_size() -> None:
    assert impact_score(0.0, 0.1, 1.2) == 0
    assert impact_score(0.1, 0.1, 1.0) == pytest.approx(50)
    assert impact_score(-0.3, 0.1, 1.0) == pytest.approx(87.5)
    scores = [impact_score(step / 100, 0.1, 1.25) for step in range(400)]
    assert scores == sorted(scores) and max(scores) == 100
    assert impact_score(0.05, 0.0, 1.0) == impact_score(0.05, 0.02, 1.0)


def test_macro_raises_a_rise_lowers_a_fall_and_is_bounded() -> None:
    pressing = MacroState({}, {"inflation": 2.0, "fuel_coefficient": 0.1})
    assert multiplier(pressing) == pytest.approx(1.05)
    assert impact_score(0.1, 0.1, 1.05) > 50 > impact_score(-0.1, 0.1, 1.05)
    assert multiplier(MacroState({}, {"inflation": 90.0})) == 1.25
    assert multiplier(MacroState({}, {"inflation": -90.0})) == 0.8


def test_weights_sum_to_a_hundred_without_the_unexplained_share() -> None:
    shared = attribution(0.10, {"cuaca": 0.06, "musim": -0.02})
    assert shared.dominant == "cuaca"
    pulled = dict.fromkeys(FACTORS) | {"cuaca": "up", "musim": "down"}
    assert shared.directions == pulled
    assert sum(shared.weights.values()) == pytest.approx(100)
    assert shared.unexplained_pct == pytest.approx(100 * 0.06 / 0.14)
    assert attribution(0.1, {"hama": 0.05, "cuaca": -0.05}).dominant == "cuaca"


def test_nothing_known_gives_no_factor() -> None:
    answer = impact_of(50_000, 60_000, None, weekly_scale(0.055), NONE)
    assert answer["dominant_factor"] is None and answer["unexplained_pct"] == 100
    assert answer["directions"] == dict.fromkeys(FACTORS)
    assert set(answer["factors_with_weights"].values()) == {0.0}
    assert answer["unavailable"] == list(FACTORS)
    assert answer["price_change"] == pytest.approx(0.2) and 0 < answer["impact_score"] < 100
    assert answer["assumptions"][0].startswith("lebih dari separuh")


def test_measured_row_gives_its_shares() -> None:
    row = {**dict.fromkeys(FACTORS, 0.0), "musim": math.log(1.1), "scale": 0.2, "unavailable": ["hama"]}
    answer = impact_of(100.0, 110.0, row, 0.5, NONE)
    assert answer["dominant_factor"] == "musim"
    assert answer["unexplained_pct"] == pytest.approx(0, abs=1e-9)
    assert answer["impact_score"] == pytest.approx(100 * (1 - 2 ** (-math.log(1.1) / 0.2)))


def test_macro_values_and_their_changes() -> None:
    months = [BEGAN + timedelta(days=30 * n) for n in range(12)]
    state = macro_state(
        {
            "inflation": [(month, 2.0) for month in months[:-1]] + [(months[-1], 5.0)],
            "fuel_coefficient": [(month, 1.0 + 0.1 * n) for n, month in enumerate(months)],
            "fertilizer_trend": [(months[0], 7.0)],
        }
    )
    assert dict(state.values) == {"inflation": 5.0, "fuel_coefficient": 2.1, "fertilizer_trend": 7.0}
    assert state.changes["inflation"] == pytest.approx(5.0 - 27 / 12)
    assert state.changes["fuel_coefficient"] == pytest.approx(math.log(2.1 / 1.8))
    assert "fertilizer_trend" not in state.changes
    assert macro_state({}).changes == {}
