"""The HTTP intake and the stream refuse by the same rule names; series keys of every kind."""

from datetime import UTC, datetime

import pytest

from lakehouse.contracts.contract import Field, kinds
from lakehouse.contracts.payload_check import faults
from lakehouse.event import DEAD_LETTER, Event, series_key

WRONG_TYPE = {
    "string": 7,
    "number": "7",
    "integer": True,
    "timestamp": 20260310,
    "date": 20260310,
    "boolean": "true",
    "strings": "a",
    "object": [],
}
OTHER_NAMES = {"currency_known"}  # the stream's rule is currency_idr: only the rupiah is known


def bad_values(field: Field) -> list[object]:
    """Values of the right type that the field's declaration forbids."""
    values: list[object] = []
    if field.type in ("timestamp", "date"):
        values += ["2026-02-30", "2026-02-30T10:00:00Z", "yesterday", "2026-03-01T10:00:00"]
    if field.pattern or field.enum:
        values += ["not / of $ this form", "x\n"]
    if field.required and field.type == "string":
        values.append("  ")
    if field.max_length is not None:
        values.append("x" * (field.max_length + 1))
    if field.min_length is not None:
        values.append("x" * (field.min_length - 1))
    if field.type == "integer":
        values.append(1.5)
    values += [
        bound
        for bound in (field.above, field.min - 1 if field.min is not None else None)
        if bound is not None
    ]
    return values + ([field.max * 2] if field.max is not None else [])


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_value_refused_by_the_intake_breaks_a_rule_of_the_stream(kind: str):
    rules = {rule.name for rule in kinds()[kind].rules} | OTHER_NAMES
    for field in kinds()[kind].payload:
        typed = [
            fault.code
            for fault in faults({field.name: WRONG_TYPE[field.type]}, [kind])
            if fault.pointer == f"/{field.name}"
        ]
        assert typed == ["field_type"]
        for value in bad_values(field):
            codes = {
                fault.code
                for fault in faults({field.name: value}, [kind])
                if fault.pointer == f"/{field.name}"
            }
            assert len(codes) == 1, (field.name, value)
            assert kind in ("price", "sensor") or codes <= rules, (field.name, value)


@pytest.mark.parametrize("kind", sorted(kinds().keys() - {DEAD_LETTER}))  # which may hold anything
def test_missing_field_is_refused_by_a_rule_of_the_stream(kind: str):
    codes = {fault.code for fault in faults({}, [kind])}
    assert codes and codes <= {rule.name for rule in kinds()[kind].rules}


@pytest.mark.parametrize(
    ("field", "value"),
    [("date", "2026-02-28"), ("boolean", False), ("strings", []), ("strings", ["a"]), ("object", {})],
)
def test_valid_values_pass(field: str, value: object):
    names = {
        "date": ("weather", "date"),
        "boolean": ("bar", "final"),
        "strings": ("post", "symbols"),
        "object": ("order", "validation"),
    }
    kind, name = names[field]
    assert not [fault for fault in faults({name: value}, [kind]) if fault.pointer == f"/{name}"]


@pytest.mark.parametrize(
    ("kind", "payload", "key"),
    [
        ("listing", {"ProductID": 12}, "12"),
        ("listing", {"ProductID": 12.0}, "12"),
        ("listing", {"ProductID": 1.5}, "door"),
        ("listing", {"ProductID": True}, "door"),
        ("ledger", {}, "price"),
        ("ledger", {"chain": "trade"}, "trade"),
        ("decision", {"target_event_id": "e-1"}, "e-1"),
        ("post", {"source": "news", "post_id": "7"}, "news|7"),
        ("bar", {"symbol": "BBCA"}, "BBCA|"),
        ("price", {"market_id": "M", "commodity": "Garam"}, "M|Garam"),
        ("price", {"commodity": "Garam"}, "door"),
        ("price", "no object", "door"),
        ("fish", {}, "door"),
    ],
)
def test_series_key_follows_from_kind_and_payload(kind: str, payload: object, key: str):
    assert series_key(kind, payload, "door") == key


@pytest.mark.parametrize(
    ("kind", "key", "together"),
    [
        ("price", "M|Cabe RAWIT", "cabai"),
        ("price", "N|cabai-merah-besar", "cabai"),
        ("price", "M|Gula Pasir", "gula-konsumsi"),
        ("price", "M|unobtainium", "unobtainium"),
        ("price", "M|", None),
        ("stock", "G|Cabe RAWIT", "G|cabai-rawit-merah"),
        ("bar", "btcusdt|1m", "BTCUSDT|1m"),
        ("listing", "12", None),
    ],
)
def test_all_spellings_of_a_commodity_and_its_siblings_share_a_partition(
    kind: str, key: str, together: str | None
):
    assert Event(kind, key, b"", "e", "test:1", datetime.now(UTC)).together == together
