"""Names that a rule's SQL reads, found without Spark, so that a misspelt column is told when contracts are loaded."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lakehouse.declared import Rule

# What every kind's rules may read beside columns, payload fields and offers (lakehouse/silver/payload.py, verdicts.py).
ALWAYS = {"topic", "partition", "offset", "event_id", "source", "received_at", "content_type", "ingested_at", "kind"}
RESERVED = {
    "text",
    "field_names",
    "plain",
    "malformed",
    "given_time",
    "is_replay",
    "kind",
    "p",
    "mask",
    "reasons",
    "content_type",
}
ALWAYS |= {"event_time", *RESERVED} - {"p", "mask", "reasons"}
WORDS = {
    "and",
    "or",
    "not",
    "is",
    "null",
    "true",
    "false",
    "between",
    "in",
    "like",
    "rlike",
    "case",
    "when",
    "then",
    "else",
    "end",
}
WORDS |= {
    "as",
    "string",
    "double",
    "bigint",
    "int",
    "boolean",
    "date",
    "timestamp",
    "array",
    "map",
    "struct",
    "distinct",
    "interval",
}
STRING = re.compile(r"'(?:[^'\\]|\\.)*'")
PLACE_HOLDER = re.compile(r"\$\{\w+\}")
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?[DLdl]?\b")
NAME = re.compile(r"`?[A-Za-z_]\w*`?(?:\.`?[A-Za-z_]\w*`?)*(?P<call>\s*\()?")
EXPRESSION = re.compile(r"\{([^{}]+)\}")  # in a message
PARAMETER = re.compile(r"(?:\(\s*(\w+)\s*,\s*(\w+)\s*\)|(\w+))\s*->")


@dataclass(frozen=True)
class Names:
    """What a rule may read: columns (offers included) and payload fields."""

    columns: set[str]
    fields: set[str]


def faults(rule: Rule, names: Names) -> list[str]:
    """What is wrong with the rule's check and message; of a rule that reads the stream only the form, since it names evidence."""
    found = list(_faults(rule.check, names, rule.reads == "stream"))
    message = PLACE_HOLDER.sub("0", rule.message)
    words = EXPRESSION.sub("", message)
    if "{" in words or "}" in words:
        found.append(f"the braces do not match in: {rule.message}")
    for part in EXPRESSION.findall(message):
        found += _faults(part, names, rule.reads == "stream")
    return list(dict.fromkeys(found))


def _faults(sql: str, names: Names, form_only: bool) -> Iterator[str]:
    bare = NUMBER.sub(" ", PLACE_HOLDER.sub(" ", STRING.sub(" ", sql)))
    if "'" in bare:
        yield f"a quote is not closed in: {sql}"
        return
    depth = 0
    for mark in bare:
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if depth < 0:
            break
    if depth:
        yield f"the brackets do not match in: {sql}"
    if not form_only:
        yield from (f"no column '{name}' in: {sql}" for name in _unknown(bare, names))


def _unknown(bare: str, names: Names) -> list[str]:
    """Names that are neither a column, nor a payload field behind `p.`, nor a parameter of a lambda."""
    parameters = {name for match in PARAMETER.findall(bare) for name in match if name}
    found = []
    for match in NAME.finditer(bare):
        if match["call"]:
            continue
        head, *rest = match[0].replace("`", "").split(".")
        if head == "p":
            known = bool(rest) and (rest[0] in names.fields or rest[0] == "_corrupt")
        else:
            known = head in parameters or head.lower() in WORDS or head in names.columns or head in ALWAYS
        if not known:
            found.append(match[0])
    return found
