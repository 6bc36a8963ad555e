"""A rule's check as a Python function: of one row's evidence, or of whole columns of evidence."""

from collections.abc import Callable, Mapping
from functools import cache, reduce
from typing import Any

import numpy as np
import numpy.typing as npt


@cache
def row_violation(check: str, names: tuple[str, ...]) -> Callable[[Any], bool]:
    """A function of a tuple whose fields are `names`: whether it violates the check.

    Raises UnsupportedSqlError for SQL outside the subset, and for a name that is no field.
    """
    from lakehouse.contracts.check_source import ROW, condition_source  # the parser of SQL takes 35 MB

    condition = condition_source(ROW, check, names)
    scope = {"_greatest": _greatest_of_row, "_first": _first_of_row}
    violated: Callable[[Any], bool] = eval(f"lambda row: not {condition}", scope)  # noqa: S307 (of parsed SQL)
    return violated


@cache
def column_violation(
    check: str, names: tuple[str, ...]
) -> Callable[[Mapping[str, Any], int], npt.NDArray[np.bool_]]:
    """A function (columns by name, number of rows) -> which rows violate the check.

    A column may also be one scalar for all rows. Raises UnsupportedSqlError as `row_violation` does.
    """
    from lakehouse.contracts.check_source import COLUMNS, condition_source  # as above

    condition = condition_source(COLUMNS, check, names)
    scope = {
        "np": np,
        "_greatest": _greatest_of_columns,
        "_first": _first_of_columns,
    }
    holds: Callable[[Mapping[str, Any]], Any] = eval(f"lambda row: {condition}", scope)  # noqa: S307 (as above)

    def violated(columns: Mapping[str, Any], size: int) -> npt.NDArray[np.bool_]:
        flags = np.logical_not(holds(columns))
        return flags if flags.shape else np.full(size, flags)

    return violated


def _greatest_of_row(*values: Any) -> Any:
    return max((value for value in values if value is not None), default=None)


def _first_of_row(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _greatest_of_columns(*values: Any) -> Any:
    return reduce(np.fmax, values)


def _first_of_columns(*values: Any) -> Any:
    return reduce(lambda first, other: np.where(first != first, other, first), values)
