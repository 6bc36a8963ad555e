"""Properties of every validator that judges in order of arrival, for any rows."""

import zlib
from datetime import timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from lakehouse.contracts.history_rules import history_rules
from lakehouse.validation.in_order import Remembering
from lakehouse.validation.registry import VALIDATORS
from tests.support.plugins.examples import WITHOUT_SHRINKING, examples
from tests.support.walks import START, at, judged, judgement_of, landed, names, numbered, validator

KINDS = sorted(
    kind
    for kind, validator_type in VALIDATORS.items()
    if isinstance(validator_type, type) and issubclass(validator_type, Remembering)
)
MINUTES = st.integers(0, 12).map(lambda minutes: at(60 * minutes))
DAYS = st.integers(0, 30).map(lambda days: START + timedelta(days=days))

READING = st.one_of(
    st.fixed_dictionaries(
        {"metric": st.just("temperature_c"), "value": st.sampled_from([25.0, 26.0, 29.5, 36.5, 60.0])}
    ),
    st.fixed_dictionaries({"metric": st.just("humidity_pct"), "value": st.sampled_from([60.0, 75.0, 90.0])}),
    st.fixed_dictionaries(
        {"metric": st.just("crowd_count"), "value": st.sampled_from([0.0, 21.0, 50.0, 400.0])}
    ),
)
FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "sensor": {
        "market_id": st.sampled_from(["M1", "M2", None]),
        "device": st.sampled_from(["a", "b", "c"]),
        "event_time": st.integers(0, 4).map(lambda buckets: at(300 * buckets)),
        "readings": st.lists(READING, max_size=3, unique_by=lambda reading: reading["metric"]),
    },
    "bar": {
        "symbol": st.sampled_from(["BTC", "BTC", "AAPL", None]),
        "interval": st.sampled_from(["1m", "1m", "1d", "7x"]),
        "asset_class": st.sampled_from(["crypto", "crypto", "equity", None]),
        "currency": st.sampled_from(["USD", "XYZ"]),
        "bar_time": st.one_of(MINUTES, DAYS, st.none()),
        "close": st.sampled_from([100.0, 101.0, 140.0, 0.0, None]),
        "final": st.sampled_from([True, True, True, False]),
    },
    "stock": {
        "entity_id": st.sampled_from(["W1", "W2", None]),
        "commodity": st.sampled_from(["garam", "beras-medium"]),
        "event_time": DAYS,
        "quantity_kg": st.sampled_from([0.0, 100.0, 149.0, 151.0, 400.0, None]),
    },
    "listing": {
        "shop": st.sampled_from(["main", "main", "toko-b"]),
        "product_id": st.sampled_from([1, 2, None]),
        "event_time": DAYS,
        "rating": st.sampled_from([1.0, 2.0, 3.5, 5.0, None]),
        "num_reviews": st.sampled_from([1, 3, 8, 9, None]),
    },
    "post": {
        "event_id": st.sampled_from(["a", "b", "c"]),
        "content": st.sampled_from(["Harga cabai naik", "harga  cabai NAIK", "Telur turun", None]),
        "event_time": DAYS,
        "received_at": st.integers(0, 90).map(lambda days: START + timedelta(days=days)),
    },
}
FLAGS = {
    "passed": st.sampled_from([True, True, True, False]),
    "released": st.sampled_from([False, False, False, True]),
}


