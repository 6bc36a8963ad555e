"""The label of an event, with its reason: shock, manipulation (suspected), sample_noise or unknown."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lakehouse.validation.prices.thresholds import Thresholds
from ml.anomalies import label_tests
from ml.anomalies.label_tests import LabelTests, Outcome
from ml.anomalies.moves import Move, measure_move
from ml.anomalies.observations import Reports
from ml.anomalies.scores import Scores

SIGNS_NEEDED = 2  # of manipulation
COVER_DAYS = 3.0
RAIN_MM = 50.0
SCARCITY_POSTS = 2
ByCommodity = Mapping[str, tuple[Reports, Scores]]  # of the same channel


@dataclass(frozen=True)
class Label:
    """`final`: FINAL_DAYS market days have passed, so that the label no longer changes."""

    label: str
    reason: str
    final: bool
    move: Move
    tests: LabelTests

    def evidence(self) -> dict[str, Any]:
        """Move, reason and outcomes of the tests, as in gold.anomalies' `evidence`."""
        return {
            "move": self.move.size,
            "less_country": self.move.excess,
            "reason": self.reason,
            **asdict(self.tests),
        }


def label_of(
    by_commodity: ByCommodity,
    commodity: str,
    series: int,
    row: int,
    thresholds: Thresholds,
    context: Mapping[str, Any],
) -> Label:
    """The label of an event that begins at day number `row`.

    It depends on reports of that day, of the days before, and of up to four market days after. `context`: of
    the commodity and province, see `read_context`; values may be None.
    """
    reports, scores = by_commodity[commodity]
    region = reports.regions[series]
    move = measure_move(reports, scores, series, row)
    agreement, mismatch = label_tests.sources(reports, scores, move, series, row, thresholds)
    tests = LabelTests(
        entry_error=label_tests.entry_error(reports, scores, by_commodity, series, row, thresholds),
        noise={
            **label_tests.reporters(reports, move, series, row),
            "thin_day": label_tests.thin_day(reports, series, row, thresholds),
        },
        shock={
            **label_tests.shared(move, region, thresholds),
            "sources": agreement,
            "causes": causes(context, move),
        },
        isolated=label_tests.isolated(move, region),
        manipulation={
            "source_mismatch": mismatch,
            "device_trust": label_tests.trust(reports, series, row),
            "reverts": label_tests.reverts(move),
            "copied": label_tests.copied(reports, move, series, row),
            "at_ceiling": label_tests.at_ceiling(reports, move, series, row),
        },
    )
    label, reason = decide(tests)
    return Label(label, reason, move.final, move, tests)


def decide(tests: LabelTests) -> tuple[str, str]:
    """(label, reason): the label of the first group with a test that passes."""
    if tests.entry_error["passed"]:
        return "unknown", "entry error"
    for label, group in (("sample_noise", tests.noise), ("shock", tests.shock)):
        passed = [name for name, outcome in group.items() if outcome["passed"]]
        if passed:
            return label, ", ".join(passed)
    signs = [name for name, outcome in tests.manipulation.items() if outcome["passed"]]
    if tests.isolated["passed"] and len(signs) >= SIGNS_NEEDED:
        return "manipulation", ", ".join(["isolated", *signs])
    return "unknown", "no test holds"


def causes(context: Mapping[str, Any], move: Move) -> Outcome:
    """Known causes; they count once the move has lasted three market days."""
    cover = context.get("stock_cover_days")
    rain = context.get("rainfall_mm")
    posts = context.get("scarcity_posts")
    present = {
        "stock": cover is not None and cover < COVER_DAYS,
        "rain": rain is not None and rain >= RAIN_MM,
        "posts": posts is not None and posts >= SCARCITY_POSTS,
        "route": bool(context.get("arrivals_stopped")),
    }
    named = [name for name, is_present in present.items() if is_present]
    persisted = move.persisted
    return {**context, "named": named, "persisted": persisted, "passed": bool(named) and bool(persisted)}
