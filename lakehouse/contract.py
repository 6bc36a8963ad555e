"""Table contracts: one YAML per table says what it is; read once into frozen dataclasses, without Spark."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import yaml

from lakehouse import expressions
from lakehouse.declared import Column as Column
from lakehouse.declared import Field as Field
from lakehouse.declared import FieldType, Severity
from lakehouse.declared import Rule as Rule
from lakehouse.field_rules import field_rules

HERE = Path(__file__).resolve().parent
LAYERS = ("bronze", "silver", "gold")
MOST_RULES = 62  # bits of the mask that a verdict travels as


class ContractError(ValueError):
    """A contract that cannot be used; the text names file, place and remedy."""


@dataclass(frozen=True)
class Contract:
    """What a table is. `sql` and `carry` (gold): how it follows from the tables that it reads."""

    table: str
    says: str
    grain: str
    key: tuple[str, ...]
    partition_by: tuple[str, ...]
    skip_by: tuple[str, ...]  # columns with statistics per file, by which readers skip files; each costs the writer
    retention_hours: int
    freshness_seconds: float
    columns: tuple[Column, ...]
    kind: str | None = None
    payload: tuple[Field, ...] = ()
    rules_from_fields: bool = True  # false: the kind writes them out, with messages of its own
    offers: tuple[str, ...] = ()  # what the transform adds for the rules beyond the columns
    over_mqtt: bool = False
    over_http: Literal["device", "central"] | None = None  # least role that may send it; None: not at /api/v1/ingest
    series_key: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    reads: tuple[str, ...] = ()
    refresh: Literal["batch", "fold", "append", "keys", "overwrite"] | None = None
    replace_by: str | None = None
    sort_by: tuple[str, ...] = ()
    sql: str | None = None
    carry: str | None = None
    column_names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "column_names", tuple(column.name for column in self.columns))

    @property
    def ddl(self) -> str:
        """Spark schema string, column order of the contract."""
        return ", ".join(f"`{column.name}` {column.type}" for column in self.columns)


def _rows(raw: dict[str, Any], cls: type, where: str, faults: list[str]) -> tuple[Any, ...]:
    """{name: {…}} -> (cls(name=…, …), …); an unknown or missing entry is noted as a fault."""
    made = []
    for name, entry in raw.items():
        try:
            made.append(cls(name=name, **{k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}))
        except TypeError as error:
            faults.append(f"{where}, '{name}': {error}")
    return tuple(made)


def _rules(raw: list[dict[str, Any]], where: str, faults: list[str]) -> tuple[Rule, ...]:
    made: list[Rule] = []
    for entry in raw:
        name = str(entry.get("name"))
        if name in {rule.name for rule in made}:
            faults.append(f"{where}: two rules of one name: '{name}'")
        try:
            rule = Rule(**entry)
        except TypeError as error:
            faults.append(f"{where}, rule '{name}': {error}")
            continue
        for word, known in (("severity", get_args(Severity)), ("reads", get_args(get_type_hints(Rule)["reads"]))):
            if getattr(rule, word) not in known:
                faults.append(f"{where}, rule '{name}': {word} is '{getattr(rule, word)}', not one of {', '.join(known)}")
        made.append(rule)
    return tuple(made)


def _kind_parts(contract: Contract, where: str, faults: list[str]) -> Contract:
    """The contract of a kind with what holds for every kind, and with the rules that follow from its fields."""
    common = every_kind()
    first, *last = common.columns
    own = {column.name for column in contract.columns}
    columns = (*(c for c in (first,) if c.name not in own), *contract.columns, *(c for c in last if c.name not in own))
    given = {field.name for field in contract.payload}
    payload = (*(field for field in common.payload if field.name not in given), *contract.payload)
    written = {rule.name for rule in contract.rules}
    follow = field_rules(payload, common.payload) if contract.rules_from_fields else ()
    derived = [rule for rule in follow if rule.name not in written]
    whole = replace(contract, columns=columns, payload=payload, rules=(*common.rules, *derived, *contract.rules))
    bad_types = [field.name for field in payload if field.type not in get_args(FieldType)]
    faults += [f"{where}, field '{name}': no such type" for name in bad_types]
    taken = [column.name for column in contract.columns if column.name in expressions.RESERVED]
    faults += [f"{where}, column '{name}': the name stands for what every kind is judged by" for name in taken]
    if len(whole.rules) > MOST_RULES:
        faults.append(f"{where}: {len(whole.rules)} rules, more than {MOST_RULES}")
    names = expressions.Names({*whole.column_names, *whole.offers}, {field.name for field in payload})
    for rule in contract.rules:
        faults += [f"{where}, rule '{rule.name}': {fault}" for fault in expressions.faults(rule, names)]
    return whole


def read_contract(file: Path) -> Contract:
    """One contract from its YAML. Raises ContractError naming the file and every entry, rule and column at fault."""
    where = f"{file.parent.name}/{file.name}"
    try:
        raw: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ContractError(f"{where}: {' '.join(str(error).split())}") from None
    faults: list[str] = []
    expected = f"{file.parent.name}.{file.stem}"
    if raw.get("table") != expected:
        faults.append(f"{where}: table is '{raw.get('table')}', its path says '{expected}'")
    rules = _rules(raw.pop("rules", []), where, faults)
    columns = _rows(raw.pop("columns", {}), Column, where, faults)
    payload = _rows(raw.pop("payload", {}), Field, where, faults)
    entries: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    try:
        contract = Contract(columns=columns, payload=payload, rules=rules, **entries)
    except (TypeError, KeyError) as error:
        raise ContractError("; ".join([*faults, f"{where}: {error}"])) from None
    if contract.kind:
        contract = _kind_parts(contract, where, faults)
    strangers = [name for name in (*contract.key, *contract.partition_by, *contract.skip_by) if name not in contract.column_names]
    if strangers:
        faults.append(f"{where}: key, partition_by or skip_by names no column: {strangers}")
    if faults:
        raise ContractError("; ".join(faults))
    return contract


@dataclass(frozen=True)
class EveryKind:
    """What holds for every kind: its rules stand before those of the kind, its first column first, its other columns last."""

    payload: tuple[Field, ...]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]


@cache
def every_kind() -> EveryKind:
    """`silver/every_kind.yml`. Raises ContractError."""
    file, faults = HERE / "silver" / "every_kind.yml", list[str]()
    where = "silver/every_kind.yml"
    raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    columns, payload = _rows(raw["columns"], Column, where, faults), _rows(raw["payload"], Field, where, faults)
    rules = _rules(raw["rules"], where, faults)
    names = expressions.Names({column.name for column in columns}, {field.name for field in payload})
    for rule in rules:
        faults += [f"{where}, rule '{rule.name}': {fault}" for fault in expressions.faults(rule, names)]
    if faults:
        raise ContractError("; ".join(faults))
    return EveryKind(payload, columns, rules)


@cache
def contracts() -> dict[str, Contract]:
    """All contracts by table name, bronze first. Collects every fault before it raises."""
    found, faults = {}, []
    for layer in LAYERS:
        for file in sorted((HERE / layer).glob("*.yml")):
            if file.stem == "every_kind":
                continue
            try:
                found[f"{layer}.{file.stem}"] = read_contract(file)
            except ContractError as fault:
                faults.append(str(fault))
    if faults:
        raise ContractError("; ".join(faults))
    return found


@cache
def kinds() -> dict[str, Contract]:
    """Kind of event -> contract of the silver table that its accepted events land in."""
    return {contract.kind: contract for contract in contracts().values() if contract.kind}


@cache
def sent_over_http() -> dict[str, Contract]:
    """The kinds that may be posted at the ingest address; the others come from routes of their own."""
    return {kind: contract for kind, contract in kinds().items() if contract.over_http}


def rule_set(knobs: Mapping[str, object]) -> str:
    """Fingerprint (12 hex digits) of all rules and of the knobs that they read: changes with any name, check or threshold."""
    text = repr([(kind, contract.rules) for kind, contract in sorted(kinds().items())]) + repr(sorted(knobs.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
