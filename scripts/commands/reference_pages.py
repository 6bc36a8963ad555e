"""Reference pages other than the command line: tables, rules, knobs, exit codes, HTTP interface."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from conf.knob_faults import variable_of
from conf.runtime.exit_codes import MEANINGS
from conf.settings import KNOBS, Settings, knob_defaults
from lakehouse.contracts.contract import Column, Contract, Rule, contracts, every_kind, kinds

KNOB_LINE = re.compile(r"^(?P<indent> *)(?P<name>\w+):(?P<value>[^#]*?)\s*(?:#\s*(?P<comment>.*))?$")
COMMENT_LINE = re.compile(r"^\s*#\s*(?P<comment>.*)$")
REFRESHED = {
    "batch": "in the batch",
    "seconds": "within seconds, by a thread of the stream",
    "background": "in background, by a process of its own",
    "training": "by training",
}


def cell(text: object) -> str:
    """Text as it may stand in a table's cell: on one line, `|` escaped."""
    return " ".join(str(text).split()).replace("|", "\\|")


def code(text: object) -> str:
    """Inline code; empty text stays empty."""
    return f"`{text}`" if str(text) else ""


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(cell(value) for value in row)} |" for row in rows]
    return "\n".join(lines)


# ---------------------------------------------------------------------------------------------------- tables


def tables_page() -> str:
    """The data dictionary: every table with its columns, units and meaning."""
    sections = [
        "# Tables",
        "The data dictionary, from the contracts in `lakehouse/bronze`, `lakehouse/silver` and\n"
        "`lakehouse/gold`. Columns that the silver table of every kind has are listed\n"
        "[once](#columns-of-every-kind).",
        table(
            ("table", "grain", "holds"),
            [(f"[`{name}`](#{_anchor(name)})", c.grain, c.description) for name, c in contracts().items()],
        ),
        "## Columns of every kind",
        _columns(every_kind().columns),
    ]
    common = set(every_kind().columns)
    for name, contract in contracts().items():
        sections += [f"## {name}", contract.description, _facts(contract)]
        own = [column for column in contract.columns if not contract.kind or column not in common]
        sections.append(_columns(own))
    return "\n\n".join(sections)


