"""Which event ids have landed: an LMDB index, so that the cost of a batch does not grow with history.

The tables are the source of truth; the index can be filled again from bronze. It is written last in a batch.
An entry of the batch that is being retried counts as absent, so a retry gives the same verdicts.

LMDB has no checksums: each commit adds those of its entries to a sum, which `is_intact` compares. Reading a
damaged file can end a process (SIGBUS, SIGSEGV), so `damage` reads it in a process of its own.
"""

import hashlib
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import lmdb
import pyarrow as pa

from conf.settings import REPO

NEW = 0
DUPLICATE = 1
CONFLICT = 2
_ENTRY = struct.Struct(">q8s")  # payload hash, tag of the batch that wrote the entry
_META = b"\0meta"
_SUM = b"\0sum"
_COUNTED = struct.Struct(">QQ")  # number of entries, sum of their checksums
MAP_BYTES = 1 << 38  # address space, not disk: LMDB grows its file as needed


def batch_tag(stream_id: str, batch_id: int) -> bytes:
    """8 bytes that identify one batch of one checkpoint."""
    return hashlib.sha256(f"{stream_id}/{batch_id}".encode()).digest()[:8]


def _key(kind: str, event_id: str, payload_hash: int | None = None) -> bytes:
    key = f"{kind}|{event_id}".encode()
    if payload_hash is not None:
        key += b"\0" + payload_hash.to_bytes(8, "big", signed=True)
    return key if len(key) <= 500 else b"#" + hashlib.sha256(key).digest()


def _checksum(key: bytes, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(key))


def _counted(transaction: lmdb.Transaction) -> tuple[int, int]:
    """Number of entries and the sum of their checksums."""
    count, total = _COUNTED.unpack(transaction.get(_SUM, bytes(_COUNTED.size)))
    return int(count), int(total)


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
        entries = sorted(self._pending.items())
        with self._env.begin(write=True) as transaction:
            with transaction.cursor() as cursor:
                new = entries
                if self.last_batch() == (stream_id, batch_id):  # a retry: its entries are in the sum
                    known = dict(cursor.getmulti([key for key, _ in entries]))
                    new = [entry for entry in entries if entry[0] not in known]
                cursor.putmulti(entries, overwrite=True)
            count, total = _counted(transaction)
            total = (total + sum(_checksum(key, value) for key, value in new)) % 2**64
            transaction.put(_SUM, _COUNTED.pack(count + len(new), total))
            transaction.put(_META, f"{stream_id}/{batch_id}".encode())
        self._pending.clear()

    def is_intact(self) -> bool:
        """Whether every entry is as it was written. Reads them all: about 1 s for 2 million."""
        with self._env.begin() as transaction, transaction.cursor() as cursor:
            count, total = _counted(transaction)
            checksums: list[int] = [
                _checksum(key, value)
                for key, value in islice(cursor, count + 3)  # damage may make a circle of pages
                if key not in (_META, _SUM)
            ]
        self.last_batch()
        with self._env.begin(write=True) as transaction:  # reads the list of free pages
            transaction.put(_META + b"?", b"")
            transaction.abort()
        return len(checksums) == count and sum(checksums) % 2**64 == total

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


def damage(folder: Path) -> str:
    """Why the index cannot be used; empty when it can or does not exist. No other process may use it."""
    if not folder.exists():
        return ""
    command = [sys.executable, "-m", "streaming_jobs.batch.event_index", str(folder)]
    check = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    if check.returncode < 0:
        return f"reading it ends with signal {-check.returncode}"
    return (check.stderr.strip().splitlines() or ["unknown error"])[-1] if check.returncode else ""


if __name__ == "__main__":
    sys.exit(
        None if EventIds(Path(sys.argv[1])).is_intact() else "its entries are not those that were written"
    )
