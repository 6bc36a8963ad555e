"""Verdicts on events: row rules, duplicates by the ids that have landed, history by a validator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from conf.settings import settings
from lakehouse.arrow import ordered
from lakehouse.bronze.events import JUDGED, PAYLOAD_HASH, SENDER
from lakehouse.contracts.contract import kinds, rule_set
from lakehouse.contracts.history_rules import (
    compile_checks,
    identity_rules,
    signature_rules,
)
from lakehouse.contracts.rule_functions import column_violation
from lakehouse.contracts.rule_masks import bit_of, mask_of
from lakehouse.contracts.rule_messages import render_message
from lakehouse.signatures import SIGNED, SigningKeys
from lakehouse.validation import Flags, Judgement, Validator
from lakehouse.validation.registry import VALIDATORS
from lakehouse.verdicts.resolve import each, header
from lakehouse.verdicts.rows import READINGS, Verdicts, row_columns, row_verdicts, rules_of, transform_of
from streaming_jobs.batch.event_ids import CLASSIFIED, CONFLICT, NEW, EventIds
from streaming_jobs.batch.folded_gold import wanted_columns
from streaming_jobs.batch.kind_result import ARRIVAL_ORDER, KindResult, Resubmission
from streaming_jobs.batch.place import OLDER_TOPICS, Numbers, Place, RowsByPlace, rows_by_place


@dataclass
class Known:
    """What the events of a place are compared with. `ids` None: only resubmitted events will be judged."""

    ids: EventIds | None
    validator: Validator | None

    @staticmethod
    def nothing(kind: str) -> "Known":
        """Of a place whose first events are judged."""
        make = VALIDATORS.get(kind)
        return Known(EventIds(), make(settings().rule_values()) if make else None)


class Judge:
    """Judges events of one kind, each compared with what is known at its place."""

    def __init__(self, kind: str, keys: SigningKeys) -> None:
        """`keys`: of a signed kind."""
        self.kind = kind
        self._keys = keys
        self._knobs = settings().rule_values()
        self.rules = rules_of(kind, self._knobs)
        self.rule_set = rule_set(self._knobs)
        self._identity_checks = compile_checks(
            "silver/every_kind.yml", identity_rules(), column_violation, ("id_conflict",)
        )
        self._signature_checks = compile_checks(
            kinds()[kind].table, signature_rules(kind), column_violation, ("signature_valid",)
        )
        self._read = self._columns()

    def judge(
        self, bronze: pa.Table, known: Mapping[Place, Known], resubmissions: Sequence[Resubmission] = ()
    ) -> KindResult:
        """Verdicts on events. `bronze`: those that arrived, as JUDGED, of this kind.

        `known`: of every place of these and of `resubmissions`. What lands is known afterwards.
        """
        records = [bronze, *(event.record for event in resubmissions)]
        table = pa.concat_tables(part.select(JUDGED.names).cast(JUDGED) for part in records)
        table = ordered(table, *ARRIVAL_ORDER).combine_chunks()
        verdicts = row_verdicts(table, self.kind, self._knobs)
        events = self._events(verdicts, table)
        errors = mask_of(self.rules, "error")
        empty = np.empty(0, dtype=np.int64)
        result = KindResult(self.kind, verdicts, events, np.empty(0, dtype=np.int8), empty, empty, errors, {})
        result.resubmitted = _row_numbers(events, resubmissions)
        rows = rows_by_place(_at_their_places(table, result.resubmitted))
        result = self._by_signature(self._by_ids(result, rows, known), table)
        return self._by_history(result, rows, known)

    def _events(self, verdicts: Verdicts, judged: pa.Table) -> pa.Table:
        """The columns that index, validators, folded gold and counts read."""
        names = [*ARRIVAL_ORDER, "event_id", "mask", "received_at", *self._read]
        door = each("source", lambda source: source.partition(":")[0])(judged)
        events = verdicts.table.select(names)
        for name in (SENDER, PAYLOAD_HASH):
            events = events.append_column(name, judged[name])
        return events.append_column("door", door)

    def _columns(self) -> list[str]:
        """Columns of the silver row that folded gold and the validator read; readings are exploded later."""
        if self._signature_checks:  # messages and decisions read any of them; there are few rows
            return list(row_columns(self.kind))
        validator = Known.nothing(self.kind).validator
        wanted = wanted_columns(kinds()[self.kind].table) | set(validator.columns if validator else ())
        return [name for name in row_columns(self.kind) if name in wanted or name == READINGS]

    def _by_ids(self, result: KindResult, rows: RowsByPlace, known: Mapping[Place, Known]) -> KindResult:
        """The result with duplicates and conflicts, and with the own id of an event whose id is taken.

        A resubmitted event is known under the id that it has; its conflict stays one.
        """
        rules = self.rules
        verdict = np.full(result.events.num_rows, NEW, dtype=np.int8)
        arrived = result.arrived
        other_ids: dict[int, str] = {}
        for place, numbers in rows.items():
            if (ids := known[place].ids) is None:
                continue
            numbers = numbers[arrived[numbers]]
            identity = result.events.select(CLASSIFIED).take(pa.array(numbers))
            classified = ids.classify(self.kind, *(identity[name].to_pylist() for name in CLASSIFIED))
            verdict[numbers] = classified.verdicts
            other_ids |= {int(numbers[row]): name for row, name in classified.other_ids.items()}
        result = _with_ids(result, other_ids)
        for row, event in result.resubmitted.items():
            verdict[row] = CONFLICT if event.conflict else NEW
        mask = result.events["mask"].to_numpy()
        evidence = {"id_conflict": verdict == CONFLICT}
        for name, violated in self._identity_checks.items():
            mask = mask | np.where(violated(evidence, len(verdict)), bit_of(rules, name), 0)
        waived = np.zeros_like(mask)
        releasable = sum(
            1 << bit for bit, rule in enumerate(rules) if rule.releasable and rule.severity == "error"
        )
        for row in (row for row, event in result.resubmitted.items() if event.released):
            waived[row] = mask[row] & releasable
        return replace(result, verdict=verdict, mask=mask & ~waived, waived=waived)

    def _by_signature(self, result: KindResult, events: pa.Table) -> KindResult:
        """The result with the events without a valid signature, of a kind that needs one.

        What a decision resubmits has its signature: that it came with one was found before.
        """
        if not self._signature_checks:
            return result
        valid = signed_events(events, self._keys)
        for row, event in result.resubmitted.items():
            valid[row] = not event.forged
        rules = self.rules
        mask = result.mask
        violated = {}
        for name, is_violated in self._signature_checks.items():
            violated[name] = is_violated({"signature_valid": valid}, len(valid))
            mask = mask | np.where(violated[name], bit_of(rules, name), 0)
        messages = {rule.name: rule.message for rule in rules}

        def message(name: str, row: int) -> str:
            return render_message(messages[name], result.events.slice(row, 1).to_pylist()[0])

        return replace(result, mask=mask, judgement=Judgement(violated, message))

    def _by_history(self, result: KindResult, rows: RowsByPlace, known: Mapping[Place, Known]) -> KindResult:
        """The result with the violations that validators find. They keep the accepted rows."""
        released = np.zeros(len(result.verdict), dtype=bool)
        released[[row for row, event in result.resubmitted.items() if event.released]] = True
        accepted = result.accepted
        parts = []
        for place, numbers in rows.items():
            if (validator := known[place].validator) is None:
                return result
            events = result.events if len(rows) == 1 else result.events.take(pa.array(numbers))
            landing = accepted[numbers]
            parts.append((numbers, validator.judge(events, landing, released[numbers] & landing)))
        if not parts:
            return result
        judgement = joined(parts, len(result.verdict))
        mask = result.mask.copy()
        waived = result.waived.copy()
        for rule, flags in judgement.violated.items():
            bit = bit_of(self.rules, rule)
            waive = released & flags & bool(bit & result.errors)
            mask |= np.where(flags & ~waive, bit, 0)
            waived |= np.where(waive, bit, 0)
        return replace(result, mask=mask, waived=waived, judgement=judgement)


def joined(parts: Sequence[tuple[Numbers, Judgement]], size: int) -> Judgement:
    """The judgement on all of `size` rows, of those on some: numbers of the rows, and their judgement."""
    if len(parts) == 1:
        return parts[0][1]
    part_of = np.empty(size, dtype=np.int64)
    row_of = np.empty(size, dtype=np.int64)
    violated: dict[str, Flags] = {}
    for nth, (numbers, judgement) in enumerate(parts):
        part_of[numbers] = nth
        row_of[numbers] = np.arange(len(numbers))
        for rule, flags in judgement.violated.items():
            violated.setdefault(rule, np.zeros(size, dtype=np.bool_))[numbers] = flags
    verdicts = [judgement.verdicts for _, judgement in parts if judgement.verdicts is not None]

    def of(row: int) -> tuple[Judgement, int]:
        return parts[part_of[row]][1], int(row_of[row])

    def message(rule: str, row: int) -> str:
        judgement, number = of(row)
        return judgement.message(rule, number)

    def evidence(row: int) -> dict[str, Any] | None:
        judgement, number = of(row)
        return judgement.evidence(number)

    def suggestion(row: int) -> dict[str, Any] | None:
        judgement, number = of(row)
        return judgement.suggestion(number)

    return Judgement(
        violated, message, evidence, suggestion, pa.concat_tables(verdicts) if verdicts else None
    )


def signed_events(events: pa.Table, keys: SigningKeys) -> Flags:
    """Which rows of bronze.events have a valid signature, or need none."""
    columns = [*SIGNED, "ingested_at"]
    rows = events.select(columns).to_pylist()
    signatures = header(events, "signature").to_pylist()
    given = zip(rows, signatures, strict=True)
    valid = [keys.verify(row, signature, row["ingested_at"]) for row, signature in given]
    return np.array(valid, dtype=bool)


def accepted_rows(result: KindResult) -> pa.Table:
    """Accepted rows with the columns that folded gold reads."""
    events = result.events
    if "_warnings" in events.column_names:
        events = events.drop_columns(["_warnings"])
    rows = events.append_column("_warnings", decision_warnings(result)).filter(pa.array(result.accepted))
    explode = getattr(transform_of(result.kind), "rows", None)
    return explode(rows) if explode else rows


def decision_warnings(result: KindResult) -> pa.ListArray:
    """The warning that a decision gave to each row: `released`, `corrected` or `rechecked`; else none."""
    decided = sorted(result.resubmitted.items())
    offsets = np.zeros(result.events.num_rows + 1, dtype=np.int32)
    offsets[[row + 1 for row, _ in decided]] = 1
    values = pa.array([event.warning for _, event in decided], pa.string())
    return pa.ListArray.from_arrays(pa.array(np.cumsum(offsets, dtype=np.int32)), values)


def _with_ids(result: KindResult, other_ids: Mapping[int, str]) -> KindResult:
    """The result with other ids. `other_ids`: row number -> id."""
    if not other_ids:
        return result
    ids = result.events["event_id"].to_pylist()
    for row, event_id in other_ids.items():
        ids[row] = event_id

    def with_ids(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index("event_id")
        return table.set_column(place, "event_id", pa.array(ids, pa.string()))

    verdicts = replace(result.verdicts, table=with_ids(result.verdicts.table))
    return replace(result, verdicts=verdicts, events=with_ids(result.events))


def _row_numbers(events: pa.Table, resubmissions: Sequence[Resubmission]) -> dict[int, Resubmission]:
    """Row number -> the resubmitted event in that row."""
    if not resubmissions:
        return {}
    by_place = {(event.partition, event.offset): event for event in resubmissions}
    places = zip(events["partition"].to_pylist(), events["offset"].to_pylist(), strict=True)
    return {row: by_place[place] for row, place in enumerate(places) if place in by_place}


def _at_their_places(table: pa.Table, resubmitted: Mapping[int, Resubmission]) -> pa.Table:
    """The rows, each with the partition of the place whose memory it is compared with."""
    if not resubmitted:
        return table
    partitions = table["partition"].to_pylist()
    for row, event in resubmitted.items():
        if event.place != OLDER_TOPICS:
            partitions[row] = event.place[1]
    column = table.schema.get_field_index("partition")
    field = table.schema.field(column)
    return table.set_column(column, field, pa.array(partitions, field.type))
