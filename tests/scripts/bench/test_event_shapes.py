"""Shapes of the events that the benches send, and the rows of a peer."""

from collections import Counter

import orjson
import pytest

from scripts.bench.event_shapes import SHAPES
from scripts.bench.peer_delta_rs import rows
from tests.support.real_sets import ABSENT, DATA

needs_data = pytest.mark.skipif(not DATA.exists(), reason=ABSENT)


def days(shape: str, count: int) -> list[str]:
    return [orjson.loads(event.value)["event_time"][:10] for event in SHAPES[shape](count)]


@needs_data
def test_prices_of_many_days_come_day_after_day():
    sent = days("many_days", 2_000)
    assert sent == sorted(sent)
    assert len(set(sent)) > 4


@needs_data
def test_two_days_take_turns():
    sent = days("turns", 600)
    changes = sum(first != second for first, second in zip(sent, sent[1:], strict=False))
    assert len(set(sent)) == 2
    assert changes > 500
    assert len({event.event_id for event in SHAPES["turns"](600)}) == 600


@needs_data
def test_mixed_events_are_of_many_kinds():
    kinds = Counter(event.kind for event in SHAPES["mixed"](10_000))
    assert sum(kinds.values()) == 10_000
    assert {"price", "sensor", "bar", "listing", "post", "macro", "weather"} <= kinds.keys()


def test_peer_keeps_the_text_and_parses_the_fields():
    whole = b'{"event_id":"a","price":12.5,"unit":"kg","other":1}'
    table = rows([("t", 0, 7, whole), ("t", 1, 8, b'{"price":"x"'), ("t", 1, 9, b'{"price":"x","unit":3}')])
    assert table["price"].to_pylist() == [12.5, None, None]
    assert table["unit"].to_pylist() == ["kg", None, None]
    assert table["offset"].to_pylist() == [7, 8, 9]
    assert table["text"][0].as_py() == whole.decode()
