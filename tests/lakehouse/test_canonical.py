"""RFC 8785 for the values kept in the ledger, and Merkle roots computed by hand."""

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from hashlib import sha256

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.ledger.canonical import LARGEST_INTEGER, canonical, decimal_text
from lakehouse.ledger.merkle import EMPTY_ROOT, Frontier, leaf_hash, merkle_root, node_hash

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # RFC 8785, 3.2.2: string and literals of the sample (its numbers are floats: refused)
        ({"string": '€$\u000f\nA\'B"\\\\"/'}, '{"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'),
        ({"literals": [None, True, False]}, '{"literals":[null,true,false]}'),
        # RFC 8785, 3.2.3: keys in the order of their UTF-16 code units
        (
            {"€": "Euro Sign", "\r": "Carriage Return",
             "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
             "😀": "Emoji: Grinning Face", "\u0080": "Control", "ö": "Latin Small Letter O With Diaeresis"},
            '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis",'
            '"€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
        ),
        ("\b\t\n\f\r\u0000\u001f\u007f\u2028", '"\\b\\t\\n\\f\\r\\u0000\\u001f\u007f\u2028"'),
        ([56, {"d": True, "10": None, "1": []}], '[56,{"1":[],"10":null,"d":true}]'),
        ([0, -1, LARGEST_INTEGER], "[0,-1,9007199254740991]"),
        (Decimal("11500.50"), '"11500.5"'),
        (datetime(2026, 3, 1, 8, tzinfo=timezone(timedelta(hours=7))), '"2026-03-01T01:00:00.000000Z"'),
        (date(2026, 3, 1), '"2026-03-01"'),
        (b"\x00\xff", '"00ff"'),
    ],
)  # fmt: skip
def test_value_has_the_expected_canonical_form(value: object, expected: str):
    assert canonical(value) == expected.encode()


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        Decimal("NaN"),
        2**53,
        -(2**53),
        {1: "x"},
        "\ud800",
        {"\udc00": 1},
        datetime(2026, 3, 1),
        object(),
        {"a"},
    ],
)
def test_value_without_canonical_form_is_refused(value: object):
    with pytest.raises((TypeError, ValueError)):
        canonical([value])


@given(VALUES)
def test_canonical_form_is_equivalent_json_and_idempotent(value: object):
    body = canonical(value)
    assert json.loads(body) == value
    assert canonical(orjson.loads(body)) == body


@given(st.dictionaries(TEXT, st.integers(0, 9)), st.randoms())
def test_insertion_order_of_keys_does_not_matter(value: dict[str, int], chance):
    items = list(value.items())
    chance.shuffle(items)
    assert canonical(dict(items)) == canonical(value)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_decimals_keep_their_value_in_plain_digits(value: Decimal):
    text = decimal_text(value)
    assert Decimal(text) == value and not set(text) - set("-0123456789.") and text != "-0"


def hashed(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def test_root_equals_the_one_computed_by_hand():
    a, b, c = (hashed(b"\x00", name) for name in (b"a", b"b", b"c"))
    assert merkle_root([]) == hashed(b"") == EMPTY_ROOT
    assert merkle_root([leaf_hash(b"a")]) == a
    assert merkle_root([a, b]) == hashed(b"\x01", a, b)
    assert merkle_root([a, b, c]) == hashed(b"\x01", hashed(b"\x01", a, b), c), "the odd one is promoted"
    five = [a, b, c, a, b]
    left = hashed(b"\x01", hashed(b"\x01", a, b), hashed(b"\x01", c, a))
    assert merkle_root(five) == hashed(b"\x01", left, b)


def test_root_equals_published_certificate_log_vectors():
    """Vectors of the Certificate Transparency reference log (RFC 6962), which promotes the odd node too."""
    bodies = [
        bytes.fromhex(text)
        for text in (
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        )
    ]
    known = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }  # fmt: skip
    for count, root in known.items():
        assert merkle_root([leaf_hash(body) for body in bodies[:count]]).hex() == root


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=70))
def test_frontier_has_the_root_of_all_leaves(leaves: list[bytes]):
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    assert frontier.root == merkle_root(leaves)
    assert len(frontier.peaks) <= max(1, len(leaves)).bit_length()


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=20), st.data())
def test_change_of_any_leaf_changes_the_root(bodies: list[bytes], data: st.DataObject):
    before = merkle_root([leaf_hash(body) for body in bodies])
    at = data.draw(st.integers(0, len(bodies) - 1))
    changed = [*bodies[:at], bodies[at] + b"!", *bodies[at + 1 :]]
    assert merkle_root([leaf_hash(body) for body in changed]) != before
    assert merkle_root([leaf_hash(body) for body in [*bodies[:at], *bodies[at + 1 :]]]) != before
    assert node_hash(before, before) != before
