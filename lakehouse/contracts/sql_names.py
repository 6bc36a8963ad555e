"""Names that the SQL of a rule reads, so that a misspelt column is reported when contracts are checked."""

from collections.abc import Iterator
from functools import cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from lakehouse.contracts.rule_messages import EXPRESSION, KNOB
from lakehouse.contracts.rule_names import ALWAYS, Names
from lakehouse.contracts.schema import Rule


@cache
def parse_sql(sql: str) -> exp.Expr:
    """The syntax tree of one SQL expression of DuckDB. Raises ValueError with the reason when it is none."""
    try:
        trees = sqlglot.parse(sql, dialect="duckdb")
    except TokenError:
        raise ValueError(f"a quote is not closed in: {sql}") from None
    except ParseError as error:
        reason = error.errors[0]["description"] if error.errors else str(error)
        raise ValueError(f"no SQL expression ({reason}): {sql}") from None
    if len(trees) != 1 or trees[0] is None:
        raise ValueError(f"not one SQL expression: {sql}")
    return trees[0]


def rule_faults(rule: Rule, names: Names) -> list[str]:
    """What is wrong with the SQL of a rule's check and message.

    Of a rule that reads the stream only the form is checked: its names are evidence, which its validator
    knows.
    """
    any_name = rule.reads == "stream"
    faults = list(_sql_faults(rule.check, names, any_name))
    message = KNOB.sub("0", rule.message)
    words = EXPRESSION.sub("", message)
    if "{" in words or "}" in words:
        faults.append(f"the braces do not match in: {rule.message}")
    for expression in EXPRESSION.findall(message):
        faults += _sql_faults(expression, names, any_name)
    return list(dict.fromkeys(faults))


def _sql_faults(sql: str, names: Names, any_name: bool) -> Iterator[str]:
    try:
        tree = parse_sql(KNOB.sub("0", sql))
    except ValueError as error:
        yield str(error)
        return
    if not any_name:
        unknown = (name for name in column_names(tree) if not _is_known(name, names))
        yield from (f"no column '{name}' in: {sql}" for name in dict.fromkeys(unknown))


def column_names(tree: exp.Expr) -> list[str]:
    """Names of the columns that an expression reads, without parameters of lambdas; fields as `p.name`."""
    return [".".join(part.name for part in column.parts) for column in tree.find_all(exp.Column)]


def _is_known(name: str, names: Names) -> bool:
    head, *rest = name.split(".")
    if head == "p":
        return bool(rest) and rest[0] in names.fields
    return head in names.columns or head in ALWAYS