def _anchor(heading: str) -> str:
    """The fragment that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _facts(contract: Contract) -> str:
    facts = [
        ("grain", contract.grain),
        ("key", ", ".join(code(name) for name in contract.key)),
        ("kind", code(contract.kind or "")),
        ("partitioned by", ", ".join(code(name) for name in contract.partition_by)),
        ("made from", ", ".join(code(name) for name in contract.reads)),
        ("refreshed", REFRESHED[contract.refreshed]),
        ("rebuild", "keeps its rows" if contract.kept_by_rebuild else ""),
        ("fresh within", f"{contract.freshness_seconds:g} s"),
        ("removed files are kept", f"{contract.retention_hours} h"),
    ]
    return "\n".join(f"- {name}: {value}" for name, value in facts if value)


def _columns(columns: Iterable[Column]) -> str:
    rows = [(code(c.name), c.type, c.unit or "", c.description) for c in columns]
    return table(("column", "type", "unit", "meaning"), rows)


# ----------------------------------------------------------------------------------------------------- rules


def rules_page() -> str:
    """Every rule of every kind: severity, what it reads, its check and its message."""
    sections = [
        "# Rules",
        "A row violates a rule if its check is not true. A violated `error` rule sends the row to\n"
        "`silver.quarantine`; a violated `warn` rule is listed in the row's `_warnings`.\n"
        "`reads`: `raw` is the text of the event, `payload` its fields, `stream` what came before it.\n"
        "`${…}` is a [knob](knobs.md) of the section `validation`, or follows from the payload's fields.\n"
        "A releasable rule can be waived by an operator's decision.",
        "## Every kind",
        _rules(every_kind().rules),
    ]
    common = {rule.name for rule in every_kind().rules}
    for kind, contract in sorted(kinds().items()):
        own = [rule for rule in contract.rules if rule.name not in common]
        sections += [f"## {kind}", f"Table [`{contract.table}`](tables.md#{_anchor(contract.table)})."]
        sections.append(_rules(own))
    return "\n\n".join(sections)


def _rules(rules: Iterable[Rule]) -> str:
    header = ("rule", "severity", "reads", "releasable", "check", "message")
    return table(
        header,
        [
            (code(r.name), r.severity, r.reads, "yes" if r.releasable else "", _code_cell(r.check), r.message)
            for r in rules
        ],
    )


def _code_cell(text: str) -> str:
    return f"`` {text} ``" if "`" in text else code(text)


# ----------------------------------------------------------------------------------------------------- knobs


def knobs_page() -> str:
    """Every knob with its default, type, environment variable and reason."""
    sections = [
        "# Knobs",
        "From `conf/lumbung.yml`; types and bounds are in `conf/knobs.py`. An environment variable\n"
        "overrides the file: `kafka.bootstrap` is `LUMBUNG_KAFKA__BOOTSTRAP`. Lists and maps are written\n"
        "as JSON.",
    ]
    comments = knob_comments()
    for section, field in Settings.model_fields.items():
        if is_section(field):
            model: Any = field.annotation
            rows = [
                (
                    code(f"{section}.{name}"),
                    code(_value(knob_defaults()[section][name])),
                    _type(model, name),
                    code(variable_of(f"{section}.{name}")),
                    comments.get((section, name), ""),
                )
                for name in model.model_fields
            ]
            sections += [f"## {section}", table(("knob", "default", "type", "environment", "meaning"), rows)]
    sections += ["## Other environment variables", table(("variable", "type", "meaning"), list(_variables()))]
    return "\n\n".join(sections)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return '""' if value == "" else str(value)


def _type(section: type[BaseModel], knob: str) -> str:
    """Type and bounds in words: `int, at least 1`. Bounds of entries are left out, as of `list[str]`."""
    kind = get_type_hints(section)[knob]
    text = str(kind) if "[" in str(kind) else getattr(kind, "__name__", str(kind))
    name = re.sub(r"\b(?:\w+\.)+", "", text)
    words = {
        "ge": "at least",
        "gt": "above",
        "le": "at most",
        "lt": "below",
        "min_length": "entries, at least",
    }
    bounds = [
        f"{text} {getattr(bound, sign)}"
        for bound in section.model_fields[knob].metadata
        for sign, text in words.items()
        if getattr(bound, sign, None) is not None
    ]
    return ", ".join([name, *bounds])


def knob_comments() -> dict[tuple[str, str], str]:
    """(section, knob) -> its comment in conf/lumbung.yml; lines of comment after a knob belong to it."""
    comments: dict[tuple[str, str], str] = {}
    section = ""
    last: tuple[str, str] | None = None
    before: list[str] = []  # comment lines inside a section that stand above their knob
    for line in KNOBS.read_text(encoding="utf-8").splitlines():
        if note := COMMENT_LINE.match(line):
            indent = len(line) - len(line.lstrip())
            if indent > 2 and last:
                comments[last] = f"{comments.get(last, '')} {note['comment']}".strip()
            elif indent:
                before.append(note["comment"])
            continue
        knob = KNOB_LINE.match(line)
        if knob is None:
            continue
        if not knob["indent"]:
            section = knob["name"]
            continue
        last = (section, knob["name"])
        comments[last] = " ".join([*before, knob["comment"] or ""]).strip()
        before = []
    return comments


def _variables() -> Iterator[tuple[str, str, str]]:
    """Environment variables that belong to no section."""
    for name, field in Settings.model_fields.items():
        if not is_section(field):
            yield code(variable_name(name, field)), _type(Settings, name), field.description or ""


def is_section(field: FieldInfo) -> bool:
    """Whether the field of Settings is a section of knobs."""
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def variable_name(name: str, field: FieldInfo) -> str:
    """The environment variable of a field of Settings that is no section."""
    alias = field.validation_alias
    return alias if isinstance(alias, str) else variable_of(name)


# -------------------------------------------------------------------------------- exit codes, HTTP interface


def exit_codes_page() -> str:
    """The exit codes of every command and service."""
    rows = [(code(int(number)), number.name, meaning) for number, meaning in MEANINGS.items()]
    return "\n\n".join(
        [
            "# Exit codes",
            "The same for every verb of `./run.sh` and for every service of the stack.",
            table(("code", "name", "meaning"), rows),
        ]
    )


def api_page() -> str:
    """Every address of the API with its summary."""
    from serving_api.app import app

    rows = []
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            caller = operation["x-requires"].replace("_", " ")
            rows.append((code(f"{method.upper()} {path}"), operation.get("summary", ""), caller))
    return "\n\n".join(
        [
            "# HTTP interface",
            "The running API documents itself: `http://127.0.0.1:8000/docs` is a page to try it out,\n"
            "`http://127.0.0.1:8000/openapi.json` the OpenAPI 3.1 document with every parameter, schema and\n"
            "status, and an example answer. This page is the list of addresses, and who may call them\n"
            "([roles](../how-to/manage-accounts.md)).",
            table(("address", "summary", "who"), rows),
        ]
    )
