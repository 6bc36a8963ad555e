"""Which event ids have landed: a RocksDB index, as the tables grow too large to search.

The tables are the source of truth; the index can be filled again from bronze. It is written last in a batch,
in one step with the number of the batch and the list of what that batch added: a retry takes it back first
and gives the same verdicts. Ids are kept for ever, as a rebuild compares each event with all of bronze.

An id belongs to the sender that used it first. With it are kept a hash of that sender and one of sender and
payload. An event of another sender goes on under `id_of_sender`, so nobody loses an event because its id was
used by somebody else; the same sender's other payload is a conflict, which is quarantined. Two senders with
the same 4 bytes of hash count as one: the later event is a conflict then, and no duplicate, which is dropped.

An id is kept as 12 bytes of BLAKE2b. Among n ids two have the same with a probability below n²/2⁹⁷: 6.3e-14
for 10⁸; the later event is then a conflict, unless sender and payload are the same too. RocksDB checks the
sum of every block that it reads, so damage ends in `DamagedIndex`, not in a wrong verdict; `damage` names it
at the next start.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options, Rdict, WriteBatch, WriteOptions

from lakehouse.event import id_of_sender

NEW = 0
DUPLICATE = 1
CONFLICT = 2
IdVerdicts = npt.NDArray[np.int8]
FINGERPRINT_BYTES = 12
SENDER_BYTES = 4
ENTRY_BYTES = SENDER_BYTES + 8  # and the payload hash
CLASSIFIED = ("event_id", "sender", "payload_hash")  # columns, as `EventIds.classify` takes them
# Two keys that no fingerprint equals: they are shorter.
# Stream id and number of the newest batch. The number in it is that of the format of the entries: an index of
# an earlier one has no batch under this key, and is filled again.
_BATCH = b"batch 3"
_ADDED = b"added"  # fingerprints that it added, one after the other
_DAMAGE = "damage.txt"  # in the folder: what was found while it was read


class DamagedIndex(RuntimeError):
    """The index cannot be read or written any more; the next start fills it from bronze."""


class Classified(NamedTuple):
    """NEW, DUPLICATE or CONFLICT for each event; row -> id, where another sender has the id of the event."""

    verdicts: IdVerdicts
    other_ids: dict[int, str]


def fingerprints(kind: str, ids: Sequence[str]) -> list[bytes]:
    """FINGERPRINT_BYTES for each id of a kind."""
    prefix = f"{kind}|"
    return [blake2b((prefix + event_id).encode(), digest_size=FINGERPRINT_BYTES).digest() for event_id in ids]


def entries(senders: Sequence[str], hashes: Sequence[int]) -> list[bytes]:
    """What is kept with the id of each event: 4 bytes of its sender, 8 of the payload hash."""
    prints = {sender: blake2b(sender.encode(), digest_size=SENDER_BYTES).digest() for sender in set(senders)}
    packed = np.empty(len(hashes), dtype=[("sender", f"V{SENDER_BYTES}"), ("hash", ">i8")])
    packed["sender"] = np.frombuffer(
        b"".join([prints[sender] for sender in senders]), dtype=f"V{SENDER_BYTES}"
    )
    packed["hash"] = hashes
    joined = packed.tobytes()
    return [joined[start : start + ENTRY_BYTES] for start in range(0, len(joined), ENTRY_BYTES)]


def _conflict_fingerprint(id_fingerprint: bytes, entry: bytes) -> bytes:
    """FINGERPRINT_BYTES that stand for a later payload of an id."""
    return blake2b(id_fingerprint + entry, digest_size=FINGERPRINT_BYTES, person=b"conflict").digest()


def _ascending(keys: list[bytes]) -> list[int]:
    """Row numbers in the order of the keys' first 8 bytes: sorted keys cost RocksDB a third of the time."""
    packed = np.frombuffer(b"".join(keys), dtype=[("head", ">u8"), ("tail", f"V{FINGERPRINT_BYTES - 8}")])
    rows: list[int] = packed["head"].astype(np.uint64).argsort().tolist()
    return rows


def _of_other_senders(
    keys: list[bytes], values: list[bytes], rows: list[int], known: dict[bytes, bytes]
) -> list[int]:
    """Those of the rows whose id was used first by another sender, before this batch or in it."""
    first: dict[bytes, bytes] = {}
    return [
        row
        for row in rows
        if first.setdefault(keys[row], known.get(keys[row], values[row]))[:SENDER_BYTES]
        != values[row][:SENDER_BYTES]
    ]


def rocksdb_options() -> Options:
    """For random keys that are mostly absent: bloom filters, of 1.25 bytes a key, stay in memory."""
    blocks = BlockBasedOptions()
    blocks.set_bloom_filter(10, False)
    blocks.set_block_size(16 << 10)
    blocks.set_format_version(5)
    blocks.set_block_cache(Cache(8 << 20))
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(blocks)
    options.set_compression_type(DBCompressionType.none())  # hashes do not compress
    options.set_write_buffer_size(16 << 20)
    options.set_memtable_prefix_bloom_ratio(0.1)  # of keys, as the next line wants: a third of the look-up
    options.set_memtable_whole_key_filtering(True)
    options.set_level_compaction_dynamic_level_bytes(True)
    options.set_max_background_jobs(2)
    options.set_manifest_preallocation_size(64 << 10)
    options.set_keep_log_file_num(2)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    return options


def _durable() -> WriteOptions:
    options = WriteOptions()
    options.sync = True
    options.memtable_insert_hint_per_batch = True  # keys are sorted but for a few
    return options


