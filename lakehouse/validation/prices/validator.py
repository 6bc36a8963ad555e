"""Statistical validation of prices by earlier prices of their series, of the country and of other sources."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import contracts, rule_set
from lakehouse.families import family_of, siblings
from lakehouse.reference import commodities
from lakehouse.validation import Flags, Judgement, ValidatorState
from lakehouse.validation.in_order import table_of, tuples_of
from lakehouse.validation.prices.closings import ClosingPanel
from lakehouse.validation.prices.evidence import PriceEvidence
from lakehouse.validation.prices.rules import PriceRules
from lakehouse.validation.prices.scores import Scores
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.prices.verdict_rows import COPIED_COLUMNS, gathered, readable, verdict_rows
from lakehouse.validation.prices.walk import PanelWalk, PriceRows
from lakehouse.validation.windows import Ints

DEFAULT_PROVIDER = "market"
IDENTITY = ("commodity", "channel", "provider", "market_id", "region_code", "level")
CLOSINGS = pa.schema(
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

    columns: tuple[str, ...] = tuple(
        name for name in COPIED_COLUMNS if name in contracts()["silver.prices"].column_names
    )

    def __init__(self, knobs: Mapping[str, object]) -> None:
        self.thresholds = Thresholds.of(knobs)
        # by (commodity, channel)
        self.panels: dict[tuple[str, str], ClosingPanel] = {}

    def panel(self, commodity: str, channel: str) -> ClosingPanel:
        """The closings of a commodity in a channel."""
        key = (commodity, channel)
        if key not in self.panels:
            self.panels[key] = ClosingPanel(self.thresholds.allowed_lateness_days, self.thresholds.min_peers)
        return self.panels[key]

    def load(self, accepted: pa.Table) -> None:
        """See `Validator.load`."""
        batch = _Batch(accepted, self)
        for key, rows in batch.by_panel():
            self.panel(*key).add(*batch.prices(rows))


class PriceValidator(PriceClosings):
    """Remembers the closing of every series-day and judges prices by the closings of earlier market days."""

    def __init__(self, knobs: Mapping[str, object]) -> None:
        super().__init__(knobs)
        self._rule_set = rule_set(knobs)
        self.rules = PriceRules(self.thresholds)

    def state(self) -> ValidatorState:
        """See `Validator.state`."""
        panels = self.panels.values()
        series = [
            (nth, *place, panel.level[column])
            for nth, panel in enumerate(panels)
            for place, column in panel.series.items()
        ]
        closings = [
            pa.table([np.full(len(days), nth), days, *rest], schema=CLOSINGS)
            for nth, (days, *rest) in enumerate(panel.closings() for panel in panels)
        ]
        return {
            "panels": table_of(self.panels, ("commodity", "channel")),
            "series": table_of(series, ("panel", "provider", "market_id", "region_code", "level")),
            "closings": pa.concat_tables([CLOSINGS.empty_table(), *closings]),
        }

    def restore(self, state: ValidatorState) -> None:
        """See `Validator.restore`."""
        panels = [self.panel(*key) for key in tuples_of(state["panels"])]
        for nth, provider, market, region, level in tuples_of(state["series"]):
            panels[nth].column((provider, market, region), level)
        closings = state["closings"]
        for nth, panel in enumerate(panels):
            rows = closings.filter(pc.field("panel") == nth)
            days, columns, prices, times = (rows[name].to_numpy() for name in CLOSINGS.names[1:-1])
            panel.add(days, columns, prices, times, np.array(rows["ids"].to_pylist(), dtype=object))

    def judge(self, rows: pa.Table, passed: Flags, released: Flags) -> Judgement:
        """See `Validator.judge`. Rows without a usable price, place, commodity or day have no verdict."""
        batch = _Batch(rows, self)
        parts: list[tuple[Ints, Scores]] = []
        evidence: dict[int, PriceEvidence] = {}
        landing = passed | released
        for key, numbers in batch.in_order(self.thresholds.allowed_lateness_days):
            commodity, channel = key
            walk = PanelWalk(
                self.panel(*key),
                {
                    name: self.panels[name, channel]
                    for name in siblings(commodity)
                    if (name, channel) in self.panels
                },
                commodities()[commodity],
                self.thresholds,
                self.rules,
                batch.prices(numbers),
                landing[numbers],
                released[numbers],
            )
            for step in walk.steps():
                parts.append((numbers[step.rows], step.columns))
                evidence |= {int(numbers[nth]): shown for nth, shown in step.evidence.items()}
        return self._judgement(batch.table, *gathered(parts, rows.num_rows), landing, evidence)

    def _judgement(
        self, rows: pa.Table, place: Ints, columns: Scores, landing: Flags, details: dict[int, PriceEvidence]
    ) -> Judgement:
        at = np.maximum(place, 0)
        whole = {name: (place >= 0) & columns[name][at] for name in self.rules.by_name} if columns else {}

        def message(rule: str, row: int) -> str:
            values = readable(columns, int(place[row]), tuple(columns))
            price = float(rows["price_idr"][row].as_py())
            return self.rules.message(rule, {**values, "price_idr": price})

        def evidence(row: int) -> dict[str, Any] | None:
            if row not in details:
                return None
            return details[row].as_json(readable(columns, int(place[row])), self.thresholds)

        def suggestion(row: int) -> dict[str, Any] | None:
            if place[row] < 0 or not columns["unit_power"][place[row]]:
                return None
            return {"price": round(float(columns["suggested_price_idr"][place[row]]), 2)}

        verdicts = verdict_rows(rows, place, columns, landing, self.thresholds, self._rule_set)
        violated = {name: flags for name, flags in whole.items() if flags.any()}
        return Judgement(violated, message, evidence, suggestion, verdicts)


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
        families = [(family_of(commodity), channel) for commodity, channel in self._keys]
        order = {family: nth for nth, family in enumerate(dict.fromkeys(families))}
        self._family = np.array([order[family] for family in families], dtype=np.int64)

    def by_panel(self) -> Iterator[tuple[tuple[str, str], npt.NDArray[np.int64]]]:
        """(commodity, channel) and its usable rows in order of arrival, of each panel with such rows."""
        for nth, key in enumerate(self._keys):
            rows = self._usable[self._panel == nth]
            if len(rows):
                yield key, rows

    def in_order(self, lateness_days: int) -> Iterator[tuple[tuple[str, str], npt.NDArray[np.int64]]]:
        """`by_panel`, in parts: no price of a part can read the price of a sibling in the same part."""
        for family in range(int(self._family.max(initial=-1)) + 1):
            of_family = np.flatnonzero(self._family[self._panel] == family)
            panels, days = self._panel[of_family], self._day[self._usable[of_family]]
            for part in np.split(np.arange(len(of_family)), cuts(days, panels, lateness_days)):
                for panel in np.unique(panels[part]).tolist():
                    yield self._keys[panel], self._usable[of_family[part[panels[part] == panel]]]

    def prices(self, rows: npt.NDArray[np.int64]) -> PriceRows:
        """Rows of one panel."""
        return PriceRows(
            self._day[rows], self._column[rows], self._price[rows], self._time[rows], self._ids[rows]
        )


def cuts(days: Ints, panels: Ints, lateness_days: int) -> list[int]:
    """Rows, in order of arrival, before which a part ends: else one could read one of another panel in it."""
    if not len(days) or np.ptp(days) <= lateness_days or (panels == panels[0]).all():
        return []
    ends = []
    # Panel -> its first and last day in the part.
    spans: dict[int, tuple[int, int]] = {}
    starts = np.flatnonzero(np.append(True, (np.diff(days) != 0) | (np.diff(panels) != 0)))
    for row, day, panel in zip(starts.tolist(), days[starts].tolist(), panels[starts].tolist(), strict=True):
        others = [span for other, span in spans.items() if other != panel]
        if any(first < day - lateness_days or day < last - lateness_days for first, last in others):
            ends.append(row)
            spans = {}
        first, last = spans.get(panel, (day, day))
        spans[panel] = min(first, day), max(last, day)
    return ends


def _floats(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _integers(column: pa.ChunkedArray, unit: pa.DataType) -> npt.NDArray[np.int64]:
    """A time or day as a number; 0 where it is null (such rows are not usable)."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz))
    numbers = column.cast(unit).cast(pa.int64())
    return np.asarray(pc.fill_null(numbers, 0).to_numpy(zero_copy_only=False), dtype=np.int64)
