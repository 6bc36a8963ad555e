"""Sensor verdicts of whole calls equal the definition, reading by reading, for any order of arrival."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.validation.kinds import device_peers, sensors
from tests.lakehouse.validation.sensor_definition import SensorsReadingByReading
from tests.support.plugins.examples import WITHOUT_SHRINKING, examples
from tests.support.walks import at, judged, landed, names, numbered, validator

METRICS = {"temperature_c": (20.0, 2.5), "humidity_pct": (60.0, 7.0), "crowd_count": (60.0, 45.0)}


def readings(seed: int, size: int, disorder: float) -> list[dict[str, Any]]:
    """Events of two markets with up to six devices each: noise, faulty devices, late ones, several days."""
    draw = np.random.default_rng(seed)
    times = np.sort(draw.choice([0, 86_400, 40 * 86_400], size) + draw.integers(0, 3_000, size))
    times = times + (draw.random(size) < disorder) * draw.integers(-4_500, 4_500, size)
    rows = []
    for seconds in times.tolist():
        market = int(draw.integers(2))
        device = int(draw.integers(6 - 3 * market))
        given = [metric for metric in METRICS if draw.random() < 0.7]
        values = {metric: centre + spread * draw.normal() for metric, (centre, spread) in METRICS.items()}
        if device == 2:  # far from the others, at times
            values["temperature_c"] += draw.choice([0.0, 6.0, 14.0])
        if device == 1:  # stands still
            values["humidity_pct"] = 61.0
        listed = [{"metric": name, "value": round(max(values[name], 0.0))} for name in given]
        rows.append(
            {
                "market_id": f"M{market}" if draw.random() < 0.98 else None,
                "device_id_hash": f"{market}-{device}",
                "event_time": at(seconds) if draw.random() < 0.98 else None,
                "readings": listed,
                "passed": bool(draw.random() < 0.95),
                "released": bool(draw.random() < 0.03),
            }
        )
    return numbered(rows)


def alike(evidence: dict[str, Any] | None, expected: dict[str, Any] | None) -> bool:
    """The same but for the last digits of a logarithm."""
    return evidence == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)


@given(
    seed=st.integers(0, 10_000),
    size=st.integers(1, 300),
    disorder=st.sampled_from([0.0, 0.1, 1.0]),
    cuts=st.lists(st.integers(0, 300), max_size=3),
    rounds=st.sampled_from([2, 6]),
    cells=st.sampled_from([1, 40, 2_000_000]),
)
@examples(40, phases=WITHOUT_SHRINKING)
def test_verdicts_equal_the_definition_reading_by_reading(
    seed: int, size: int, disorder: float, cuts: list[int], rounds: int, cells: int
):
    rows = readings(seed, size, disorder)
    expected = judged("sensor", rows, SensorsReadingByReading({}))
    edges = sorted({0, size, *(cut for cut in cuts if cut < size)})
    by, verdicts = validator("sensor"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sensors, "ROUNDS", rounds)
        patch.setattr(device_peers, "CELLS_AT_ONCE", cells)
        for nth, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
            if nth % 2:  # a new process loads what has landed
                by = validator("sensor")
                by.load(landed("sensor", rows[:low], verdicts))
            verdicts += judged("sensor", rows[low:high], by)
    assert names(verdicts) == names(expected)
    for (_, evidence), (_, definition) in zip(verdicts, expected, strict=True):
        assert alike(evidence, definition), (evidence, definition)


def test_drawn_readings_violate_rules_and_are_refused():
    """The readings above would prove nothing if none of them was refused."""
    verdicts = names(judged("sensor", readings(1, 300, 0.1)))
    assert set().union(*verdicts) >= {"temperature_jump", "devices_disagree", "device_odd"}
    assert 10 < sum("device_odd" in violated for violated in verdicts) < 200
