"""Statistical validation of prices by earlier prices of their series, of the country and of other sources."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import contracts, rule_set
from lakehouse.reference import commodities
from lakehouse.validation import Flags, Judgement
from lakehouse.validation.prices.closings import ClosingPanel
from lakehouse.validation.prices.evidence import PriceEvidence, price_evidence
from lakehouse.validation.prices.rules import PriceRules
from lakehouse.validation.prices.scores import score
from lakehouse.validation.prices.statistics import statistics
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.prices.verdict_rows import Gathered, readable, verdict_rows

NEEDED = (
    "event_id",
    "event_time",
    "device_id",
    "provider",
    "market_id",
    "region_code",
    "level",
    "commodity",
    "channel",
    "price_idr",
    "market_date",
    "ingested_at",
)
DEFAULT_PROVIDER = "market"
IDENTITY = ("commodity", "channel", "provider", "market_id", "region_code", "level")


class PriceValidator:
    """Remembers the closing of every series-day and judges prices by the closings of earlier market days.

    The rows of a commodity and channel are judged in order of arrival, in runs of one market day. Rows of a
    run do not depend on each other, so a run is judged at once.
    """

    columns: tuple[str, ...] = tuple(
        name for name in NEEDED if name in contracts()["silver.prices"].column_names
    )

    def __init__(self, knobs: Mapping[str, object]) -> None:
        self.thresholds = Thresholds.of(knobs)
        self._rule_set = rule_set(knobs)
        self.rules = PriceRules(self.thresholds)
        self.panels: dict[tuple[str, str], ClosingPanel] = {}

    def load(self, accepted: pa.Table) -> None:
        """Remember rows of silver.prices, given in any order."""
        batch = _Batch(accepted, self)
        for rows in batch.runs(batch.by_day()):
            batch.add(rows)

    def judge(self, rows: pa.Table, passed: Flags, released: Flags) -> Judgement:
        """See `Validator.judge`. Rows without a usable price, place, commodity or day have no verdict."""
        batch = _Batch(rows, self)
        gathered = Gathered()
        evidence: dict[int, PriceEvidence] = {}
        landing = passed | released
        for run in batch.runs(batch.by_arrival()):
            scores = batch.scored(run)
            flags = self.rules.violated(scores)
            stopped = self.rules.refused(flags)
            scores["outcome"] = np.where(stopped & ~released[run], "quarantine", "silver")
            scores["released"] = released[run]
            gathered.add(run, scores | flags)
            for nth in run[stopped & landing[run]].tolist():
                evidence[nth] = batch.evidence(nth)
            batch.add(run[(passed[run] & ~stopped) | released[run]])
        place, columns = gathered.whole(rows.num_rows)
        return self._judgement(batch.table, place, columns, landing, evidence)

    def panel(self, commodity: str, channel: str) -> ClosingPanel:
        """The closings of a commodity in a channel."""
        key = (commodity, channel)
        if key not in self.panels:
            self.panels[key] = ClosingPanel(self.thresholds.allowed_lateness_days, self.thresholds.min_peers)
        return self.panels[key]

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

    def __init__(self, rows: pa.Table, validator: PriceValidator) -> None:
        if "provider" not in rows.column_names:
            rows = rows.append_column("provider", pa.repeat(DEFAULT_PROVIDER, rows.num_rows))
        if "device_id" not in rows.column_names:
            rows = rows.append_column("device_id", pa.nulls(rows.num_rows, pa.string()))
        filled = pc.fill_null(rows["provider"], DEFAULT_PROVIDER)
        self.table = rows.set_column(rows.column_names.index("provider"), "provider", filled)
        self._thresholds = validator.thresholds
        self.price = _floats(rows["price_idr"])
        self.time = _integers(rows["event_time"], pa.int64())
        self.day = _integers(rows["market_date"], pa.int32())
        self.ids = np.asarray(rows["event_id"].to_numpy(zero_copy_only=False), dtype=object)
        encoded = pc.binary_join_element_wise(
            *(self.table[name].cast(pa.string()) for name in IDENTITY), "\x1f"
        )
        encoded = pa.chunked_array(encoded).combine_chunks().dictionary_encode()
        self.identity = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        known = [tuple(text.split("\x1f")) for text in encoded.dictionary.to_pylist()]
        self._names = known
        self._panels = [validator.panel(names[0], names[1]) for names in known]
        order = {id(panel): nth for nth, panel in enumerate(dict.fromkeys(self._panels))}
        self._panel_of = np.array([order[id(panel)] for panel in self._panels], dtype=np.int64)
        columns = [
            panel.column(names[2:5], names[5]) for panel, names in zip(self._panels, known, strict=True)
        ]
        self._column = np.array(columns, dtype=np.int64)
        there = np.asarray(pc.and_(rows["market_date"].is_valid(), rows["event_time"].is_valid()))
        self.usable = np.flatnonzero(
            (self.identity >= 0) & there & np.isfinite(self.price) & (self.price > 0)
        )

    def by_arrival(self) -> npt.NDArray[np.int64]:
        """Usable rows panel by panel, each in order of arrival."""
        return self.usable[np.argsort(self._panel_of[self.identity[self.usable]], kind="stable")]

    def by_day(self) -> npt.NDArray[np.int64]:
        """Usable rows panel by panel, each day by day."""
        return self.usable[np.lexsort((self.day[self.usable], self._panel_of[self.identity[self.usable]]))]

    def runs(self, order: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
        """`order` cut where the panel or the market day changes."""
        panels, days = self._panel_of[self.identity[order]], self.day[order]
        cuts = np.flatnonzero((np.diff(panels) != 0) | (np.diff(days) != 0)) + 1
        return np.split(order, cuts) if len(order) else []

    def scored(self, run: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
        """Columns of silver.price_verdicts for a run."""
        first = int(self.identity[run[0]])
        commodity = commodities()[self._names[first][0]]
        day = int(self.day[run[0]])
        of_panel, _ = statistics(self._panels[first], day, self._thresholds)
        columns = self._column[self.identity[run]]
        of = {name: values[columns] for name, values in of_panel.items()}
        tolerance = self._thresholds.tolerance_of(commodity.id)
        return score(self.price[run], day, of, self._thresholds, commodity, tolerance)

    def evidence(self, row: int) -> PriceEvidence:
        """The evidence of a refused row, as it is before its run becomes part of the panel."""
        nth = int(self.identity[row])
        return price_evidence(
            self._panels[nth],
            self._names[nth][2:5],
            int(self.day[row]),
            float(self.price[row]),
            self._thresholds,
        )

    def add(self, rows: npt.NDArray[np.int64]) -> None:
        """Add rows of one panel and day to the closings."""
        if len(rows):
            names = self.identity[rows]
            panel = self._panels[int(names[0])]
            panel.add(
                int(self.day[rows[0]]), self._column[names], self.price[rows], self.time[rows], self.ids[rows]
            )


def _floats(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _integers(column: pa.ChunkedArray, narrow: pa.DataType) -> npt.NDArray[np.int64]:
    """A time or day as a number; 0 where it is null (such rows are not usable)."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz))
    numbers = column.cast(narrow).cast(pa.int64())
    return np.asarray(pc.fill_null(numbers, 0).to_numpy(zero_copy_only=False), dtype=np.int64)
