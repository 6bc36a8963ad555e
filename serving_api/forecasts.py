"""gold.forecasts as it is served: of every model the newest issue for a commodity and region, found by name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from serving_api.gold import Snapshot

SERIES = ("commodity", "region_code", "model")
RECENT = timedelta(days=14)  # an issue that much older than the newest is served no more
READ = (
    *SERIES, "region", "unit", "issued_at", "origin_date", "target_date", "horizon_days", "champion", "price_idr", "lower_80_idr",
    "upper_80_idr", "lower_95_idr", "upper_95_idr", "confidence", "model_version", "run_id", "data_version", "gate_reason",
)  # fmt: skip
REMEMBERED = 20_000  # answers; about 2 KB each


@dataclass(frozen=True)
class Issue:
    """Where one model's days for a commodity and region stand in the table."""

    model: str
    issued_at: datetime
    champion: bool
    start: int
    days: int


@dataclass(frozen=True)
class Served:
    """The newest issues of one version of the table, and the answers made from them."""

    rows: pa.Table
    issues: dict[tuple[str, str], tuple[Issue, ...]]
    answers: dict[Any, Any] = field(default_factory=dict)

    def champion(self, commodity: str, region_code: str) -> Issue | None:
        """Of the newest issue that has one: an older one's champion has been succeeded."""
        claims = [issue for issue in self.issues.get((commodity, region_code), ()) if issue.champion]
        return max(claims, key=lambda issue: issue.issued_at, default=None)

    def of_model(self, commodity: str, region_code: str, model: str) -> Issue | None:
        return next((issue for issue in self.issues.get((commodity, region_code), ()) if issue.model == model), None)

    def days(self, issue: Issue) -> list[dict[str, Any]]:
        """Rows of days 1, 2, 3 … after the origin, up to the first that is missing."""
        rows: list[dict[str, Any]] = self.rows.slice(issue.start, issue.days).to_pylist()
        return [row for day, row in enumerate(rows, 1) if row["horizon_days"] == day]

    def models(self) -> list[str]:
        """Names of the models that speak, sorted."""
        return sorted({issue.model for issues in self.issues.values() for issue in issues})

    def answered(self, question: Any, make: Callable[[], Any]) -> tuple[Any, bool]:
        """(`make()` of this version, whether it was remembered)."""
        found = self.answers.get(question)
        if found is not None:
            return found, True
        if len(self.answers) >= REMEMBERED:
            self.answers.clear()
        self.answers[question] = made = make()
        return made, False


def served(snapshot: Snapshot) -> Served:
    """Made once a version."""
    found: Served = snapshot.cached("served", lambda: read(snapshot))
    return found


def read(snapshot: Snapshot) -> Served:
    """First the names and times of recent issues, then the rows of those that are the newest of their series."""
    if snapshot.delta is None:
        return Served(pa.table({name: [] for name in READ}), {})
    dataset = snapshot.delta.to_pyarrow_dataset()
    recent = None if snapshot.newest is None else pc.field("issued_at") >= snapshot.newest - RECENT
    names = dataset.to_table(columns=[*SERIES, "issued_at"], filter=recent)
    newest = names.group_by(list(SERIES)).aggregate([("issued_at", "max")])
    times = pc.unique(newest["issued_at_max"].combine_chunks())
    rows = dataset.to_table(columns=list(READ), filter=pc.field("issued_at").isin(times))
    order = [*((name, "ascending") for name in SERIES), ("issued_at", "descending"), ("horizon_days", "ascending")]
    rows = rows.sort_by(order).combine_chunks()
    return Served(rows, issues_of(rows))


def issues_of(rows: pa.Table) -> dict[tuple[str, str], tuple[Issue, ...]]:
    """The newest issue of every series in rows that are sorted by series, then issue, newest first."""
    if not rows.num_rows:
        return {}
    changes = np.zeros(rows.num_rows - 1, dtype=bool)
    for name in (*SERIES, "issued_at"):
        values = rows[name].combine_chunks()
        changes |= pc.not_equal(values[1:], values[:-1]).to_numpy(zero_copy_only=False)
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    ends = np.append(starts[1:], rows.num_rows)
    heads = rows.select([*SERIES, "issued_at", "champion"]).take(pa.array(starts)).to_pylist()
    found: dict[tuple[str, str], dict[str, Issue]] = {}
    for head, start, end in zip(heads, starts.tolist(), ends.tolist(), strict=True):
        issue = Issue(head["model"], head["issued_at"], bool(head["champion"]), start, end - start)
        found.setdefault((head["commodity"], head["region_code"]), {}).setdefault(issue.model, issue)
    return {series: tuple(issues.values()) for series, issues in found.items()}
