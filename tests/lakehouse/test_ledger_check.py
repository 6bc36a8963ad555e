"""Which row changed: whatever is altered, dropped or slipped in, the first by event_id is named."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from lakehouse.ledger import GENESIS, Books, fault_of, head_fault
from lakehouse.ledger_check import first_altered
from lakehouse.ledger_rows import FINGERPRINT_BYTES, fingerprints, id_print
from lakehouse.merkle import leaf_hash, merkle_root

IDS = st.lists(st.integers(0, 10_000).map(lambda number: f"p-{number:05d}"), min_size=1, max_size=40, unique=True).map(sorted)


def leaves(ids: list[str], other: frozenset[str] = frozenset()) -> list[bytes]:
    return [leaf_hash(one.encode() + (b"!" if one in other else b"")) for one in ids]


@given(IDS, st.data())
def test_the_first_of_all_changes_is_named(ids: list[str], data: st.DataObject):
    """Each id is kept, altered or dropped, and strangers join; CRC-32 tells ids of this form apart."""
    fates = data.draw(st.lists(st.sampled_from("kad"), min_size=len(ids), max_size=len(ids)))
    strangers = data.draw(st.lists(st.integers(0, 10_000).map(lambda n: f"p-{n:05d}x"), max_size=3, unique=True))
    altered = frozenset(one for one, fate in zip(ids, fates, strict=True) if fate == "a")
    dropped = {one for one, fate in zip(ids, fates, strict=True) if fate == "d"}
    now = sorted({*ids, *strangers} - dropped)
    changed = sorted(altered | dropped | set(strangers))
    recorded = fingerprints(ids, leaves(ids))
    assert len(recorded) == FINGERPRINT_BYTES * len(ids)
    found, missing = first_altered(recorded, now, leaves(now, altered))
    if not changed:
        assert (found, missing) == (None, None)
    elif missing:
        assert missing == id_print(min(dropped)), "the first that is gone"
        assert not [one for one in altered if one < min(dropped)]
    else:
        assert found in changed
        assert found == changed[0] or changed[0] in dropped


def drafts(count: int) -> list[dict]:
    root = merkle_root([]).hex()
    kept = {"kind": "price_batch", "event_id": None, "payload": "{}", "actor": "stream", "table": "silver.prices"}
    more = {"rule_set_fingerprint": None, "batch_time": None, "fingerprints": b""}
    return [{**kept, **more, "delta_version": number, "rows": 0, "merkle_root": root} for number in range(count)]


def chain_of(count: int) -> list[dict]:
    books = Books("price")
    return [books.append(draft, datetime(2026, 3, 1, tzinfo=UTC)) for draft in drafts(count)]


def verdict(records: list[dict]) -> tuple[int, str] | None:
    books = Books("price")
    for record in records:
        if fault := fault_of(record, books):
            return fault.index, fault.reason
        books.take(record)
    return None


CHAIN = chain_of(8)


@given(st.permutations(range(8)))
def test_no_other_order_of_the_records_is_a_chain(order: list[int]):
    found = verdict([CHAIN[at] for at in order])
    if order == sorted(order):
        assert found is None and CHAIN[0]["previous_hash"] == GENESIS
    else:
        assert found is not None and found[1] == "gap"


@given(st.sets(st.integers(0, 7), min_size=1))
def test_no_part_of_the_records_is_a_chain_unless_its_tail_is_cut(gone: set[int]):
    """And that the published head tells."""
    left = [record for record in CHAIN if record["index"] not in gone]
    if found := verdict(left):
        assert found == (min(gone), "gap")
    else:
        assert gone == set(range(min(gone), 8))
    there = next((record["hash"] for record in left if record["index"] == 7), None)
    fault = head_fault((7, CHAIN[7]["hash"]), len(left), there)
    assert fault is not None and fault.reason == "truncated" and fault.index == len(left)


@given(st.integers(0, 7), st.text(min_size=1))
def test_a_chain_made_anew_from_some_record_on_is_told_by_the_published_head(at: int, actor: str):
    books = Books("price")
    forged = []
    for number, record in enumerate(CHAIN):
        forged.append(books.append(record | ({"actor": actor} if number == at else {}), record["timestamp"]))
    assert verdict(forged) is None, "in itself it is a chain"
    fault = head_fault((7, CHAIN[7]["hash"]), 8, forged[7]["hash"])
    assert (fault is None) == (actor == "stream")
