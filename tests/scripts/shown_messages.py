"""Templates of the messages that the command line shows, read from the source: `port {} is held by {}`."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from conf.settings import REPO
from lakehouse.translation import PLACEHOLDER
from tests.support.source_rules import modules

FOLDERS = ("conf/", "lakehouse/io/", "ml/", "producers/", "scripts/", "streaming_jobs/")
# Commands for those who work on the code, and services, whose messages go to logs, have English alone.
ENGLISH_ONLY = (
    "scripts/bench/",
    "scripts/chaos/",
    "scripts/commands/test.py",
    "scripts/commands/docs.py",
    "scripts/suite.py",
    "scripts/stack/compose_setup.py",
    "streaming_jobs/run.py",
    "streaming_jobs/spark/session.py",
    "streaming_jobs/embedded/",
    "streaming_jobs/gold/runner.py",
    "producers/mqtt/",
    "producers/channels/",
    "conf/settings.py",  # below the layer of translations
)
# Function or class -> positions of the arguments that people read.
READ_BY_PEOPLE = {
    **dict.fromkeys(("translated", "fail", "print", "confirm", "note"), (0,)),
    **dict.fromkeys(("update", "done", "Service", "hold", "stage"), (1,)),
    **dict.fromkeys(
        (
            "StackError",
            "Refused",
            "QueryRefused",
            "TimeoutError",
            "RuntimeError",
            "NothingToLearn",
            "Unreadable",
            "NotAcknowledged",
            "FormatError",
            "BadParameter",
            "_fail_job",
        ),
        (0, 1),
    ),
    "Finding": (2, 3),
    "finish": (4,),
}
# Functions that return or collect texts for people.
WRITERS = {
    "choose_champion",
    "equal_ports",
    "examined",
    "fault_of",
    "faults",
    "holder",
    "home_fault",
    "issue_due",
    "leak_by_chance",
    "leak_found",
    "remedy",
    "remedy_of",
    "replaced",
    "sales_due",
    "summary",
    "training_due",
    "usage_fault",
    "_commodity_faults",
    "_fault_of_file",
    "_faults_of_log",
    "_model_faults",
    "_process_lines",
}
DEEPEST = 4
Values = dict[str, list[ast.expr]]


@cache
def templates() -> dict[str, str]:
    """Template with `{}` for each value -> a file that shows it. Texts without a word are left out."""
    shown: dict[str, str] = {}
    for file in modules():
        name = str(file.relative_to(REPO))
        if name.startswith(FOLDERS) and not name.startswith(ENGLISH_ONLY):
            shown |= dict.fromkeys(filter(is_worded, _templates_of(file)), name)
    return shown


def normal(template: str) -> str:
    """The template with `{}` for each placeholder, without what separates it from others."""
    return PLACEHOLDER.sub("{}", template).strip(" ;,")


def is_worded(template: str) -> bool:
    """Whether it has a word of its own besides commands, names of settings and paths."""
    own = re.sub(r"\./run\.sh [a-z-]+|https?:\S+|[/\w]*[./_=]\w+|--\w+", " ", template.replace("{}", " "))
    return re.search(r"[a-z]{3}", own) is not None


def _templates_of(file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    known = _assigned(tree.body)
    for scope in (tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))):
        values = known | _assigned(ast.walk(scope)) if scope is not tree else known
        is_writer = isinstance(scope, ast.FunctionDef) and scope.name in WRITERS
        for node in ast.walk(scope):
            for read in _read_by_people(node, is_writer):
                yield from (normal(line) for text in _texts(read, values) for line in text.split("\n"))


def _read_by_people(node: ast.AST, is_writer: bool) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        positions = READ_BY_PEOPLE.get(name, ())
        if is_writer and name == "append":
            positions = (0,)
        elif name == "map" and getattr(node.args[0], "id", "") == "translated":
            positions = (1,)
        yield from (node.args[position] for position in positions if position < len(node.args))
    elif is_writer and isinstance(node, ast.Return | ast.Yield) and node.value:
        yield node.value


def _texts(node: ast.expr, values: Values, depth: int = 0) -> Iterator[str]:
    """What the expression can be; a part that is not known here is `{}`, and is looked at by itself."""
    if depth > DEEPEST:
        return
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in parts)
            inside = [part.value for part in parts if isinstance(part, ast.FormattedValue)]
        case ast.IfExp(body=body, orelse=other):
            inside = [body, other]
        case ast.BoolOp(values=parts):
            inside = parts
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            inside = parts
        case ast.ListComp(elt=part) | ast.GeneratorExp(elt=part) | ast.Starred(value=part):
            inside = [part]
        case ast.NamedExpr(value=part):
            inside = [part]
        case ast.Call(func=ast.Attribute(attr="join"), args=[part]):
            inside = [part]
        case ast.Name(id=name):
            inside = values.get(name, [])
        case _:
            inside = []
    for part in inside if not isinstance(node, ast.Constant) else ():
        yield from _texts(part, values, depth + 1)


def _assigned(nodes: Iterator[ast.AST] | list[ast.stmt]) -> Values:
    values: Values = {}
    for node in nodes:
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    values.setdefault(target.id, []).append(node.value)
    return values
