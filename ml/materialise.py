"""Forecasts of all models -> gold.forecasts, one issue in one commit."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.reference import provinces
from ml.eras import Era, eras, only
from ml.margins import Margins
from ml.panel import Floats, Panel
from ml.speakers import NAIVE, Speaker

TABLE = "gold.forecasts"
NATION, NATION_NAME = "ID", "Indonesia"


@dataclass(frozen=True)
class Issue:
    """Who forecasts, and who is served. A naive speaker must be among them."""

    speakers: Sequence[Speaker]
    champions: Mapping[str, str] = field(default_factory=dict)  # commodity -> model; naive where none is named

    def speaks(self, speaker: Speaker, good: str) -> bool:
        """Whether the speaker speaks for the commodity: its own goods first, then what nobody of its name has claimed."""
        if speaker.goods is not None:
            return good in speaker.goods
        return not any(one.goods and good in one.goods for one in self.speakers if one.name == speaker.name)


def issue_rows(panel: Panel, issue: Issue, horizons: Sequence[int], issued_at: datetime) -> pa.Table:
    """Rows of gold.forecasts. Each series is forecast from the end of its era, so an archive is not silent but dated."""
    found = eras(panel)
    home = national_era(panel, found)
    parts = []
    for nth, era in enumerate(found):
        nation = {good for good, at in home.items() if at == nth}
        parts += _of_era(panel.until(era.end), era, nation, issue, horizons, issued_at)
    schema = arrow_schema(contracts()[TABLE])
    return pa.concat_tables(parts).select(schema.names).cast(schema) if parts else schema.empty_table()


def national_era(panel: Panel, found: Sequence[Era]) -> dict[str, int]:
    """Commodity -> number of the era in which most of its provinces end, the newer of two alike: it speaks for the nation."""
    counted = Counter((panel.commodities[row], nth) for nth, era in enumerate(found) for row in era.rows)
    home: dict[str, int] = {}
    for (good, nth), provinces_there in counted.items():
        if good not in home or provinces_there > counted[good, home[good]]:
            home[good] = nth
    return home


def _of_era(
    panel: Panel, era: Era, nation: Set[str], issue: Issue, horizons: Sequence[int], issued_at: datetime
) -> Iterator[pa.Table]:
    naive = next(one for one in issue.speakers if one.name == NAIVE).answer(panel, horizons)
    for speaker in issue.speakers:
        rows = np.array([row for row in era.rows if issue.speaks(speaker, panel.commodities[row])], dtype=int)
        if not len(rows):
            continue
        price = speaker.answer(panel, horizons)
        price = np.where(np.isfinite(price) & (price > 0), price, naive)  # as it was judged
        margins = speaker.law(panel, horizons)
        served = _with_nation(only(panel, rows), price[rows], margins.of(rows), nation)
        yield _table(*served, speaker, issue, horizons, issued_at)


def _with_nation(panel: Panel, price: Floats, margins: Margins, nation: Set[str]) -> tuple[Panel, Floats, Margins]:
    """The series and, behind them, the median over its provinces of each commodity of `nation` that has no such figure itself.

    The nation's interval is that of its middle province: wider than a median over provinces needs, never too narrow.
    """
    members = {good: panel.of(good) for good in panel.goods if good in nation}
    members = {good: rows for good, rows in members.items() if NATION not in {panel.regions[row] for row in rows}}
    if not members:
        return panel, price, margins
    first = np.array([rows[0] for rows in members.values()], dtype=int)
    whole = only(panel, np.concatenate([np.arange(len(price)), first]))
    whole = _renamed(whole, panel.regions + (NATION,) * len(members))
    medians = [np.median(price[rows], axis=0) for rows in members.values()]
    return whole, np.vstack([price, *medians]), margins.with_medians(list(members.values()))


def _renamed(panel: Panel, regions: tuple[str, ...]) -> Panel:
    return Panel(panel.commodities, regions, panel.units, panel.days, panel.price, (), panel.source)


def _table(
    panel: Panel, price: Floats, margins: Margins, speaker: Speaker, issue: Issue, horizons: Sequence[int], issued_at: datetime
) -> pa.Table:
    goods, ahead, origin = panel.commodities, len(horizons), panel.days[-1]
    n, version = len(goods) * ahead, panel.source.get("version")
    return pa.table(
        {
            "commodity": _each(goods, ahead),
            "region_code": _each(panel.regions, ahead),
            "region": _each([region_name(code) for code in panel.regions], ahead),
            "unit": _each(panel.units, ahead),
            "issued_at": pa.array([issued_at] * n, pa.timestamp("us", "UTC")),
            "origin_date": pa.array(np.full(n, origin)),
            "target_date": pa.array(np.tile(origin + np.asarray(horizons), len(goods))),
            "horizon_days": pa.array(np.tile(np.asarray(horizons, dtype=np.int32), len(goods))),
            "model": pa.array([speaker.name] * n),
            "champion": _each([issue.champions.get(good, NAIVE) == speaker.name for good in goods], ahead),
            "price_idr": price.ravel(),
            "lower_80_idr": (price * np.exp(-margins.half_80)).ravel(),
            "upper_80_idr": (price * np.exp(margins.half_80)).ravel(),
            "lower_95_idr": (price * np.exp(-margins.half_95)).ravel(),
            "upper_95_idr": (price * np.exp(margins.half_95)).ravel(),
            "confidence": np.clip(margins.near, 0.0, 1.0).ravel(),
            "interval_basis": pa.array(margins.basis.ravel().tolist(), pa.string()),
            "model_version": _each([speaker.versions.get(good, "0") for good in goods], ahead),
            "run_id": pa.array([speaker.run_id] * n, pa.string()),
            "data_version": pa.array([version if isinstance(version, int) else None] * n, pa.int64()),
            "skill_vs_naive": _each([speaker.of(good).skill for good in goods], ahead, pa.float64()),
            "gate_reason": _each([speaker.of(good).reason for good in goods], ahead),
        }
    )


def _each(values: Sequence[object], times: int, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array([value for value in values for _ in range(times)], kind)


def region_name(code: str) -> str:
    """Name of a region code; a code that no list knows names itself."""
    if code == NATION:
        return NATION_NAME
    return provinces()[code].name if code in provinces() else code
