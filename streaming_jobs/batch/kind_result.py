"""Outcomes of the events of one kind in a batch: the verdict on each, and what decisions resubmitted."""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.validation import Flags, Judgement
from lakehouse.verdicts.rows import Verdicts
from streaming_jobs.batch.event_ids import DUPLICATE, NEW
from streaming_jobs.batch.place import Place

Masks = npt.NDArray[np.int64]  # one bit per rule of the kind
# Which record, among those of one kind; also the order of arrival.
ARRIVAL_ORDER = ("ingested_at", "partition", "offset")


@dataclass(frozen=True)
class Resubmission:
    """A quarantined event that a decision sends through the checks again.

    `record`: one row, as JUDGED, without sender and hash.
    """

    kind: str
    topic: str
    partition: int
    offset: int
    generation: int  # of the quarantined row
    warning: str  # released, corrected or rechecked; its silver row carries it
    released: bool  # violations of releasable rules are waived
    conflict: bool  # its event_id belongs to another payload, whatever is decided
    forged: bool  # it came without a valid signature that its kind needs, whatever is decided
    record: pa.Table
    place: Place  # whose memory it is compared with; of a corrected event that of its new series


@dataclass
class KindResult:
    """The events of one kind in a batch, those that a decision has resubmitted among them."""

    kind: str
    verdicts: Verdicts  # by the row rules, with the silver rows
    # One row per event in order of arrival: ARRIVAL_ORDER, event_id, sender, payload_hash, mask, received_at,
    # door, and the columns of the silver row that folded gold and the validator read.
    events: pa.Table
    verdict: npt.NDArray[np.int8]  # NEW, DUPLICATE or CONFLICT
    mask: Masks  # violated rules, those of the validator included, without the waived ones
    waived: Masks  # violated rules that a decision waives
    errors: int  # bits of the error rules
    resubmitted: dict[int, Resubmission]  # by row number
    judgement: Judgement | None = None

    @property
    def accepted(self) -> Flags:
        """Which events go to silver."""
        passed: Flags = (self.verdict == NEW) & ((self.mask & self.errors) == 0)
        return passed

    @property
    def refused(self) -> Flags:
        """Which events go to quarantine."""
        refused: Flags = (self.verdict != DUPLICATE) & ~self.accepted
        return refused

    @property
    def arrived(self) -> Flags:
        """Which events came from Kafka in this batch."""
        flags = np.ones(self.events.num_rows, dtype=bool)
        flags[list(self.resubmitted)] = False
        return flags

    def of_batch(self, time: datetime) -> "KindResult":
        """The events of the batch of that time, of a result over several batches without decisions."""
        chosen = pc.equal(self.events["ingested_at"], pa.scalar(time, self.events["ingested_at"].type))
        flags = np.asarray(chosen)
        parts = {name: getattr(self, name)[flags] for name in ("verdict", "mask", "waived")}
        return replace(self, events=self.events.filter(chosen), **parts)
