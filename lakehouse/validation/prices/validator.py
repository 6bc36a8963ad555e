"""Statistical validation of prices by earlier prices of their series, of the country and of other sources."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import contracts, rule_set
from lakehouse.reference import commodities
from lakehouse.validation import Flags, Judgement, ValidatorState
from lakehouse.validation.in_order import ARRIVAL, table_of, tuples_of
from lakehouse.validation.prices.closings import ClosingPanel
from lakehouse.validation.prices.evidence import PriceEvidence
from lakehouse.validation.prices.phases import Phase, PriceRows
from lakehouse.validation.prices.rules import PriceRules
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.prices.verdict_rows import COPIED_COLUMNS, Gathered, readable, verdict_rows
from lakehouse.validation.prices.walk import PanelWalk

DEFAULT_PROVIDER = "market"
IDENTITY = ("commodity", "channel", "provider", "market_id", "region_code", "level")
PRICES = pa.schema(
    [
        ("panel", pa.int64()),
        ("days", pa.int64()),
        ("columns", pa.int64()),
        ("prices", pa.float64()),
        ("times", pa.int64()),
        ("ids", pa.string()),
    ]
)


class PriceClosings:
    """The closings of every series-day in silver.prices, by commodity and channel."""

    columns: tuple[str, ...] = (
        *(name for name in COPIED_COLUMNS if name in contracts()["silver.prices"].column_names),
        *ARRIVAL[1:],
    )

    def __init__(self, knobs: Mapping[str, object]) -> None:
        self.thresholds = Thresholds.of(knobs)
        self._panels: dict[tuple[str, str], ClosingPanel] = {}

    @property
    def panels(self) -> Mapping[tuple[str, str], ClosingPanel]:
        """(commodity, channel) -> its closings."""
        return self._panels

    def panel(self, commodity: str, channel: str) -> ClosingPanel:
        """The closings of a commodity in a channel."""
        key = (commodity, channel)
        if key not in self._panels:
            self._panels[key] = ClosingPanel(self.thresholds.allowed_lateness_days, self.thresholds.min_peers)
        return self._panels[key]

    def load(self, accepted: pa.Table) -> None:
        """Remember rows of silver.prices, given in any order."""
        batch = _Batch(accepted, self)
        for key, rows in batch.by_panel():
            self.panel(*key).add(*batch.prices(rows))


class PriceValidator(PriceClosings):
    """Remembers the closing of every series-day and judges prices by the closings of earlier market days.

    The rows of a commodity and channel are judged in order of arrival, many at once: rows of a phase (see
    `Phase`) do not depend on each other. Rows of ascending days are judged on the assumption that all pass;
    from the first day with a refused row on they are judged again.
    """

    def __init__(self, knobs: Mapping[str, object]) -> None:
        super().__init__(knobs)
        self._rule_set = rule_set(knobs)
        self.rules = PriceRules(self.thresholds)
        self._phases: dict[tuple[str, str], Phase] = {}

    @property
    def panels(self) -> Mapping[tuple[str, str], ClosingPanel]:
        """(commodity, channel) -> the closings that verdicts read."""
        for phase in self._phases.values():
            phase.settle()
        return self._panels

    def load(self, accepted: pa.Table) -> None:
        """See `Validator.load`."""
        batch = _Batch(accepted, self)
        for key, rows in batch.by_panel():
            self._phase(key).load(batch.prices(rows), batch.arrival[rows])

    def state(self) -> ValidatorState:
        """See `Validator.state`."""
        for phase in self._phases.values():
            phase.settle()
        return tables_of(self._phases)

    def restore(self, state: ValidatorState) -> None:
        """See `Validator.restore`."""
        resume_phases(state, self._phase)

    def judge(self, rows: pa.Table, passed: Flags, released: Flags) -> Judgement:
        """See `Validator.judge`. Rows without a usable price, place, commodity or day have no verdict."""
        batch = _Batch(rows, self)
        gathered = Gathered()
        evidence: dict[int, PriceEvidence] = {}
        landing = passed | released
        for key, numbers in batch.by_panel():
            phase = self._phase(key)
            phase.settle()
            walk = PanelWalk(
                phase,
                commodities()[key[0]],
                self.thresholds,
                self.rules,
                batch.prices(numbers),
                landing[numbers],
                released[numbers],
            )
            for step in walk.steps():
                gathered.add(numbers[step.rows], step.columns)
                evidence |= {int(numbers[nth]): shown for nth, shown in step.evidence.items()}
        place, columns = gathered.whole(rows.num_rows)
        return self._judgement(batch.table, place, columns, landing, evidence)

    def _phase(self, key: tuple[str, str]) -> Phase:
        if key not in self._phases:
            self._phases[key] = Phase(self.panel(*key))
        return self._phases[key]

    def _judgement(
        self,
        rows: pa.Table,
        place: npt.NDArray[np.int64],
        columns: dict[str, npt.NDArray[Any]],
        landing: Flags,
        price_evidence_of: Mapping[int, PriceEvidence],
    ) -> Judgement:
        at = np.maximum(place, 0)
        whole = {name: (place >= 0) & columns[name][at] for name in self.rules.by_name} if columns else {}

        def message(rule: str, row: int) -> str:
            values = readable(columns, int(place[row]), tuple(columns))
            price = float(rows["price_idr"][row].as_py())
            return self.rules.message(rule, {**values, "price_idr": price})

        def evidence(row: int) -> dict[str, Any] | None:
            if row not in price_evidence_of:
                return None
            verdict = readable(columns, int(place[row]))
            return price_evidence_of[row].as_json(verdict, self.thresholds)

        def suggestion(row: int) -> dict[str, Any] | None:
            if place[row] < 0 or not columns["unit_power"][place[row]]:
                return None
            return {"price": round(float(columns["suggested_price_idr"][place[row]]), 2)}

        verdicts = verdict_rows(rows, place, columns, landing, self.thresholds, self._rule_set)
        return Judgement(
            {name: flags for name, flags in whole.items() if flags.any()},
            message,
            evidence,
            suggestion,
            verdicts,
        )


class _Batch:
    """The rows of one call as arrays; each usable row has its panel and its series."""

    def __init__(self, rows: pa.Table, closings: PriceClosings) -> None:
        if "provider" not in rows.column_names:
            rows = rows.append_column("provider", pa.repeat(DEFAULT_PROVIDER, rows.num_rows))
        if "device_id" not in rows.column_names:
            rows = rows.append_column("device_id", pa.nulls(rows.num_rows, pa.string()))
        filled = pc.fill_null(rows["provider"], DEFAULT_PROVIDER)
        self.table = rows.set_column(rows.column_names.index("provider"), "provider", filled)
        self._price = _floats(rows["price_idr"])
        self._time = _integers(rows["event_time"], pa.int64())
        self._day = _integers(rows["market_date"], pa.int32())
        self._ids = np.asarray(rows["event_id"].to_numpy(zero_copy_only=False), dtype=object)
        encoded = pc.binary_join_element_wise(
            *(self.table[name].cast(pa.string()) for name in IDENTITY), "\x1f"
        )
        encoded = pa.chunked_array(encoded).combine_chunks().dictionary_encode()
        identity = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        names = [tuple(text.split("\x1f")) for text in encoded.dictionary.to_pylist()]
        keys = [(commodity, channel) for commodity, channel, *_ in names]
        self._keys = list(dict.fromkeys(keys))
        columns = [closings.panel(*name[:2]).column(name[2:5], name[5]) for name in names]
        self._column = np.array(columns, dtype=np.int64)[identity] if names else identity
        order = {key: nth for nth, key in enumerate(self._keys)}
        panel_of = np.array([order[key] for key in keys], dtype=np.int64)
        there = np.asarray(pc.and_(rows["market_date"].is_valid(), rows["event_time"].is_valid()))
        usable = np.flatnonzero((identity >= 0) & there & np.isfinite(self._price) & (self._price > 0))
        self._panel = panel_of[identity[usable]]
        self._usable = usable

    def by_panel(self) -> Iterator[tuple[tuple[str, str], npt.NDArray[np.int64]]]:
        """(commodity, channel) and its usable rows in order of arrival, of each panel with such rows."""
        for nth, key in enumerate(self._keys):
            rows = self._usable[self._panel == nth]
            if len(rows):
                yield key, rows

    def prices(self, rows: npt.NDArray[np.int64]) -> PriceRows:
        """Rows of one panel."""
        return PriceRows(
            self._day[rows], self._column[rows], self._price[rows], self._time[rows], self._ids[rows]
        )

    @property
    def arrival(self) -> npt.NDArray[np.int64]:
        """[rows, 3]: what `ARRIVAL` orders by."""
        time = _integers(self.table[ARRIVAL[0]], pa.int64())
        place = [_integers(self.table[name], pa.int64()) for name in ARRIVAL[1:]]
        return np.stack([time, *place], axis=1)


def _floats(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _integers(column: pa.ChunkedArray, unit: pa.DataType) -> npt.NDArray[np.int64]:
    """A time or day as a number; 0 where it is null (such rows are not usable)."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz))
    numbers = column.cast(unit).cast(pa.int64())
    return np.asarray(pc.fill_null(numbers, 0).to_numpy(zero_copy_only=False), dtype=np.int64)


