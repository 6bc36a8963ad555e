"""Verdicts on event ids, for any cut into calls, and how many runs are kept."""

import random

import numpy as np
import pytest

from streaming_jobs.batch import event_ids
from streaming_jobs.batch.event_ids import CONFLICT, DUPLICATE, NEW, EventIds


def verdicts(ids: EventIds, names: list[str], hashes: list[int], kind: str = "price") -> list[int]:
    """Of events of one sender."""
    return list(ids.classify(kind, names, ["DEV-1"] * len(names), hashes).verdicts)


def test_another_payload_is_a_conflict_once():
    ids = EventIds()
    arrived = ["a", "b", "a", "a", "a", "b"]
    expected = [NEW, NEW, DUPLICATE, CONFLICT, DUPLICATE, DUPLICATE]
    assert verdicts(ids, arrived, [1, 2, 1, -3, -3, 2]) == expected
    again = verdicts(ids, ["a", "a", "a", "b"], [-3, 4, 1, 1])
    assert again == [DUPLICATE, CONFLICT, DUPLICATE, CONFLICT]
    assert verdicts(ids, ["a"], [9], "sensor") == [NEW]


@pytest.mark.parametrize("size", [1, 2, 8])
def test_id_that_another_sender_has_is_followed_by_the_own_sender_in_batches_of_any_size(size: int):
    arrived = [
        ("a", "STRANGER", 1, NEW, None),
        ("a", "DEV-1", 2, NEW, "a@DEV-1"),
        ("a", "DEV-1", 2, DUPLICATE, "a@DEV-1"),
        ("a", "DEV-1", 3, CONFLICT, "a@DEV-1"),
        ("a", "STRANGER", 1, DUPLICATE, None),
        ("a", "", 4, NEW, "a@"),
        ("b", "DEV-1", 5, NEW, None),
        ("a", "STRANGER", 6, CONFLICT, None),
    ]
    ids = EventIds()
    for start in range(0, len(arrived), size):
        names, senders, hashes, expected, own = zip(*arrived[start : start + size], strict=True)
        classified = ids.classify("price", names, senders, hashes)
        assert list(classified.verdicts) == list(expected)
        assert classified.other_ids == {row: name for row, name in enumerate(own) if name}


def test_own_id_that_a_writer_to_kafka_has_used_is_a_conflict_and_no_duplicate():
    classified = EventIds().classify("price", ["a@DEV-1", "a", "a"], ["", "STRANGER", "DEV-1"], [1, 1, 1])
    assert list(classified.verdicts) == [NEW, NEW, CONFLICT]


@pytest.mark.parametrize("seed", range(8))
def test_verdicts_do_not_depend_on_the_cut_into_calls(seed: int):
    draw = random.Random(seed)
    whole, cut = EventIds(), EventIds()
    for _ in range(20):
        size = draw.randint(1, 60)
        names = [f"i{draw.randrange(80)}" for _ in range(size)]
        names = [f"{name}@s{draw.randrange(3)}" if draw.random() < 0.2 else name for name in names]
        senders = [f"s{draw.randrange(3)}" for _ in range(size)]
        hashes = [draw.randrange(3) for _ in range(size)]
        together = whole.classify("price", names, senders, hashes)
        for row in range(size):
            alone = cut.classify("price", [names[row]], [senders[row]], [hashes[row]])
            assert alone.verdicts[0] == together.verdicts[row]
            assert alone.other_ids.get(0) == together.other_ids.get(row)
    assert len(whole) == len(cut)


def test_ids_of_many_small_batches_are_few_runs_of_24_bytes_an_id(monkeypatch: pytest.MonkeyPatch):
    ids = EventIds()
    for batch in range(400):
        names = [f"{batch}-{number}" for number in range(50)]
        assert set(verdicts(ids, names, list(range(50)))) == {NEW}
    assert len(ids) == 20_000 and len(ids.runs) < 10
    assert sum(run.nbytes for run in ids.runs) == 24 * 20_000
    names = [f"{batch}-{number}" for batch in range(400) for number in range(50)]
    assert set(verdicts(ids, names, list(range(50)) * 400)) == {DUPLICATE}
    monkeypatch.setattr(event_ids, "MOST_MERGED", 1000)
    assert set(verdicts(ids, [f"new-{number}" for number in range(20_000)], list(range(20_000)))) == {NEW}
    assert len(ids.runs[-1]) == 20_000, "a run that is large enough is not written again"


def test_ids_with_the_same_first_eight_bytes_are_kept_apart_by_the_others():
    run = np.zeros(2, dtype=event_ids.ENTRY)
    run["head"], run["tail"] = 7, [1, 2]
    assert event_ids._place_in(run, run).tolist() == [0, 1]
    assert event_ids._place_in(run[:1], run).tolist() == [0, -1]