def streams(kind: str, at_least: int = 1) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Rows with their places in Kafka; a device belongs to one market."""
    drawn = st.lists(st.fixed_dictionaries(FIELDS[kind] | FLAGS), min_size=at_least, max_size=40)
    return drawn.map(
        lambda rows: numbered(
            [{**row, "device_id_hash": f"{row.get('market_id')}{row.get('device')}"} for row in rows]
        )
    )


@pytest.mark.parametrize("kind", KINDS)
@examples(30, phases=WITHOUT_SHRINKING)
@given(data=st.data())
def test_cuts_and_reloads_change_no_verdict(kind: str, data: st.DataObject):
    """Rows are cut into calls at random; at a cut a new process may load silver or a state."""
    rows = data.draw(streams(kind))
    whole = judged(kind, rows)
    at_rows = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=5)) | {0, len(rows)})
    by, verdicts = validator(kind), []
    for first, last in zip(at_rows, at_rows[1:], strict=False):
        start = data.draw(st.sampled_from(["none", "loaded", "restored"]))
        if start == "restored":
            state = by.state()
            by = validator(kind)
            by.restore(state)
        if start == "loaded":
            by, silver = validator(kind), landed(kind, rows[: len(verdicts)], verdicts)
            by.load(silver.slice(2))  # in pieces, as a table is read
            by.load(silver.slice(0, 2))
        verdicts += judged(kind, rows[first:last], by)
    assert verdicts == whole


@pytest.mark.parametrize("kind", KINDS)
@examples(30, phases=WITHOUT_SHRINKING)
@given(data=st.data())
def test_rows_of_silver_loaded_between_calls_replace_their_judgement(kind: str, data: st.DataObject):
    """Each part of the rows is judged, or its silver is loaded; before it, a state may be restored."""
    rows = data.draw(streams(kind))
    whole = judged(kind, rows)
    at_rows = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=6)) | {0, len(rows)})
    by = validator(kind)
    for first, last in zip(at_rows, at_rows[1:], strict=False):
        if data.draw(st.booleans()):
            state = by.state()
            by = validator(kind)
            by.restore(state)
        if data.draw(st.booleans()):
            silver = landed(kind, rows[first:last], whole[first:last])
            by.load(silver.slice(2))
            by.load(silver.slice(0, 2))
        else:
            assert judged(kind, rows[first:last], by) == whole[first:last]


@pytest.mark.parametrize("kind", KINDS)
@examples(15, phases=WITHOUT_SHRINKING)
@given(data=st.data())
def test_later_rows_change_no_verdict(kind: str, data: st.DataObject):
    rows = data.draw(streams(kind))
    known = data.draw(st.integers(1, len(rows)))
    assert judged(kind, rows[:known]) == judged(kind, rows)[:known]


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"post"}))
@examples(30, phases=WITHOUT_SHRINKING)
@given(data=st.data())
def test_interleaving_of_partitions_changes_no_verdict(kind: str, data: st.DataObject):
    """Series of different partitions, in any interleaving that keeps each partition's own order."""
    series = {"sensor": "market_id", "bar": "symbol", "stock": "entity_id", "listing": "product_id"}[kind]
    rows = data.draw(streams(kind))
    rows = [{**row, "partition": zlib.crc32(str(row[series]).encode()) % 97} for row in rows]
    keys = data.draw(st.permutations(sorted({row["partition"] for row in rows})))
    other = [row for key in keys for row in rows if row["partition"] == key]
    verdicts = dict(zip((row["offset"] for row in other), judged(kind, other), strict=True))
    assert [verdicts[row["offset"]] for row in rows] == judged(kind, rows)


@pytest.mark.parametrize("kind", KINDS)
@examples(15, phases=WITHOUT_SHRINKING)
@given(data=st.data())
def test_declared_check_decides_the_verdict(kind: str, data: st.DataObject):
    """DuckDB evaluates the contract's SQL over the evidence of each row: violated iff it does not hold.

    The message names only evidence.
    """
    rows = data.draw(streams(kind))
    by = validator(kind)
    judgement = judgement_of(kind, rows, by)
    evidence = pa.Table.from_pylist([judgement.evidence(nth) for nth in range(len(rows))])
    rules = history_rules(kind, {})
    checks = ", ".join(f"not coalesce({rule.check}, false)" for rule in rules)
    with duckdb.connect() as con:
        con.register("evidence", evidence)
        violations = con.sql(f"select {checks} from evidence").fetchall()
    for rule, violated in zip(rules, zip(*violations, strict=True), strict=True):
        flags = judgement.violated.get(rule.name, [False] * len(rows))
        assert list(violated) == list(flags), rule.name
        for nth in (nth for nth, flag in enumerate(flags) if flag):
            sentence = judgement.message(rule.name, nth)
            assert "{" not in sentence and "None" not in sentence, sentence


@pytest.mark.parametrize("kind", KINDS)
def test_drawn_rows_violate_every_rule(kind: str):
    """The strategies above would prove nothing about a rule that they never violate."""
    # Two rules need more rows than a strategy draws: test_sensor_sequences has them.
    expected = {rule.name for rule in history_rules(kind, {})} - {"flat_line", "crowd_unusual"}
    met: set[str] = set()

    def all_met(rows: list[dict[str, Any]]) -> bool:
        met.update(*names(judged(kind, rows)))
        return met >= expected

    until_met = settings(max_examples=100, database=None, derandomize=True, phases=[Phase.generate])
    find(streams(kind, at_least=30), all_met, settings=until_met)