class EventIds:
    """Index of (kind, event id) -> hashes of the sender and the payload that came first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pending: dict[bytes, bytes] = {}
        self._open()

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._noted():
            self._db = Rdict(str(self._folder), rocksdb_options())

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Note damage for `damage`. Raises DamagedIndex."""
        try:
            yield
        except Exception as error:  # rocksdict raises no other class
            if not str(error).startswith("Corruption"):
                raise
            (self._folder / _DAMAGE).write_text(str(error))
            raise DamagedIndex(f"the event-id index is damaged: {error}") from error

    def classify(
        self, kind: str, ids: Sequence[str], senders: Sequence[str], hashes: Sequence[int]
    ) -> Classified:
        """The verdict on each event, in Kafka order; keeps what `commit` will write.

        The first payload of an id is NEW; the same payload again is a DUPLICATE; another payload of the same
        sender is a CONFLICT once. What another sender sends under an id that is taken has that sender's own
        id. Kinds may be classified side by side: their keys differ.
        """
        verdicts = np.full(len(ids), NEW, dtype=np.int8)
        keys = fingerprints(kind, ids)
        values = entries(senders, hashes)
        order = _ascending(keys)
        new = {keys[row]: values[row] for row in order}
        known = self._known(list(new))
        seen = set(known)
        if len(new) < len(keys):
            seen |= {key for key, times in Counter(keys).items() if times > 1}
        rows = [row for row, key in enumerate(keys) if key in seen] if seen else []
        for key in seen:
            del new[key]
        self._pending |= new
        other_ids = {
            row: id_of_sender(ids[row], senders[row]) for row in _of_other_senders(keys, values, rows, known)
        }
        for row, key in zip(other_ids, fingerprints(kind, list(other_ids.values())), strict=True):
            keys[row] = key
        taken = [keys[row] for row in other_ids]
        # A program that writes to Kafka may have given such an id itself, also in this batch.
        known |= self._known(taken) | {key: self._pending[key] for key in taken if key in self._pending}
        known |= self._known(
            [
                _conflict_fingerprint(keys[row], values[row])
                for row in rows
                if known.get(keys[row], values[row]) != values[row]
            ]
        )
        for row in rows:
            key, value = keys[row], values[row]
            first = known.get(key)
            if first is not None and first != value:
                key = _conflict_fingerprint(key, value)
            if key in known:
                verdicts[row] = DUPLICATE
            else:
                verdicts[row] = NEW if first is None else CONFLICT
                known[key] = self._pending[key] = value
        return Classified(verdicts, other_ids)

    def _known(self, keys: list[Any]) -> dict[bytes, bytes]:
        """Those of the keys that are in the index, with the payload hash of each."""
        with self._noted():
            values: Any = self._db.get(keys) if keys else []
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    def commit(self, stream_id: str, batch_id: int) -> None:
        """Write the entries of the batch and its number in one step; they are on the disk afterwards."""
        self._write(f"{stream_id}/{batch_id}")

    def _write(self, batch: str | None) -> None:
        changes = WriteBatch(raw_mode=True)
        for key, value in self._pending.items():
            changes.put(key, value)
        if batch is not None:
            changes.put(_BATCH, batch.encode())
            changes.put(_ADDED, b"".join(self._pending))
        with self._noted():
            self._db.write(changes, _durable())
        self._pending.clear()

    def take_back(self) -> None:
        """Remove what the newest batch added: that batch runs again."""
        newest = self.last_batch()
        if newest is None:
            raise ValueError("the index holds no batch")
        with self._noted():
            added: bytes = self._db.get(_ADDED) or b""
        changes = WriteBatch(raw_mode=True)
        for start in range(0, len(added), FINGERPRINT_BYTES):
            changes.delete(added[start : start + FINGERPRINT_BYTES])
        changes.put(_BATCH, f"{newest[0]}/{newest[1] - 1}".encode())
        changes.put(_ADDED, b"")
        with self._noted():
            self._db.write(changes, _durable())

    def last_batch(self) -> tuple[str, int] | None:
        """(stream id, batch number) of the newest commit, None when empty."""
        with self._noted():
            value = self._db.get(_BATCH)
        if value is None:
            return None
        stream, _, batch = value.decode().rpartition("/")
        return stream, int(batch)

    def refill(self, batches: Iterable[pa.RecordBatch], stream_id: str, batch_id: int) -> int:
        """Replace the index by that of these events; returns their number.

        `batches`: kind and CLASSIFIED, in bronze order. It bears a batch only when it is complete.
        """
        self.close()
        rmtree(self._folder)
        self._open()
        rows = 0
        for batch in batches:
            for kind in pc.unique(batch["kind"]).to_pylist():
                part = batch.filter(pc.equal(batch["kind"], kind))
                self.classify(kind, *(part[name].to_pylist() for name in CLASSIFIED))
            self._write(None)
            rows += batch.num_rows
        self.commit(stream_id, batch_id)
        return rows

    def close(self) -> None:
        """Release the folder; further calls fail."""
        with self._noted():
            self._db.close()


def damage(folder: Path) -> str:
    """Why the index cannot be used; empty when it can or does not exist. No other process may use it."""
    if not folder.exists() or not any(folder.iterdir()):
        return ""
    if (folder / _DAMAGE).exists():
        return (folder / _DAMAGE).read_text()
    if not (folder / "CURRENT").exists():
        return "it is of an earlier version, or lost a file"
    try:
        EventIds(folder).close()
    except Exception as error:
        if "/LOCK: " in str(error):  # held by a process: nothing is wrong with it
            raise
        return str(error)
    return ""
