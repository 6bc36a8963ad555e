"""Shared shocks, prices of thin samples and lasting levels are released at a close; lone errors stay."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lakehouse.validation.prices.day_close import Release, lasting_levels, releases
from lakehouse.validation.prices.validator import PriceValidator
from tests.support.price_rows import START, judge, knobs, row, table

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
    return releases(
        pa.concat_tables(verdicts), [START + timedelta(days=days[-1])], validator.thresholds
    ), refused


def spread(up: int, size: float = 0.25) -> dict[str, float]:
    return {code: size if nth < up else 0.0 for nth, code in enumerate(PROVINCES)}


@pytest.mark.parametrize(("up", "released"), [(1, 0), (2, 0), (3, 3), (9, 9)])
def test_shock_needs_three_of_ten_provinces(up: int, released: int):
    chosen, refused = closed(spread(up))
    assert len(refused) == up and len(chosen) == released
    for release in chosen:
        assert release.event_id in refused
        assert release.move == pytest.approx(0.25, abs=0.002)
        assert f"{up * 10}% of 10 provinces" in release.reason and 5 <= len(release.reason) <= 500


def test_move_of_half_the_size_counts_as_alike_and_less_does_not():
    half = {**spread(1, 0.30), "12": 0.16, "13": 0.29}
    assert {release.move > 0.295 for release in closed(half)[0]} >= {True}
    less = {**spread(1, 0.30), "12": 0.14, "13": 0.29}
    assert not [release for release in closed(less)[0] if release.move > 0.295]


def test_move_that_ends_far_beyond_those_that_moved_alike_is_no_shared_shock():
    chosen, refused = closed({**spread(4, 0.20), "11": 0.38})
    assert len(refused) == 4 and len(chosen) == 3
    assert all(release.move == pytest.approx(0.20, abs=0.002) for release in chosen)


def test_opposite_move_is_not_alike():
    chosen, refused = closed({**spread(2), "13": -0.25, "14": -0.25})
    assert len(refused) == 4 and chosen == []


def test_unit_error_is_not_released_and_counts_for_no_shock():
    chosen, refused = closed({**spread(2), "13": float(np.log(10)), "14": float(np.log(10))})
    assert len(refused) == 4 and chosen == []
    with_shock, _ = closed({**spread(4), "16": float(np.log(10))})
    assert len(with_shock) == 4


def test_shock_not_released_on_its_day_is_released_on_the_next():
    chosen, refused = closed(spread(5), again=True)
    assert len(refused) == 5 and len(chosen) == 5


ISLANDS = ("11", "12", "13", "14", "31", "32", "33", "51", "52", "61", "62", "63", "64", "65", "71", "73")


@pytest.mark.parametrize(
    ("moved", "released"),
    [(("61", "62"), 0), (("61", "62", "63"), 3), (("11", "31", "61"), 0), (("61", "62", "63", "31"), 3)],
)
def test_shock_of_an_island_group_is_counted_over_its_provinces(moved: tuple[str, ...], released: int):
    market = Market()
    market.day([row(day, code, 30_010.0 + 40 * (day % 3)) for day in range(DAYS) for code in ISLANDS])
    sizes = dict(zip(moved, (39_000.0, 38_000.0, 40_000.0, 39_500.0), strict=False))
    refused = market.day([row(DAYS, code, sizes.get(code, 30_050.0)) for code in ISLANDS])
    assert len(refused) == len(moved)
    reasons = market.close(DAYS)
    assert len(reasons) == released
    assert all("60% of 5 provinces of the island group" in reason for reason in reasons.values())


def test_province_joins_the_shock_of_its_island_group_within_the_week():
    market = Market()
    market.day([row(day, code, 30_010.0 + 40 * (day % 3)) for day in range(DAYS) for code in ISLANDS])
    risen = dict.fromkeys(("61", "62", "63"), 39_000.0)
    for day, more in ((DAYS, {}), (DAYS + 2, {"64": 39_500.0})):
        refused = market.day([row(day, code, (risen | more).get(code, 30_050.0)) for code in ISLANDS])
        assert refused and sorted(market.close(day)) == sorted(refused)


def test_four_provinces_of_as_many_islands_are_too_few_for_a_shock():
    validator = PriceValidator(knobs())
    few = ("11", "31", "61", "71")
    rows = [row(day, code, 30_000.0 + 10 * (day % 3)) for day in range(DAYS) for code in few]
    first = judge(validator, rows)[0].verdicts
    second = judge(validator, [row(DAYS, code, 45_000.0) for code in few])[0].verdicts
    assert set(second["outcome"].to_pylist()) == {"quarantine"}
    assert (
        releases(pa.concat_tables([first, second]), [START + timedelta(days=DAYS)], validator.thresholds)
        == []
    )


class Market:
    """A validator with days of verdicts, to which days are added and closed one by one."""

    def __init__(self) -> None:
        self.validator = PriceValidator(knobs())
        self.verdicts: list[pa.Table] = []
        self.rows: dict[str, dict] = {}

    def day(self, rows: list[dict]) -> list[str]:
        """Judge the rows; the refused ids."""
        self.rows |= {price["event_id"]: price for price in rows}
        judged = judge(self.validator, rows)[0].verdicts
        self.verdicts.append(judged)
        return [price["event_id"] for price in judged.to_pylist() if price["outcome"] == "quarantine"]

    def close(self, *days: int) -> dict[str, str]:
        """Event -> reason of its release, which lands."""
        on = [START + timedelta(days=day) for day in days]
        chosen = releases(pa.concat_tables(self.verdicts), on, self.validator.thresholds)
        if chosen:
            again = table([self.rows[release.event_id] for release in chosen])
            every = np.ones(again.num_rows, dtype=bool)
            self.validator.judge(again, every, every)
        return {release.event_id: release.reason for release in chosen}


def markets(day: int, prices: dict[int, float], count: int = 18, region: str = "32") -> list[dict]:
    """Prices of the markets of one province: 30,000 rupiah where `prices` names none."""
    return [
        row(
            day,
            region,
            prices.get(nth, 30_000.0),
            nth,
            market_id=f"PASAR-{nth:03}",
            level="market",
        )
        for nth in range(count)
    ]


def standing_markets(count: int = 18) -> Market:
    market = Market()
    market.day([price for day in range(DAYS) for price in markets(day, {}, count)])
    return market


@pytest.mark.parametrize(("moved", "released"), [(1, 0), (5, 0), (6, 6), (18, 18)])
def test_shock_of_one_province_is_counted_over_its_markets(moved: int, released: int):
    market = standing_markets()
    refused = market.day(markets(DAYS, dict.fromkeys(range(moved), 39_000.0)))
    assert len(refused) == moved
    reasons = market.close(DAYS)
    assert sorted(reasons) == sorted(refused)[:released]
    assert all(f"{moved / 18:.0%} of 18 markets of the province" in reason for reason in reasons.values())


def test_market_that_follows_the_shock_of_the_week_is_released():
    market = standing_markets()
    market.day(markets(DAYS, dict.fromkeys(range(9), 39_000.0)))
    assert len(market.close(DAYS)) == 9
    late = {**dict.fromkeys(range(9), 39_000.0), 12: 52_000.0}
    assert market.day(markets(DAYS + 2, late)) and not market.close(DAYS + 2)  # not by half of its own move
    following = dict.fromkeys(range(10), 39_000.0)
    refused = market.day(markets(DAYS + 3, following))
    assert len(market.close(DAYS + 3)) == len(refused)


def test_market_that_ends_beyond_the_others_stays_although_they_moved_alike():
    market = Market()
    market.day([price for day in range(DAYS) for price in markets(day, {0: 40_000.0})])
    others = dict.fromkeys(range(1, 18), 39_000.0)
    refused = market.day(markets(DAYS, {**others, 0: 64_000.0}))  # 1.64 times the others' price
    assert len(refused) == 18 and len(market.close(DAYS)) == 17


def test_market_that_steps_as_far_above_the_others_as_it_was_below_follows_nobody():
    market = Market()
    market.day([price for day in range(DAYS) for price in markets(day, {0: 21_000.0})])
    assert len(market.day(markets(DAYS, {0: 42_000.0}))) == 1
    assert not market.close(DAYS)


def test_two_of_three_markets_confirm_a_third_of_their_province():
    market = standing_markets(3)
    assert len(market.day(markets(DAYS, {0: 39_000.0, 1: 38_000.0}, 3))) == 2
    assert not market.close(DAYS)
    market = standing_markets(3)
    assert len(market.day(markets(DAYS, {0: 39_000.0, 1: 38_000.0, 2: 40_000.0}, 3))) == 3
    assert len(market.close(DAYS)) == 3


CHILLIES = {"cabai-rawit-merah": 60_000.0, "cabai-merah-keriting": 48_000.0}


def chillies(day: int, codes: tuple[str, ...], *moved: str, exchanged: bool = False) -> list[dict]:
    """Prices of two chillies; `moved`: these lie at the level of the other."""
    level = dict(zip(CHILLIES, reversed(CHILLIES.values()), strict=True))
    return [
        row(day, code, (level if exchanged or name in moved else CHILLIES)[name] + 1_200 * (day % 2), 0, name)
        for name in CHILLIES
        for code in codes
    ]


@pytest.mark.parametrize("codes", [("32",), PROVINCES])
def test_exchanged_columns_stay_however_many_reporters_show_them(codes: tuple[str, ...]):
    market = Market()
    market.day([price for day in range(DAYS) for price in chillies(day, codes)])
    for day in range(DAYS, DAYS + 3):
        assert len(market.day(chillies(day, codes, exchanged=True))) == 2 * len(codes)
    assert not market.close(DAYS, DAYS + 1, DAYS + 2)
    assert not market.day(chillies(DAYS + 3, codes))


def test_price_that_reaches_the_level_of_a_sibling_which_stays_is_released_at_the_close():
    market = Market()
    market.day([price for day in range(DAYS) for price in chillies(day, ("32",))])
    refused = market.day(chillies(DAYS, ("32",), "cabai-rawit-merah"))
    reasons = market.close(DAYS)
    assert list(reasons) == refused and len(refused) == 1
    assert "the level of cabai-merah-keriting, 48,000 rupiah" in reasons[refused[0]]


def provinces(day: int, prices: dict[str, float], absent: tuple[str, ...] = ()) -> list[dict]:
    return [
        row(day, code, prices.get(code, 30_010.0 + 40 * ((day + int(code)) % 4)))
        for code in PROVINCES
        if code not in absent
    ]


def ordinary_provinces() -> Market:
    market = Market()
    market.day([price for day in range(DAYS) for price in provinces(day, {})])
    return market


ODD = {"11": 33_990.0, "12": 90_010.0, "13": 300_100.0}  # a little, far, by a unit


def test_prices_of_a_day_on_which_few_report_are_released_unless_gross():
    ordinary = ordinary_provinces()
    assert len(ordinary.day(provinces(DAYS, ODD))) == 3 and not ordinary.close(DAYS)
    thin = ordinary_provinces()
    refused = thin.day(provinces(DAYS, ODD, absent=PROVINCES[-2:]))
    reasons = thin.close(DAYS)
    assert len(refused) == 3 and [event.split("-")[3] for event in reasons] == ["11"]
    assert "70% of the usual series report" in next(iter(reasons.values()))


def test_prices_of_a_day_of_round_prices_are_released():
    market = ordinary_provinces()
    rounded = dict.fromkeys(PROVINCES[3:], 30_000.0)
    refused = market.day(provinces(DAYS, {**rounded, "11": 34_000.0}))
    reasons = market.close(DAYS)
    assert list(reasons) == refused and len(refused) == 1
    assert "80% of the prices are multiples of 500 (usual 0%)" in reasons[refused[0]]


def test_later_days_do_not_change_whether_a_day_is_thin():
    market = ordinary_provinces()
    market.day(provinces(DAYS, {"11": 33_990.0}))
    for day in range(DAYS + 1, DAYS + 4):
        market.day(provinces(day, {}, absent=PROVINCES[2:]))
    assert not market.close(DAYS)


def test_level_that_lasts_three_reports_is_released_and_refused_no_longer():
    market = ordinary_provinces()
    refused = [
        event for day in (DAYS, DAYS + 1) for event in market.day(provinces(day, {"11": 40_000.0 + day}))
    ]
    assert len(refused) == 2 and not market.close(DAYS, DAYS + 1)
    refused += market.day(provinces(DAYS + 2, {"11": 40_100.0}))
    reasons = market.close(DAYS, DAYS + 1, DAYS + 2)
    assert sorted(reasons) == sorted(refused) and len(refused) == 3
    assert all("lasting level: 3 reports in a row" in reason for reason in reasons.values())
    assert not market.day(provinces(DAYS + 3, {"11": 40_200.0}))


def test_error_that_goes_back_or_is_gross_never_becomes_a_level():
    market = ordinary_provinces()
    for day, price in enumerate((40_000.0, 40_100.0, 30_050.0, 40_000.0), DAYS):
        market.day(provinces(day, {"11": price, "12": 300_100.0}))
    assert not market.close(*range(DAYS, DAYS + 4))


def test_level_with_gaps_between_its_reports_is_released_once_it_held():
    market = ordinary_provinces()
    for day in (DAYS, DAYS + 4, DAYS + 6):
        market.day(provinces(day, {"11": 40_000.0}))
        market.day(provinces(day + 1, {}, absent=("11",)))
    verdicts = pa.concat_tables(market.verdicts)
    first = [START + timedelta(days=DAYS)]
    early = verdicts.filter(pc.field("market_date") <= START + timedelta(days=DAYS + 5))
    assert lasting_levels(early, first, market.validator.thresholds) == []
    assert len(lasting_levels(verdicts, first, market.validator.thresholds)) == 1


def test_order_of_verdicts_changes_no_release():
    market = standing_markets()
    market.day(markets(DAYS, dict.fromkeys(range(7), 39_000.0)))
    verdicts = pa.concat_tables(market.verdicts)
    on, thresholds = [START + timedelta(days=DAYS)], market.validator.thresholds
    shuffled = verdicts.take(np.random.default_rng(1).permutation(verdicts.num_rows))
    ordered, mixed = (releases(rows, on, thresholds) for rows in (verdicts, shuffled))
    assert sorted(ordered, key=str) == sorted(mixed, key=str) and len(ordered) == 7
