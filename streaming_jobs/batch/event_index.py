"""Which event ids have landed: an LMDB index, so that the cost of a batch does not grow with history.

The tables are the source of truth; the index can be filled again from bronze. It is written last in a batch.
An entry of the batch that is being retried counts as absent, so a retry gives the same verdicts.
"""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import lmdb
import pyarrow as pa

NEW = 0
DUPLICATE = 1
CONFLICT = 2
_ENTRY = struct.Struct(">q8s")  # payload hash, tag of the batch that wrote the entry
_META = b"\0meta"
MAP_BYTES = 1 << 38  # address space, not disk: LMDB grows its file as needed


def batch_tag(stream_id: str, batch_id: int) -> bytes:
    """8 bytes that identify one batch of one checkpoint."""
    return hashlib.sha256(f"{stream_id}/{batch_id}".encode()).digest()[:8]


def _key(kind: str, event_id: str, payload_hash: int | None = None) -> bytes:
    key = f"{kind}|{event_id}".encode()
    if payload_hash is not None:
        key += b"\0" + payload_hash.to_bytes(8, "big", signed=True)
    return key if len(key) <= 500 else b"#" + hashlib.sha256(key).digest()


class EventIds:
    """Index of (kind, event id) -> hash of the payload that came first."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._env = lmdb.open(str(folder), map_size=MAP_BYTES, metasync=False, max_dbs=0)
        self._pending: dict[bytes, bytes] = {}

    def classify(self, kind: str, ids: Sequence[str], hashes: Sequence[int], tag: bytes) -> list[int]:
        """NEW, DUPLICATE or CONFLICT for each event, in Kafka order; keeps what `commit` will write.

        The first payload of an id is NEW; the same payload again is a DUPLICATE; another payload is a
        CONFLICT once. Kinds may be classified side by side: their keys differ.
        """
        keys = [_key(kind, event_id) for event_id in ids]
        known = self._known(set(keys), tag)
        suspects = [
            _key(kind, event_id, payload)
            for key, event_id, payload in zip(keys, ids, hashes, strict=True)
            if known.get(key, payload) != payload
        ]
        known_conflicts = self._known(set(suspects), tag)
        verdicts = []
        for key, event_id, payload in zip(keys, ids, hashes, strict=True):
            first = known.get(key)
            if first is None:
                known[key] = payload
                self._pending[key] = _ENTRY.pack(payload, tag)
                verdicts.append(NEW)
            elif first == payload:
                verdicts.append(DUPLICATE)
            else:
                conflict = _key(kind, event_id, payload)
                if conflict in known_conflicts:
                    verdicts.append(DUPLICATE)
                else:
                    known_conflicts[conflict] = payload
                    self._pending[conflict] = _ENTRY.pack(payload, tag)
                    verdicts.append(CONFLICT)
        return verdicts

    def _known(self, keys: Iterable[bytes], tag: bytes) -> dict[bytes, int]:
        with self._env.begin(buffers=False) as transaction, transaction.cursor() as cursor:
            values = cursor.getmulti(sorted(keys))
        entries = ((key, *_ENTRY.unpack(value)) for key, value in values)
        return {key: payload for key, payload, written_by in entries if written_by != tag}

    def commit(self, stream_id: str, batch_id: int) -> None:
        """Write the entries of the batch and its number in one transaction."""
        with self._env.begin(write=True) as transaction:
            with transaction.cursor() as cursor:
                cursor.putmulti(sorted(self._pending.items()), overwrite=True)
            transaction.put(_META, f"{stream_id}/{batch_id}".encode())
        self._pending.clear()

    def last_batch(self) -> tuple[str, int] | None:
        """(stream id, batch number) of the newest commit, None when empty."""
        with self._env.begin() as transaction:
            value = transaction.get(_META)
        if value is None:
            return None
        stream, _, batch = bytes(value).decode().rpartition("/")
        return stream, int(batch)

    def refill(self, batches: Iterable[pa.RecordBatch], stream_id: str, batch_id: int) -> int:
        """Replace the index by kind, event_id, payload_hash in bronze order; returns the number."""
        with self._env.begin(write=True) as transaction:
            transaction.drop(self._env.open_db(None, txn=transaction), delete=False)
        tag = batch_tag(stream_id, batch_id)
        for batch in batches:
            for kind in set(batch["kind"].to_pylist()):
                rows = batch.filter(pa.compute.equal(batch["kind"], kind))
                self.classify(kind, rows["event_id"].to_pylist(), rows["payload_hash"].to_pylist(), b"")
                # Entries get the tag of the last finished batch: every later batch finds them.
                self._pending = {
                    key: _ENTRY.pack(_ENTRY.unpack(value)[0], tag) for key, value in self._pending.items()
                }
                self.commit(stream_id, batch_id)
        self.commit(stream_id, batch_id)
        return int(self._env.stat()["entries"])

    def close(self) -> None:
        self._env.close()
