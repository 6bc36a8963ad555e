"""Rules that need what came before: a validator remembers accepted rows and judges new ones against earlier ones only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Judgement:
    """What a validator says of a batch's rows, in their order.

    `violated`: rule of the contract (`reads: stream`) -> which rows violate it; a rule that is left out is violated by none.
    `message`: (rule, row number) -> the sentence for a person, asked for violated rows only.
    `evidence`: (row number) -> the value, its window's statistics and its neighbours, as JSON holds them, for refused rows only.
    `suggestion`: (row number) -> a correction as payload fields, None when there is none to suggest.
    `verdicts`: rows of silver.price_verdicts for all judged rows, where the kind keeps them (prices), else None.
    """

    violated: Mapping[str, Flags]
    message: Callable[[str, int], str]
    evidence: Callable[[int], dict[str, Any] | None] = field(default=lambda row: None)
    suggestion: Callable[[int], dict[str, Any] | None] = field(default=lambda row: None)
    verdicts: pa.Table | None = None


class Validator(Protocol):
    """State of one kind. What it holds is a function of the set of accepted rows: loading them again gives the same state."""

    columns: tuple[str, ...]  # of the kind's silver table, that `load` and `judge` need

    def load(self, accepted: pa.Table) -> None:
        """Take up rows of the silver table, in any order."""

    def judge(self, rows: pa.Table, passed: Flags, released: Flags) -> Judgement:
        """Judge the rows, which are in order of arrival, and take up those that land in silver.

        `passed`: no other error rule is violated and the event is new; only these can land. `released`: a person let it pass,
        so it lands whatever this validator says (its violations are reported all the same). The verdict of a row depends on the
        accepted rows of earlier market days (or earlier times of its series) only, never on how rows are cut into calls.
        """