def tables_of(phases: Mapping[tuple[str, str], Phase]) -> ValidatorState:
    """`phases`: (commodity, channel) -> its open phase, which is settled."""
    panels = [(*key, phase.accepted) for key, phase in phases.items()]
    series = [
        (nth, *place, phase.panel.level[column])
        for nth, phase in enumerate(phases.values())
        for place, column in phase.panel.series.items()
    ]
    closings = ((nth, PriceRows(*phase.panel.closings())) for nth, phase in enumerate(phases.values()))
    late = ((nth, rows) for nth, phase in enumerate(phases.values()) for rows in phase.late)
    return {
        "panels": table_of(panels, ("commodity", "channel", "accepted")),
        "series": table_of(series, ("panel", "provider", "market_id", "region_code", "level")),
        "closings": _prices_table(closings),
        "late": _prices_table(late),
    }


def resume_phases(state: ValidatorState, phase_of: Callable[[tuple[str, str]], Phase]) -> None:
    """Fill new phases with what `tables_of` returned. `phase_of`: (commodity, channel) -> its phase."""
    for nth, (commodity, channel, accepted) in enumerate(tuples_of(state["panels"])):
        phase = phase_of((commodity, channel))
        for _, *place, level in tuples_of(_of_panel(state["series"], nth)):
            phase.panel.column((place[0], place[1], place[2]), level)
        closings, late = (_prices(_of_panel(state[name], nth)) for name in ("closings", "late"))
        phase.resume(closings, late, accepted)


def _of_panel(table: pa.Table, nth: int) -> pa.Table:
    return table.filter(pc.field("panel") == nth)


def _prices_table(parts: Iterable[tuple[int, PriceRows]]) -> pa.Table:
    tables = [
        pa.table({"panel": np.full(len(rows.days), nth), **rows._asdict()}, schema=PRICES)
        for nth, rows in parts
    ]
    return pa.concat_tables(tables) if tables else PRICES.empty_table()


def _prices(table: pa.Table) -> PriceRows:
    days, columns, prices, times = (table[name].to_numpy() for name in PRICES.names[1:-1])
    return PriceRows(days, columns, prices, times, np.array(table["ids"].to_pylist(), dtype=object))
