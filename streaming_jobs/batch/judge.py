"""Verdicts on events: row rules, duplicates by the ids that have landed, history by a validator."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from conf.settings import settings
from lakehouse.arrow import ordered
from lakehouse.bronze.events import JUDGED, PAYLOAD_HASH, SENDER
from lakehouse.contracts.contract import Contract, kinds, rule_set
from lakehouse.contracts.history_rules import (
    compile_checks,
    identity_rules,
    signature_rules,
)
from lakehouse.contracts.rule_functions import column_violation
from lakehouse.contracts.rule_masks import bit_of, mask_of
from lakehouse.contracts.rule_messages import render_message
from lakehouse.signatures import SIGNED, SigningKeys
from lakehouse.validation import Flags, Judgement, Validator, ValidatorState
from lakehouse.validation.registry import VALIDATORS
from lakehouse.verdicts.resolve import each, header
from lakehouse.verdicts.rows import READINGS, Verdicts, row_columns, row_verdicts, rules_of, transform_of
from streaming_jobs.batch.event_ids import CLASSIFIED, CONFLICT, NEW, EventIds, Run
from streaming_jobs.batch.folded_gold import wanted_columns
from streaming_jobs.batch.kind_result import ARRIVAL_ORDER, KindResult, Resubmission


class Judge:
    """Judges the events of one kind in a place; its index and validator hold what has landed there."""

    def __init__(self, kind: str, ids: EventIds | None, keys: SigningKeys) -> None:
        """`ids` None: only resubmitted events will be judged. `keys`: of a signed kind."""
        self.kind = kind
        self.ids = ids
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
        make = VALIDATORS.get(kind)
        self.validator: Validator | None = make(self._knobs) if make else None

    def remember_ids(self, rows: pa.Table) -> None:
        """Add the ids of events that have landed, in order of arrival. `rows`: CLASSIFIED."""
        if self.ids is not None:
            self.ids.classify(self.kind, *(rows[name].to_pylist() for name in CLASSIFIED))

    def state(self) -> ValidatorState:
        """What the validator remembers; empty without one."""
        return self.validator.state() if self.validator else {}

    def restore(self, state: ValidatorState, runs: Sequence[Run]) -> None:
        """Remember the ids of these runs, and what `state` returned."""
        self.ids = EventIds(runs)
        if self.validator:
            self.validator.restore(state)

    def judge(self, bronze: pa.Table, resubmissions: Sequence[Resubmission] = ()) -> KindResult:
        """Verdicts on events. `bronze`: those that arrived, as JUDGED, of this kind."""
        records = [bronze, *(without_identity(event.record) for event in resubmissions)]
        table = pa.concat_tables(part.select(JUDGED.names).cast(JUDGED) for part in records)
        table = ordered(table, *ARRIVAL_ORDER).combine_chunks()
        verdicts = row_verdicts(table, self.kind, self._knobs)
        events = self._events(verdicts, table)
        errors = mask_of(self.rules, "error")
        empty = np.empty(0, dtype=np.int64)
        result = KindResult(self.kind, verdicts, events, np.empty(0, dtype=np.int8), empty, empty, errors, {})
        return self._by_history(self._by_signature(self._by_index(result, resubmissions), table))

    def _events(self, verdicts: Verdicts, judged: pa.Table) -> pa.Table:
        """The columns that index, validators, folded gold and counts read."""
        names = [*ARRIVAL_ORDER, "event_id", "mask", "received_at", *self._columns(kinds()[self.kind])]
        door = each("source", lambda source: source.partition(":")[0])(judged)
        events = verdicts.table.select(names)
        for name in (SENDER, PAYLOAD_HASH):
            events = events.append_column(name, judged[name])
        return events.append_column("door", door)

    def _columns(self, contract: Contract) -> list[str]:
        """Columns of the silver row that folded gold and the validator read; readings are exploded later."""
        if self._signature_checks:  # messages and decisions read any of them; there are few rows
            return list(row_columns(self.kind))
        wanted = wanted_columns(contract.table) | set(self.validator.columns if self.validator else ())
        return [name for name in row_columns(self.kind) if name in wanted or name == READINGS]

    def _by_index(self, result: KindResult, resubmissions: Sequence[Resubmission]) -> KindResult:
        """The result with duplicates and conflicts, and with the own id of an event whose id is taken.

        A resubmitted event is in the index under the id that it has; its conflict stays one.
        """
        rules = self.rules
        result.resubmitted = _row_numbers(result.events, resubmissions)
        verdict = np.full(result.events.num_rows, NEW, dtype=np.int8)
        if self.ids is not None:
            arrived = result.events.filter(pa.array(result.arrived)) if resubmissions else result.events
            classified = self.ids.classify(self.kind, *(arrived[name].to_pylist() for name in CLASSIFIED))
            verdict[result.arrived] = classified.verdicts
            result = _with_ids(result, classified.other_ids)
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

    def _by_history(self, result: KindResult) -> KindResult:
        """The result with the violations that the kind's validator finds. It keeps the accepted rows."""
        if self.validator is None or not result.events.num_rows:
            return result
        released = np.zeros(len(result.verdict), dtype=bool)
        released[[row for row, event in result.resubmitted.items() if event.released]] = True
        judgement = self.validator.judge(result.events, result.accepted, released & result.accepted)
        mask = result.mask.copy()
        waived = result.waived.copy()
        for rule, flags in judgement.violated.items():
            bit = bit_of(self.rules, rule)
            waive = released & flags & bool(bit & result.errors)
            mask |= np.where(flags & ~waive, bit, 0)
            waived |= np.where(waive, bit, 0)
        return replace(result, mask=mask, waived=waived, judgement=judgement)


def signed_events(events: pa.Table, keys: SigningKeys) -> Flags:
    """Which rows of bronze.events have a valid signature, or need none."""
    columns = [*SIGNED, "ingested_at"]
    rows = events.select(columns).to_pylist()
    signatures = header(events, "signature").to_pylist()
    given = zip(rows, signatures, strict=True)
    valid = [keys.verify(row, signature, row["ingested_at"]) for row, signature in given]
    return np.array(valid, dtype=bool)


def without_identity(record: pa.Table) -> pa.Table:
    """A resubmitted record, which is not looked up in the index, as JUDGED."""
    for field in (JUDGED.field(name) for name in (SENDER, PAYLOAD_HASH)):
        record = record.append_column(field, pa.nulls(record.num_rows, field.type))
    return record


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
    """The result with other ids. `other_ids`: number among the rows that arrived -> id."""
    if not other_ids:
        return result
    numbers = np.flatnonzero(result.arrived)
    ids = result.events["event_id"].to_pylist()
    for number, event_id in other_ids.items():
        ids[numbers[number]] = event_id

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
