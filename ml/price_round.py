"""One round of prices: read, backtest, judge, register who is worthy, forecast; each step told to whoever waits."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from conf import training_jobs
from ml import issuing
from ml.materialise import Issue
from ml.speakers import naive_alone


@dataclass(frozen=True)
class Request:
    """What a round is asked for; empty tuples: all."""

    models: tuple[str, ...] = ()
    commodities: tuple[str, ...] = ()
    quick: bool = False
    issue_only: bool = False
    if_changed: bool = False
    job: str | None = None

    @classmethod
    def of(cls, asked: argparse.Namespace) -> "Request":
        return cls(asked.models, asked.commodities, asked.quick, asked.issue, asked.if_changed, asked.job)


def run(request: Request, tell: Callable[[str], None] = print) -> None:
    """Raises FileNotFoundError while there is no price."""
    now = datetime.now(UTC)
    panel = issuing.known_panel(now)
    rows = issuing.issue_now(Issue(naive_alone()), panel, now)
    tell(f"{rows} forecasts issued" if rows else "the last issue stands")
    if request.job:
        training_jobs.finish(request.job, "succeeded", False, None, None)
