"""What DuckDB finds in the payloads of plain rows is what the exact reader finds in them."""

import pyarrow as pa
import pytest

from lakehouse.contracts.contract import kinds
from lakehouse.contracts.rule_messages import number_text
from lakehouse.verdicts.exact import names_of, read, text_of_field
from lakehouse.verdicts.payload import exact_rows, parse, plain_rows
from tests.lakehouse.mutated_events import mutated_events

MUTATED = 400


@pytest.mark.parametrize("count", [MUTATED, pytest.param(20 * MUTATED, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", sorted(kinds()))
def test_plain_rows_are_read_as_exactly_as_others(kind: str, count: int):
    contract = kinds()[kind]
    values = mutated_events(kind, count, seed=count)["value"].combine_chunks()
    numbers, _ = plain_rows(values, contract)
    assert len(numbers) or kind == "order"  # its object is kept as it is written
    assert parse(values, contract).combine_chunks() == exact_rows(values, contract).combine_chunks()


@pytest.mark.parametrize(
    "body",
    [
        b'{"price": 1,}',
        b'{"price": NaN}',
        b'{"price": -Infinity}',
        b'{"price": 01}',
        b'{"price": 1} {}',
        b'{"price": 1}]',
        b'{"unit": "a\nb"}',
        b'{"price": 1',
        b"",
        b"[]",
        b'\xef\xbb\xbf{"price": 1}',
        b"[" * 100_000,
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
    ],
)
def test_text_that_is_not_one_object_is_malformed(body: bytes):
    contract = kinds()["price"]
    assert read(body, contract).malformed
    assert parse(pa.array([body]), contract)["malformed"].to_pylist() == [True]


def test_no_payload_at_all_is_malformed():
    assert parse(pa.array([None], pa.binary()), kinds()["price"])["malformed"].to_pylist() == [True]


def test_names_and_fields_of_an_object():
    assert names_of('{"a": 1, "a": {"b": 2}}') == ["a", "a"]
    assert names_of("[]") is None and names_of('{"a"') is None
    assert text_of_field('{"result": "VALID", "n": 1}', "result") == "VALID"
    assert text_of_field('{"n": {"result": 1}}', "result") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (35000.0, "35000"),
        (1e7, "10000000"),
        (0.3364722366212129, "0.336472"),
        (25374.577, "25374.58"),
        (1234567.89, "1234567.89"),
        (-1.5e-10, "-1.5e-10"),
        (1e23, "1e+23"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_of_messages_are_plain(value: float, text: str):
    assert number_text(value) == text


def test_object_is_kept_as_json_without_blanks():
    given = '{ "a" : [1.50, -0, 1e7, 1e999, "é\\u0001😀/"], "a": {} }'
    payload = read(b'{"validation": ' + given.encode() + b"}", kinds()["order"])
    assert payload.fields["validation"] == '{"a":[1.5,0,10000000.0,"Infinity","é\\u0001😀/"],"a":{}}'
