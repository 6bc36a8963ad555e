"""Price verdicts depend only on accepted rows of earlier market days.

Cuts into batches, order of rows, restarts and later rows change nothing.
"""

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.contract import contracts
from lakehouse.contracts.history_rules import history_rules
from lakehouse.validation.prices.validator import PriceValidator
from tests.support.plugins.examples import WITHOUT_SHRINKING, examples
from tests.support.price_rows import CODES, START, judge, knobs, numbered, row, table, verdicts, walk

DAYS = 50
POLICIES = ("calibrated", "seed")


def two_sources(seed: int) -> list[dict]:
    """Two commodities, one of them with a second source from day 5 on, and two siblings that exchange levels.

    Day by day.
    """
    rows = (
        exchanging_siblings(seed)
        + walk(DAYS, seed)
        + walk(DAYS, seed + 1, CODES[:3], commodity="gula-konsumsi")
    )
    rows += [
        price for price in walk(DAYS, seed + 2, CODES[:4], provider="pihps") if price["market_date"].day > 5
    ]
    return numbered(sorted(rows, key=lambda price: price["market_date"]))


def exchanging_siblings(seed: int) -> list[dict]:
    """Two chillies, one of them a third above the other; on some days they exchange their prices."""
    random = np.random.default_rng(seed)
    names = ("cabai-rawit-merah", "cabai-merah-keriting")
    walks = {name: walk(DAYS, seed + nth, CODES[:4], commodity=name) for nth, name in enumerate(names)}
    places = {name: {(p["market_date"], p["region_code"]): p for p in rows} for name, rows in walks.items()}
    days = random.choice(np.arange(35, DAYS), 5, replace=False).tolist()
    for price in walks[names[0]]:
        price["price_idr"] = round(price["price_idr"] * 1.33, -1)
        other = places[names[1]].get((price["market_date"], price["region_code"]))
        if other and (price["market_date"] - START).days in days:
            price["price_idr"], other["price_idr"] = other["price_idr"], price["price_idr"]
    return [price for rows in walks.values() for price in rows]


def whole(rows: list[dict], **changes: object) -> dict[str, dict]:
    judgement, _ = judge(PriceValidator(knobs(**changes)), rows)
    return verdicts(judgement.verdicts)


@pytest.mark.parametrize("policy", POLICIES)
@given(seed=st.integers(0, 50), cuts=st.lists(st.integers(0, 650), max_size=12), reload_at=st.integers(0, 12))
@examples(4, phases=WITHOUT_SHRINKING)
def test_cuts_and_restarts_change_no_verdict(policy: str, seed: int, cuts: list[int], reload_at: int):
    rows = two_sources(seed)
    expected = whole(rows, policy=policy)
    assert {verdict["outcome"] for verdict in expected.values()} == {"silver", "quarantine"}
    validator = PriceValidator(knobs(policy=policy))
    verdicts_by_id = {}
    landed = []
    edges = [0, *sorted(cuts), len(rows)]
    for nth, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
        part = rows[low:high]
        if nth == reload_at:  # a new process loads what has landed, in another order
            validator = PriceValidator(knobs(policy=policy))
            shuffled = np.random.default_rng(seed).permutation(len(landed))
            validator.load(table([landed[at] for at in shuffled]))
        judgement, _ = judge(validator, part)
        part_verdicts = verdicts(judgement.verdicts)
        landed += [price for price in part if part_verdicts[price["event_id"]]["outcome"] == "silver"]
        verdicts_by_id |= part_verdicts
    assert verdicts_by_id == expected


@given(seed=st.integers(0, 1000), lateness=st.integers(0, 2))
@examples(4, phases=WITHOUT_SHRINKING)
def test_any_order_within_the_allowed_lateness_gives_the_same_verdicts(seed: int, lateness: int):
    rows = two_sources(seed % 7)
    random = np.random.default_rng(seed)
    # A row arrives up to `lateness` days after its day. Sorting by day + delay moves it no further.
    late = np.array([price["market_date"].toordinal() for price in rows]) + random.integers(
        0, lateness + 1, len(rows)
    )
    order = np.lexsort((random.random(len(rows)), late))
    changes = {"allowed_lateness_days": lateness}
    assert whole([rows[at] for at in order], **changes) == whole(rows, **changes)


@given(cut=st.integers(40, DAYS - 1))
@examples(3, phases=WITHOUT_SHRINKING)
def test_later_rows_never_change_an_earlier_verdict(cut: int):
    rows = two_sources(3)
    early = [price for price in rows if (price["market_date"] - rows[0]["market_date"]).days <= cut]
    everything = whole(rows)
    assert whole(early) == {price["event_id"]: everything[price["event_id"]] for price in early}


def test_a_retry_gives_the_same_verdicts():
    rows = two_sources(4)
    validator = PriceValidator(knobs())
    first, _ = judge(validator, rows[:560])
    landed = verdicts(first.verdicts)
    again = PriceValidator(knobs())
    again.load(table([price for price in rows[:420] if landed[price["event_id"]]["outcome"] == "silver"]))
    retried, _ = judge(again, rows[420:560])
    assert verdicts(retried.verdicts) == {
        price["event_id"]: landed[price["event_id"]] for price in rows[420:560]
    }


