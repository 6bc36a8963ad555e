"""A price checked by rows of gold.series_stats gets the verdict of the stream."""

from copy import deepcopy
from datetime import timedelta
from functools import cache

import numpy as np
import pytest

from lakehouse.contracts.contract import contracts
from lakehouse.validation.prices.single_check import check_price
from lakehouse.validation.prices.validator import PriceValidator
from streaming_jobs.gold.series_stats import series_stats
from tests.support.price_rows import CODES, START, judge, knobs, numbered, row, table, walk

DAYS = 90


def loaded(policy: str) -> tuple[PriceValidator, list[dict]]:
    """A validator that remembers the walks, to be used up, and their statistics."""
    validator, statistics = walked(policy)
    return deepcopy(validator), statistics


@cache
def walked(policy: str) -> tuple[PriceValidator, list[dict]]:
    validator = PriceValidator(knobs(policy=policy))
    judge(
        validator,
        sorted(
            walk(DAYS, 11) + walk(DAYS, 12, CODES[:3], provider="pihps"),
            key=lambda price: price["market_date"],
        ),
    )
    statistics = series_stats(validator, {("bawang-merah", "retail", "market", "PROV-11", "11")})
    assert statistics.column_names == list(contracts()["gold.series_stats"].column_names)
    return validator, statistics.to_pylist()


@pytest.mark.parametrize("policy", ["calibrated", "seed"])
@pytest.mark.parametrize("factor", [1.0, 1.02, 1.1, 1.3, 0.7, 10.0, 0.1, 6.0])
def test_check_and_stream_agree(policy: str, factor: float):
    validator, rows = loaded(policy)
    newest = validator.panels["bawang-merah", "retail"].newest_day
    day = newest - (START - START.fromordinal(719163)).days + 1
    for code in ("11", "14", "31", "99"):
        price = round(35_000 * factor, 2)
        more = {"market_id": "M-NEW"} if code == "99" else {}
        event = row(day, code, price, **more)
        checked = check_price(
            rows,
            market_id=event["market_id"],
            commodity="bawang-merah",
            price_idr=price,
            market_date=START + timedelta(days=day),
            knobs=knobs(policy=policy),
        )
        judgement, _ = judge(validator, [{**event, "ingested_at": None}])
        band = {"price_in_band"} if price > 150_000 else set()
        rules = {reason["rule"] for reason in checked.reasons}
        assert rules - band == {name for name, flags in judgement.violated.items() if flags[0]}, (
            code,
            checked,
        )
        assert checked.quarantined == (judgement.verdicts["outcome"][0].as_py() == "quarantine" or bool(band))
        assert checked.policies[policy] == checked.quarantined and set(checked.policies) == {
            "seed",
            "calibrated",
        }
        assert [reason["severity"] for reason in checked.reasons] == sorted(
            reason["severity"] for reason in checked.reasons
        )
        verdict = judgement.verdicts.to_pylist()[0]
        assert (
            checked.flags["zscore"] == verdict["zscore_flag"] and checked.flags["iqr"] == verdict["iqr_flag"]
        )
        assert checked.flags["multi_source_ok"] == verdict["multi_source_ok"]
        assert {source["name"] for source in checked.sources} == ({"pihps"} if code == "11" else set())
        if verdict["unit_power"]:
            assert checked.suggestion == {"price": pytest.approx(price / 10.0 ** verdict["unit_power"])}
        # an accepted price must not be remembered for the next check, so the state is loaded again
        validator, rows = loaded(policy) if not checked.quarantined else (validator, rows)


def test_price_without_statistics_is_only_in_warm_up():
    checked = check_price(
        [], market_id="M", commodity="bawang-merah", price_idr=35_000, market_date=START, knobs=knobs()
    )
    assert (
        not any(checked.flags[name] for name in ("zscore", "iqr", "ai")) and checked.flags["multi_source_ok"]
    )
    assert checked.sources == [] and not checked.quarantined
    assert [reason["rule"] for reason in checked.reasons] == ["warmup"]


def test_statistics_do_not_depend_on_the_order_of_accepted_rows():
    rows = numbered(walk(60, 13))
    validators = [PriceValidator(knobs()) for _ in range(2)]
    validators[0].load(table(rows))
    for part in np.array_split(np.random.default_rng(1).permutation(len(rows)), 5):
        validators[1].load(table([rows[at] for at in part]))
    assert series_stats(validators[0], set()).to_pylist() == series_stats(validators[1], set()).to_pylist()


def test_a_candidate_for_a_new_level_is_marked():
    _, rows = loaded("calibrated")
    assert {series["market_id"] for series in rows if series["regime_candidate"]} == {"PROV-11"}
