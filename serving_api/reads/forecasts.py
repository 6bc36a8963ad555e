"""gold.forecasts as it is served: the newest issue of every model for each commodity and region."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

import pyarrow as pa
import pyarrow.compute as pc

from serving_api.reads.snapshots import Snapshot

BASELINE = "naive"  # needs no training
SERIES = ("commodity", "region_code", "model")
RECENT = timedelta(days=14)  # an issue that is that much older than the newest is no longer served
CACHED_RESULTS = 20_000  # about 2 KB each
Value = TypeVar("Value")


@dataclass(frozen=True)
class ForecastIssue:
    """One model's forecast of a commodity and region: `days` rows of the table from row `start` on."""

    model: str
    issued_at: datetime
    champion: bool
    start: int
    days: int


@dataclass(frozen=True)
class ServedForecasts:
    """The newest issues of one version of the table, and the results computed from them."""

    rows: pa.Table
    issues: dict[tuple[str, str], tuple[ForecastIssue, ...]]
    results: dict[Hashable, Any] = field(default_factory=dict)

    def champion(self, commodity: str, region_code: str) -> ForecastIssue | None:
        """The newest issue of a champion: an older champion has been replaced."""
        champions = [issue for issue in self.issues.get((commodity, region_code), ()) if issue.champion]
        return max(champions, key=lambda issue: issue.issued_at, default=None)

    def of_model(self, commodity: str, region_code: str, model: str) -> ForecastIssue | None:
        """The newest issue of a model."""
        issues = self.issues.get((commodity, region_code), ())
        return next((issue for issue in issues if issue.model == model), None)

    def days(self, issue: ForecastIssue) -> list[dict[str, Any]]:
        """Rows of days 1, 2, 3 … after the origin, up to the first that is missing."""
        rows: list[dict[str, Any]] = self.rows.slice(issue.start, issue.days).to_pylist()
        return [row for day, row in enumerate(rows, 1) if row["horizon_days"] == day]

    def models(self) -> list[str]:
        """Names of the models with current forecasts, sorted."""
        return sorted({issue.model for issues in self.issues.values() for issue in issues})

    def cached(self, key: Hashable, compute: Callable[[], Value]) -> tuple[Value, bool]:
        """(`compute()` of this version, whether it came from the cache)."""
        result = self.results.get(key)
        if result is not None:
            return cast(Value, result), True
        if len(self.results) >= CACHED_RESULTS:
            self.results.clear()
        computed = self.results[key] = compute()
        return computed, False


def served_forecasts(snapshot: Snapshot) -> ServedForecasts:
    """The issues of a version, read once."""
    return snapshot.cached("served", lambda: read_forecasts(snapshot))


def read_forecasts(snapshot: Snapshot) -> ServedForecasts:
    """Reads the names and times of recent issues first, then the rows of the newest issue of each series."""
    recent = None if snapshot.newest is None else pc.field("issued_at") >= snapshot.newest - RECENT
    names = snapshot.read(recent, [*SERIES, "issued_at"])
    newest = names.group_by(list(SERIES)).aggregate([("issued_at", "max")])
    times = pc.unique(newest["issued_at_max"].combine_chunks())
    rows = snapshot.read(pc.field("issued_at").isin(times))
    order = [
        *((name, "ascending") for name in SERIES),
        ("issued_at", "descending"),
        ("horizon_days", "ascending"),
    ]
    rows = rows.sort_by(order).combine_chunks()
    return ServedForecasts(rows, issues_of(rows))


def issues_of(rows: pa.Table) -> dict[tuple[str, str], tuple[ForecastIssue, ...]]:
    """The newest issue of every series, of rows sorted by series, then issue, newest first."""
    # Groups come in the order of the rows, unless their hashes collide: each names its first row.
    numbered = rows.append_column("row", pa.array(range(rows.num_rows), pa.int64()))
    issues = numbered.group_by([*SERIES, "issued_at"], use_threads=False)
    heads = issues.aggregate([("champion", "first"), ("row", "min"), ("row", "count")]).sort_by("row_min")
    by_series: dict[tuple[str, str], dict[str, ForecastIssue]] = {}
    for head in heads.to_pylist():
        start, days = head["row_min"], head["row_count"]
        issue = ForecastIssue(head["model"], head["issued_at"], bool(head["champion_first"]), start, days)
        by_series.setdefault((head["commodity"], head["region_code"]), {}).setdefault(issue.model, issue)
    return {series: tuple(of_model.values()) for series, of_model in by_series.items()}
