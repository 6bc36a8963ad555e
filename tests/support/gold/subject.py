"""What a subject of background gold consists of."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import pyarrow as pa

Row = dict[str, Any]
Tables = Mapping[str, pa.Table]  # all rows of the tables that a subject follows from, as they are stored
Recomputation = Callable[[Tables, datetime], list[Row]]  # the second argument: time of the newest batch
BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


class Refreshing(Protocol):
    """Brings gold up to what its sources hold."""

    def refresh(self) -> object:
        """Take up what has come since the last call."""


@dataclass(frozen=True)
class Subject:
    """Jobs in their order, rows by table, what gold is. `in_order`: rows arrive by their time.

    A job is one of the background, a module of ml with `refresh`, or what makes an object with it.
    `keeps_records`: what was stated or sealed once stays after the sources were set back, so that no test
    sets them back.
    """

    jobs: tuple[str | Callable[[], Refreshing], ...]
    rows: Callable[[random.Random], dict[str, list[Row]]]
    recomputed: Mapping[str, Recomputation]
    in_order: bool = False
    not_compared: tuple[str, ...] = ()
    keeps_records: bool = False
