"""A shock shared by many provinces is released at the close of its day; a lone one stays refused."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from lakehouse.validation.prices.day_close import Release, common_shocks
from lakehouse.validation.prices.validator import PriceValidator
from tests.support.price_rows import START, judge, knobs, row

PROVINCES = ("11", "12", "13", "14", "15", "16", "31", "32", "33", "34")
DAYS = 45


def closed(
    moves: dict[str, float], quiet: int = DAYS, again: bool = False
) -> tuple[list[Release], list[str]]:
    """(releases, refused ids) of a day with these log moves by province, after days near 30,000 rupiah."""
    validator = PriceValidator(knobs())
    rows = [
        row(day, code, 30_000.0 + 10 * ((day + int(code)) % 4)) for day in range(quiet) for code in PROVINCES
    ]
    verdicts = [judge(validator, rows)[0].verdicts]
    days = (quiet, quiet + 1) if again else (quiet,)
    for day in days:
        shocked = [row(day, code, round(30_000 * float(np.exp(move)))) for code, move in moves.items()]
        verdicts.append(judge(validator, shocked)[0].verdicts)
    last = verdicts[-1].to_pylist()
    refused = [verdict["event_id"] for verdict in last if verdict["outcome"] == "quarantine"]
    return common_shocks(
        pa.concat_tables(verdicts), START + timedelta(days=days[-1]), validator.thresholds
    ), refused


def spread(up: int, size: float = 0.25) -> dict[str, float]:
    return {code: size if nth < up else 0.0 for nth, code in enumerate(PROVINCES)}


@pytest.mark.parametrize(("up", "released"), [(1, 0), (2, 0), (3, 3), (9, 9)])
def test_shock_needs_three_of_ten_provinces(up: int, released: int):
    releases, refused = closed(spread(up))
    assert len(refused) == up and len(releases) == released
    for release in releases:
        assert (release.share, release.regions) == (up / 10, 10) and release.event_id in refused
        assert release.move == pytest.approx(0.25, abs=0.002)
        assert f"{up * 10}% of 10 provinces" in release.reason and 5 <= len(release.reason) <= 500


def test_move_of_half_the_size_counts_as_alike_and_less_does_not():
    half = {**spread(1, 0.30), "12": 0.16, "13": 0.16}
    assert {release.move > 0.29 for release in closed(half)[0]} >= {True}
    less = {**spread(1, 0.30), "12": 0.14, "13": 0.14}
    assert not [release for release in closed(less)[0] if release.move > 0.29]


def test_opposite_move_is_not_alike():
    releases, refused = closed({**spread(2), "13": -0.25, "14": -0.25})
    assert len(refused) == 4 and releases == []


def test_unit_error_is_not_released_and_counts_for_no_shock():
    releases, refused = closed({**spread(2), "13": float(np.log(10)), "14": float(np.log(10))})
    assert len(refused) == 4 and releases == []
    with_shock, _ = closed({**spread(4), "16": float(np.log(10))})
    assert len(with_shock) == 4


def test_shock_not_released_on_its_day_is_released_on_the_next():
    releases, refused = closed(spread(5), again=True)
    assert len(refused) == 5 and len(releases) == 5


def test_four_provinces_are_too_few_for_a_shock():
    validator = PriceValidator(knobs())
    few = PROVINCES[:4]
    rows = [row(day, code, 30_000.0 + 10 * (day % 3)) for day in range(DAYS) for code in few]
    first = judge(validator, rows)[0].verdicts
    second = judge(validator, [row(DAYS, code, 45_000.0) for code in few])[0].verdicts
    assert set(second["outcome"].to_pylist()) == {"quarantine"}
    assert (
        common_shocks(pa.concat_tables([first, second]), START + timedelta(days=DAYS), validator.thresholds)
        == []
    )
