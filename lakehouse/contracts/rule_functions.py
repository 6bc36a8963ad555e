"""A rule's check as a Python function: of one row's evidence, or of whole columns of evidence.

SQL has three truth values: what is false or unknown violates the rule.
"""

import operator
from collections.abc import Callable, Mapping
from functools import cache, reduce
from typing import Any

import numpy as np
import numpy.typing as npt

# What the executor lacks. Null is None.
ROW_FUNCTIONS = {
    "NULL": None,
    "ISNULL": lambda value: value is None,
    "GREATEST": lambda *values: max((value for value in values if value is not None), default=None),
}
# The same of columns. Null is NaN, which only columns of numbers hold; an unknown comparison is false.
COLUMN_FUNCTIONS = {
    "NULL": np.nan,
    "ISNULL": lambda value: value != value,
    "AND": lambda left, right: left() & right(),
    "OR": lambda left, right: left() | right(),
    "NOT": np.logical_not,
    "EQ": operator.eq,
    "NEQ": lambda left, right: left != right if isinstance(right, str) else (left < right) | (left > right),
    "LT": operator.lt,
    "LTE": operator.le,
    "GT": operator.gt,
    "GTE": operator.ge,
    "BETWEEN": lambda value, low, high: (low <= value) & (value <= high),
    "ADD": operator.add,
    "SUB": operator.sub,
    "MUL": operator.mul,
    "DIV": operator.truediv,
    "ABS": abs,
    "IF": np.where,
    "GREATEST": lambda *values: reduce(np.fmax, values),
    "COALESCE": lambda *values: reduce(lambda first, other: np.where(first != first, other, first), values),
}


@cache
def row_violation(check: str, names: tuple[str, ...]) -> Callable[[tuple[Any, ...]], bool]:
    """A function of a tuple whose fields are `names`: whether it violates the check.

    Raises UnsupportedSqlError for SQL outside the subset, and for a name that is no field.
    """
    from lakehouse.contracts.check_code import python_of  # the parser of SQL takes 35 MB

    holds = python_of(check, {name: place for place, name in enumerate(names)}, ROW_FUNCTIONS)
    return lambda row: not holds(row)


@cache
def column_violation(
    check: str, names: tuple[str, ...]
) -> Callable[[Mapping[str, Any], int], npt.NDArray[np.bool_]]:
    """A function (columns by name, number of rows) -> which rows violate the check.

    A column may also be one scalar for all rows. Raises UnsupportedSqlError as `row_violation` does.
    """
    from lakehouse.contracts.check_code import python_of  # as above

    holds = python_of(check, {name: name for name in names}, COLUMN_FUNCTIONS)

    def violated(columns: Mapping[str, Any], size: int) -> npt.NDArray[np.bool_]:
        flags = np.logical_not(holds(columns))
        return flags if flags.shape else np.full(size, flags)

    return violated
