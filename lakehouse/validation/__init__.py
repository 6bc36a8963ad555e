"""Rules that look at earlier rows: a validator remembers accepted rows and judges new rows against them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Flags = npt.NDArray[np.bool_]
# What a validator remembers, as tables by name; their columns are known to it alone.
ValidatorState = dict[str, pa.Table]


@dataclass(frozen=True)
class Judgement:
    """The verdicts of a validator on the rows of a batch, in their order.

    `violated`: rule of the contract (`reads: stream`) -> which rows violate it. A rule that no row violates
    may be left out.
    `message`: (rule, row number) -> the message of a violated rule.
    `evidence`: (row number) -> the value, the statistics of its window and its neighbours, as JSON holds
    them. Requested for refused rows only.
    `suggestion`: (row number) -> a correction as payload fields, None when there is none.
    `verdicts`: rows of silver.price_verdicts for all judged rows, where the kind keeps them (prices), else
    None.
    """

    violated: Mapping[str, Flags]
    message: Callable[[str, int], str]
    evidence: Callable[[int], dict[str, Any] | None] = field(default=lambda row: None)
    suggestion: Callable[[int], dict[str, Any] | None] = field(default=lambda row: None)
    verdicts: pa.Table | None = None


class Validator(Protocol):
    """State of one kind: a function of the set of accepted rows, so a reload gives the same state."""

    # Columns of the kind's silver table that `load` and `judge` need.
    columns: tuple[str, ...]

    def load(self, accepted: pa.Table) -> None:
        """Remember rows of the silver table, given in any order, before, between or after calls of `judge`.

        Rows that are loaded later arrived after all that are remembered already, in later batches. The state
        is then the same as if the validator had judged them itself.
        """

    def judge(self, rows: pa.Table, passed: Flags, released: Flags) -> Judgement:
        """Judge the rows, which are in order of arrival, and remember those that land in silver.

        `passed`: the event is new and violates no other error rule; only these can land. `released`: an
        operator released the row, so it lands whatever this validator finds (its violations are reported all
        the same). The verdict of a row depends only on the accepted rows of earlier market days (or earlier
        times of its series) that arrived before it, never on how rows are cut into calls.
        """

    def state(self) -> ValidatorState:
        """All that it remembers: a new validator that restores it gives the same verdicts."""

    def restore(self, state: ValidatorState) -> None:
        """Remember what `state` returned, before the first call of another method."""
