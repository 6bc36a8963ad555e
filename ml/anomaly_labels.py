"""Tests of one event -> shock, manipulation (suspected), sample_noise or unknown, with the reason."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lakehouse.validation.thresholds import Thresholds
from ml import anomaly_tests as tests
from ml.anomaly_moves import Move, move_of
from ml.anomaly_reports import Reports
from ml.anomaly_scores import Scores

SIGNS_NEEDED = 2  # of manipulation
COVER_DAYS, RAIN_MM, SCARCITY_POSTS = 3.0, 50.0, 2
Goods = Mapping[str, tuple[Reports, Scores]]  # of the same channel, by commodity


@dataclass(frozen=True)
class Label:
    """`final`: FINAL_DAYS market days have passed, so that the label no longer changes."""

    label: str
    reason: str
    final: bool
    move: Move
    tests: tests.Tests

    def told(self) -> dict[str, Any]:
        """JSON-able."""
        return {"move": self.move.size, "less_country": self.move.excess, "reason": self.reason, **asdict(self.tests)}


def label_of(goods: Goods, commodity: str, series: int, row: int, thresholds: Thresholds, outside: Mapping[str, Any]) -> Label:
    """The label of an event that begins at day number `row`, from reports of that day, before, and up to four days after.

    `outside`: what else was known of commodity and province (anomaly_context); values may be None.
    """
    reports, found = goods[commodity]
    region = reports.regions[series]
    move = move_of(reports, found, series, row)
    agreement, mismatch = tests.sources(reports, found, move, series, row, thresholds)
    made = tests.Tests(
        entry_error=tests.entry_error(reports, found, goods, series, row, thresholds),
        noise=tests.reporters(reports, move, series, row),
        shock={**tests.shared(move, region, thresholds), "sources": agreement, "causes": causes(outside, move)},
        isolated=tests.isolated(move, region),
        manipulation={
            "source_mismatch": mismatch,
            "device_trust": tests.trust(reports, series, row),
            "reverts": tests.reverts(move),
            "copied": tests.copied(reports, move, series, row),
            "at_ceiling": tests.at_ceiling(reports, move, series, row),
        },
    )
    word, reason = decided(made)
    return Label(word, reason, move.final, move, made)


def decided(made: tests.Tests) -> tuple[str, str]:
    """(label, reason): the tests in order, the first that holds."""
    if made.entry_error["passed"]:
        return "unknown", "entry error"
    for label, group in (("sample_noise", made.noise), ("shock", made.shock)):
        held = [name for name, one in group.items() if one["passed"]]
        if held:
            return label, ", ".join(held)
    signs = [name for name, one in made.manipulation.items() if one["passed"]]
    if made.isolated["passed"] and len(signs) >= SIGNS_NEEDED:
        return "manipulation", ", ".join(["isolated", *signs])
    return "unknown", "no test holds"


def causes(outside: Mapping[str, Any], move: Move) -> tests.Value:
    """Known causes, which count once the move has lasted three market days."""
    cover, rain, posts = (outside.get(name) for name in ("stock_cover_days", "rainfall_mm", "scarcity_posts"))
    held = {
        "stock": cover is not None and cover < COVER_DAYS,
        "rain": rain is not None and rain >= RAIN_MM,
        "posts": posts is not None and posts >= SCARCITY_POSTS,
        "route": bool(outside.get("arrivals_stopped")),
    }
    named = [name for name, one in held.items() if one]
    persisted = move.persisted
    return {**outside, "named": named, "persisted": persisted, "passed": bool(named) and bool(persisted)}