def test_closing_of_a_day_is_its_newest_event_in_any_order():
    rows = walk(45, 1)
    several = [row(45, "11", 30_000 + 100 * nth, nth) for nth in (2, 0, 1)]
    tied = [row(45, "12", price, event_id=name) for name, price in (("b", 31_000), ("a", 32_000))]
    for order in (several + tied, several[::-1] + tied[::-1]):
        validator = PriceValidator(knobs())
        validator.load(table(rows + order))
        judgement, _ = judge(validator, [row(46, "11", 30_000), row(46, "12", 31_000)])
        assert judgement.verdicts["last_price_idr"].to_pylist() == [30_200, 31_000]


@pytest.mark.parametrize("policy", POLICIES)
def test_rules_in_sql_flag_the_same_rows_as_the_validator(policy: str):
    rows = two_sources(5) + [row(DAYS, "31", 900_000), row(DAYS, "99", 90_000, market_id="M-NEW")]
    values = knobs(policy=policy, residual=3.0, geographic=2.0, source_pairs=30)
    judgement, batch = judge(PriceValidator(values), rows)
    seen = set()
    for rule in history_rules("price", values):
        judged = judgement.verdicts  # noqa: F841 (DuckDB finds it by its name)
        violated = duckdb.sql(f"select not coalesce(({rule.check}), false) as v from judged").to_arrow_table()
        flags = judgement.violated.get(rule.name, np.zeros(batch.num_rows, dtype=bool))
        assert flags.tolist() == violated["v"].to_pylist(), rule.name
        if flags.any():
            seen.add(rule.name)
            assert judgement.message(rule.name, int(np.flatnonzero(flags)[0]))
    own = {
        "calibrated": {"sibling_price", "outlier_residual", "outlier_geographic", "near_outlier"},
        "seed": {"seed_votes", "source_mismatch"},
    }
    assert seen >= own[policy] | {
        "unit_error",
        "price_out_of_range",
        "warmup",
        "carried_forward",
        "national_gap",
    }


def test_verdicts_are_the_rows_of_their_table_and_refused_rows_have_evidence():
    judgement, batch = judge(PriceValidator(knobs()), walk(70, 6))
    assert judgement.verdicts.column_names == list(contracts()["silver.price_verdicts"].column_names)
    refused = np.flatnonzero(np.array(judgement.verdicts["outcome"].to_pylist()) == "quarantine")
    assert len(refused)
    for at in refused.tolist():
        evidence = judgement.evidence(at)
        assert evidence["price_idr"] == batch["price_idr"][at].as_py()
        assert evidence["statistics"]["n"] >= 0 and evidence["neighbours"]
        assert evidence["limits"].items() >= {"score_r": 8.0, "score_g": 5.5, "zscore": 3.0}.items()
        assert evidence["limits"].keys() <= evidence["statistics"].keys()
    assert judgement.evidence(int(np.setdiff1d(np.arange(batch.num_rows), refused)[0])) is None


def test_rows_refused_by_other_rules_are_not_remembered():
    validator = PriceValidator(knobs())
    validator.load(table(walk(60, 7)))
    odd = [
        row(60, "11", None),
        row(60, "12", -5.0),
        row(60, "13", float("nan")),
        row(60, "14", 350_000, commodity=None),
    ]
    batch = table([*odd, row(60, "15", 35_000), row(60, "16", 1.0, 1)])
    passed = np.array([False] * 5 + [True])
    judgement = validator.judge(batch, passed, np.zeros(6, dtype=bool))
    assert judgement.verdicts["event_id"].to_pylist() == ["bawang-merah-market-16-60-1"]
    assert judgement.verdicts["outcome"].to_pylist() == ["quarantine"]
    assert validator.judge(table([]), passed[:0], passed[:0]).verdicts.num_rows == 0
    later, _ = judge(validator, [row(61, "15", 35_000), row(61, "16", 35_000)])
    assert all(age > 1 or age is None for age in later.verdicts["days_since_last"].to_pylist())


def test_released_row_lands_and_its_violations_are_reported():
    validator = PriceValidator(knobs())
    validator.load(table([*walk(60, 8), row(59, "11", 35_000, 1)]))
    batch = table([row(60, "11", 350_000)])
    judgement = validator.judge(batch, np.array([True]), np.array([True]))
    assert judgement.violated["unit_error"].tolist() == [True]
    assert judgement.suggestion(0)["price"] == 35_000
    assert judgement.verdicts["outcome"].to_pylist() == ["silver"]
    after, _ = judge(validator, [row(61, "11", 35_000)])
    assert after.verdicts["last_price_idr"].to_pylist() == [350_000]


def test_other_types_of_times_and_texts_give_the_same_verdicts():
    rows = table(walk(40, 9))
    cast = rows.set_column(1, "event_time", rows["event_time"].cast(pa.timestamp("ns", "UTC")))
    cast = cast.set_column(4, "market_id", cast["market_id"].dictionary_encode()).drop_columns(
        ["provider", "device_id"]
    )
    flags = np.ones(rows.num_rows, dtype=bool)
    judgement = PriceValidator(knobs()).judge(cast, flags, ~flags)
    assert verdicts(judgement.verdicts) == whole(walk(40, 9))


@pytest.mark.parametrize("silence", [1, 40, 179, 181, 400, 3000])
def test_sources_that_return_after_a_silence_are_judged(silence: int):
    providers = ("market", "pihps", "panel-harga")
    rows = [
        row(day, code, 30000.0 + day, provider=provider)
        for day in (0, silence)
        for code in CODES[:3]
        for provider in providers[: 2 + day % 2]
    ]
    rows += [
        row(silence + 1, code, 30500.0, nth=n, provider=provider)
        for n in range(2)
        for code in CODES[:3]
        for provider in providers
    ]
    assert len(whole(rows)) == len(rows)
