"""A rule's Spark SQL check written as Python source: for one row of evidence, or for columns of evidence.

SQL has three truth values. A check is therefore written as the condition under which it is TRUE; what is
FALSE or unknown violates the rule. Null is None in a row and NaN in a column of floats.

A check may use: and, or, not, comparisons, is null, between, in, if, case when, coalesce, greatest, abs,
+ - *, division by a number, and literals. Anything else is refused.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlglot import exp

from lakehouse.contracts.schema import Rule, UnsupportedSqlError
from lakehouse.contracts.sql_names import PLACEHOLDER, column_names, parse_sql

ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
# Each comparison with its opposite.
COMPARISONS: dict[type[exp.Expr], tuple[str, str]] = {
    exp.EQ: ("==", "!="),
    exp.NEQ: ("!=", "=="),
    exp.LT: ("<", ">="),
    exp.LTE: ("<=", ">"),
    exp.GT: (">", "<="),
    exp.GTE: (">=", "<"),
}
NEVER = "False"


def evidence_faults(rule: Rule) -> list[str]:
    """Why the check of a rule that reads the stream cannot be written as Python; empty for other rules."""
    if rule.reads != "stream":
        return []
    try:
        CheckSource(COLUMNS).condition(parse_sql(PLACEHOLDER.sub("0", rule.check)), wanted=True)
    except UnsupportedSqlError as error:
        return [str(error)]
    return []


@dataclass(frozen=True)
class Notation:
    """How Python writes what rows (the defaults) and columns do differently; templates of str.format."""

    both: str = " and "
    either: str = " or "
    column: str = "row[{position}]"
    null: str = "None"
    # Whether arithmetic on a null gives null by itself.
    null_propagates: bool = False
    is_null: str = "({value} is None)"
    negated: str = "(not {condition})"
    choice: str = "({value} if {condition} else {other})"
    is_true: str = "(not {null} and {value})"
    is_false: str = "(not {null} and not {value})"
    compared: str = "(not {null} and {left} {sign} {right})"
    # `!=` is true of NaN, so columns ask for nulls; all other comparisons are false of it.
    unequal: str = compared


ROW = Notation()
COLUMNS = Notation(
    both=" & ",
    either=" | ",
    column="row['{name}']",
    null="np.nan",
    null_propagates=True,
    is_null="({value} != {value})",
    negated="np.logical_not({condition})",
    choice="np.where({condition}, {value}, {other})",
    is_true="{value}",
    is_false="np.logical_not({value})",
    compared="({left} {sign} {right})",
    unequal="(np.logical_not({null}) & ({left} {sign} {right}))",
)


def condition_source(notation: Notation, check: str, names: tuple[str, ...]) -> str:
    try:
        tree = parse_sql(check)
    except ValueError as error:
        raise UnsupportedSqlError(str(error)) from None
    for name in column_names(tree):
        if name not in names:
            raise UnsupportedSqlError(f"no evidence '{name}' in: {check}")
    return CheckSource(notation, names).condition(tree, wanted=True)


class CheckSource:
    """Python source of the parts of a syntax tree."""

    def __init__(self, notation: Notation, names: tuple[str, ...] = ()) -> None:
        """`names`: of the columns, in the order in which a row has them."""
        self._notation = notation
        self._names = names

    def condition(self, node: exp.Expr, wanted: bool) -> str:
        """Source that is true iff the SQL is TRUE (`wanted`), or iff it is FALSE (not `wanted`)."""
        match node:
            case exp.Paren():
                return self.condition(node.this, wanted)
            case exp.And() | exp.Or():
                sides = (self.condition(side, wanted) for side in (node.this, node.expression))
                return self._joined(isinstance(node, exp.And) == wanted, sides)
            case exp.Not():
                return self.condition(node.this, not wanted)
            case exp.Boolean():
                return str(bool(node.this) == wanted)
            case exp.Is() if isinstance(node.expression, exp.Null):
                null = self.null(node.this)
                return null if wanted else self._notation.negated.format(condition=null)
            case exp.Between():
                low = exp.GTE(this=node.this, expression=node.args["low"])
                high = exp.LTE(this=node.this, expression=node.args["high"])
                return self.condition(exp.And(this=low, expression=high), wanted)
            case exp.In() if node.expressions:
                equals = (exp.EQ(this=node.this, expression=value) for value in node.expressions)
                return self._joined(not wanted, (self.condition(equal, wanted) for equal in equals))
            case exp.If() | exp.Case():
                return self._branches(node, lambda branch: self.condition(branch, wanted), NEVER)
            case exp.Column():
                template = self._notation.is_true if wanted else self._notation.is_false
                return template.format(value=self.value(node), null=self.null(node))
        if type(node) in COMPARISONS:
            sign = COMPARISONS[type(node)][not wanted]
            null = self._any(self.null(node.this), self.null(node.expression))
            return self._compared(self.value(node.this), sign, self.value(node.expression), null)
        raise _unsupported(node)

    def value(self, node: exp.Expr) -> str:
        """Source of a value. Where arithmetic is null, it must not be evaluated."""
        match node:
            case exp.Paren():
                return self.value(node.this)
            case exp.Column():
                return self._notation.column.format(name=node.name, position=self._position(node.name))
            case exp.Literal():
                return repr(node.this) if node.is_string else repr(_number(node.this))
            case exp.Neg():
                return f"(-{self.value(node.this)})"
            case exp.Abs():
                return f"abs({self.value(node.this)})"
            case exp.Greatest():
                return f"_greatest({', '.join(map(self._nullable, _arguments(node)))})"
            case exp.Coalesce():
                return f"_first({', '.join(map(self._nullable, _arguments(node)))})"
            case exp.If() | exp.Case():
                return self._branches(node, self._nullable, self._notation.null)
            case exp.Null():
                return self._notation.null
        if isinstance(node, exp.Div) and not isinstance(node.expression, exp.Literal):
            raise _unsupported(node)
        if type(node) in ARITHMETIC:
            return f"({self.value(node.this)} {ARITHMETIC[type(node)]} {self.value(node.expression)})"
        raise _unsupported(node)

    def null(self, node: exp.Expr) -> str:
        """Source that is true iff the value is null."""
        match node:
            case exp.Paren() | exp.Neg() | exp.Abs():
                return self.null(node.this)
            case exp.Literal():
                return NEVER
            case exp.Greatest() | exp.Coalesce() if NEVER in map(self.null, _arguments(node)):
                return NEVER
            case exp.Column() | exp.Greatest() | exp.Coalesce() | exp.If() | exp.Case() | exp.Null():
                return self._notation.is_null.format(value=self.value(node))
        if type(node) in ARITHMETIC:
            return self._any(self.null(node.this), self.null(node.expression))
        raise _unsupported(node)

    def _nullable(self, node: exp.Expr) -> str:
        """Source of a value that is null where it should be, and can always be evaluated."""
        null = self.null(node)
        is_arithmetic = type(node) in ARITHMETIC or isinstance(node, exp.Neg | exp.Abs | exp.Paren)
        if null == NEVER or not is_arithmetic or self._notation.null_propagates:
            return self.value(node)
        return self._notation.choice.format(condition=null, value=self._notation.null, other=self.value(node))

    def _position(self, name: str) -> int:
        return self._names.index(name) if name in self._names else -1

    def _compared(self, left: str, sign: str, right: str, null: str) -> str:
        if null == NEVER:
            return f"({left} {sign} {right})"
        may_be_nan = sign == "!=" and not right.startswith("'")
        template = self._notation.unequal if may_be_nan else self._notation.compared
        return template.format(left=left, sign=sign, right=right, null=null)

    def _branches(self, node: exp.Expr, source_of: Callable[[exp.Expr], str], otherwise: str) -> str:
        """The branches of an `if` or a `case when`, put together from the last to the first."""
        if isinstance(node, exp.Case) and node.this is not None:
            raise _unsupported(node)
        branches = [node] if isinstance(node, exp.If) else node.args["ifs"]
        last = node.args.get("false" if isinstance(node, exp.If) else "default")
        source = otherwise if last is None else source_of(last)
        for branch in reversed(branches):
            source = self._notation.choice.format(
                condition=self.condition(branch.this, True),
                value=source_of(branch.args["true"]),
                other=source,
            )
        return source

    def _any(self, *conditions: str) -> str:
        """True when one of the conditions is; those that never hold are left out."""
        possible = [condition for condition in dict.fromkeys(conditions) if condition != NEVER]
        if len(possible) > 1:
            return self._joined(False, possible)
        return possible[0] if possible else NEVER

    def _joined(self, both: bool, conditions: Iterable[str]) -> str:
        joined = (self._notation.both if both else self._notation.either).join(conditions)
        return f"({joined})"


def _arguments(function: exp.Expr) -> list[exp.Expr]:
    return [function.this, *function.expressions]


def _number(text: str) -> int | float:
    return int(text) if text.isdigit() else float(text)


def _unsupported(node: exp.Expr) -> UnsupportedSqlError:
    return UnsupportedSqlError(f"a check on evidence cannot use: {node.sql('spark')}")
