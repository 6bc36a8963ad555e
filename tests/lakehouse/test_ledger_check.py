"""Which row changed: of altered, dropped and added rows, the first by event_id is named."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from lakehouse.ledger.chain import GENESIS, ChainState, fault_of, head_fault
from lakehouse.ledger.leaves import FINGERPRINT_BYTES, fingerprints, id_print
from lakehouse.ledger.merkle import leaf_hash, merkle_root
from lakehouse.ledger.verify import first_altered

IDS = st.lists(
    st.integers(0, 10_000).map(lambda number: f"p-{number:05d}"), min_size=1, max_size=40, unique=True
).map(sorted)


def leaves(ids: list[str], other: frozenset[str] = frozenset()) -> list[bytes]:
    return [leaf_hash(event_id.encode() + (b"!" if event_id in other else b"")) for event_id in ids]


@given(IDS, st.data())
def test_first_changed_row_is_named(ids: list[str], data: st.DataObject):
    """Each id is kept, altered or dropped, and others are added. CRC-32 separates ids of this form."""
    fates = data.draw(st.lists(st.sampled_from("kad"), min_size=len(ids), max_size=len(ids)))
    added = data.draw(st.lists(st.integers(0, 10_000).map(lambda n: f"p-{n:05d}x"), max_size=3, unique=True))
    altered = frozenset(event_id for event_id, fate in zip(ids, fates, strict=True) if fate == "a")
    dropped = {event_id for event_id, fate in zip(ids, fates, strict=True) if fate == "d"}
    now = sorted({*ids, *added} - dropped)
    changed = sorted(altered | dropped | set(added))
    recorded = fingerprints(ids, leaves(ids))
    assert len(recorded) == FINGERPRINT_BYTES * len(ids)
    named, missing = first_altered(recorded, now, leaves(now, altered))
    if not changed:
        assert (named, missing) == (None, None)
    elif missing:
        assert missing == id_print(min(dropped)), "the first dropped id"
        assert not [event_id for event_id in altered if event_id < min(dropped)]
    else:
        assert named in changed
        assert named == changed[0] or changed[0] in dropped


def drafts(count: int) -> list[dict]:
    root = merkle_root([]).hex()
    kept = {
        "kind": "price_batch",
        "event_id": None,
        "payload": "{}",
        "actor": "stream",
        "table": "silver.prices",
    }
    more = {"rule_set_fingerprint": None, "batch_time": None, "fingerprints": b""}
    return [
        {**kept, **more, "delta_version": number, "rows": 0, "merkle_root": root} for number in range(count)
    ]


def chain_of(count: int) -> list[dict]:
    state = ChainState("price")
    return [state.append(draft, datetime(2026, 3, 1, tzinfo=UTC)) for draft in drafts(count)]


def verdict(records: list[dict]) -> tuple[int, str] | None:
    state = ChainState("price")
    for record in records:
        if fault := fault_of(record, state):
            return fault.index, fault.reason
        state.advance(record)
    return None


CHAIN = chain_of(8)


@given(st.permutations(range(8)))
def test_reordered_records_are_a_gap(order: list[int]):
    fault = verdict([CHAIN[at] for at in order])
    if order == sorted(order):
        assert fault is None and CHAIN[0]["previous_hash"] == GENESIS
    else:
        assert fault is not None and fault[1] == "gap"


@given(st.sets(st.integers(0, 7), min_size=1))
def test_missing_records_are_a_gap_and_a_cut_tail_is_truncation(removed: set[int]):
    """A cut tail leaves a valid chain; the published head reveals it."""
    remaining = [record for record in CHAIN if record["index"] not in removed]
    if gap := verdict(remaining):
        assert gap == (min(removed), "gap")
    else:
        assert removed == set(range(min(removed), 8))
    head_hash = next((record["hash"] for record in remaining if record["index"] == 7), None)
    fault = head_fault((7, CHAIN[7]["hash"]), len(remaining), head_hash)
    assert fault is not None and fault.reason == "truncated" and fault.index == len(remaining)


@given(st.integers(0, 7), st.text(min_size=1))
def test_rewritten_chain_disagrees_with_the_published_head(at: int, actor: str):
    state = ChainState("price")
    forged = []
    for number, record in enumerate(CHAIN):
        forged.append(state.append(record | ({"actor": actor} if number == at else {}), record["timestamp"]))
    assert verdict(forged) is None, "the rewritten records form a valid chain"
    fault = head_fault((7, CHAIN[7]["hash"]), 8, forged[7]["hash"])
    assert (fault is None) == (actor == "stream")
