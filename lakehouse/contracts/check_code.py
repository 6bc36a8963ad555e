"""Checks of rules that read the stream, as code of sqlglot's Python executor.

A check may use: and, or, not, comparisons, is null, between, if, coalesce, greatest, abs, + - *, division by
a number, and literals. Anything else is refused.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp
from sqlglot.executor.env import ENV
from sqlglot.executor.python import Python
from sqlglot.optimizer.simplify import simplify

from lakehouse.contracts.rule_messages import KNOB
from lakehouse.contracts.schema import Rule, UnsupportedSqlError
from lakehouse.contracts.sql_names import column_names, parse_sql

LOGIC = (exp.And, exp.Or, exp.Not, exp.Between, exp.If, exp.Paren)
COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Abs, exp.Greatest, exp.Coalesce)
VALUES = (exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null)
SUPPORTED = (*LOGIC, *COMPARISONS, *ARITHMETIC, *VALUES)


def evidence_faults(rule: Rule) -> list[str]:
    """Why the check of a rule that reads the stream cannot be executed; empty for other rules."""
    if rule.reads != "stream":
        return []
    try:
        _supported(parse_sql(KNOB.sub("0", rule.check)))
    except UnsupportedSqlError as error:
        return [str(error)]
    return []


def python_of(
    check: str, places: Mapping[str, int | str], functions: Mapping[str, Any]
) -> Callable[[Any], Any]:
    """The check as a function of evidence: of a tuple or a mapping, in which each name has its place.

    `functions`: what the executor's code calls, further ones or other ones than its own; `ISNULL` among them,
    and `NULL`, the value for null. Raises UnsupportedSqlError for SQL that a check cannot use, and for a name
    without a place.
    """
    try:
        tree = _supported(parse_sql(check))
    except ValueError as error:
        raise UnsupportedSqlError(str(error)) from None
    for name in column_names(tree):
        if name not in places:
            raise UnsupportedSqlError(f"no evidence '{name}' in: {check}")

    def for_python(node: exp.Expr) -> exp.Expr:
        # The executor's code would be `is None`, which holds for single values only.
        if isinstance(node, exp.Is):
            return exp.Anonymous(this="ISNULL", expressions=[node.this.transform(for_python)])
        if isinstance(node, exp.Column):
            return exp.var(f"evidence[{places[node.name]!r}]")
        return exp.var("NULL") if isinstance(node, exp.Null) else node

    # `not` ends up at columns only: the opposite of a comparison is unknown, too, where it is unknown.
    code = simplify(tree.copy()).transform(for_python).sql(Python)
    function: Callable[[Any], Any] = eval(f"lambda evidence: {code}", {**ENV, **functions})  # noqa: S307 (of parsed SQL)
    return function


def _supported(tree: exp.Expr) -> exp.Expr:
    """The tree. Raises UnsupportedSqlError for a part that is not supported."""
    for node in tree.walk():
        is_null = isinstance(node, exp.Is) and isinstance(node.expression, exp.Null)
        is_by_number = isinstance(node, exp.Div) and isinstance(node.expression, exp.Literal)
        is_negative = isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal)
        if not (isinstance(node, SUPPORTED) or is_null or is_by_number or is_negative):
            raise UnsupportedSqlError(f"a check on evidence cannot use: {node.sql('duckdb')}")
    return tree
