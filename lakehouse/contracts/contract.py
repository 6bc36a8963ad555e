"""Table contracts: one YAML per table, read once into frozen pydantic models, without Spark."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from lakehouse.contracts.derived_rules import field_rules
from lakehouse.contracts.rule_names import RESERVED, Names
from lakehouse.contracts.schema import Column as Column
from lakehouse.contracts.schema import Contract as Contract
from lakehouse.contracts.schema import EveryKind
from lakehouse.contracts.schema import Field as Field
from lakehouse.contracts.schema import Rule as Rule
from lakehouse.yaml_text import fault_text

LAKEHOUSE = Path(__file__).resolve().parent.parent
LAYERS = ("bronze", "silver", "gold")
EVERY_KIND = "silver/every_kind.yml"
# Bits of the mask that a verdict travels as.
MOST_RULES = 62
# libyaml's parser reads all contracts in 0.1 s, the one written in Python takes 1.0 s.
YAML_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Model = TypeVar("Model", bound=BaseModel)


class ContractError(ValueError):
    """A contract that cannot be used; the text names file, place and remedy."""


def refuse(faults: Sequence[str]) -> None:
    """Raises ContractError with the faults, when there are any."""
    if faults:
        raise ContractError("; ".join(faults))


def _validated(model: type[Model], entry: object, place: str, faults: list[str]) -> Model | None:
    """The model of one YAML entry, or None with every fault of it noted."""
    try:
        return model.model_validate(entry)
    except ValidationError as error:
        faults += [f"{place}{fault_text(fault)}" for fault in error.errors()]
        return None


def _named_parts(
    model: type[Model], raw: Mapping[str, Any], what: str, place: str, faults: list[str]
) -> tuple[Model, ...]:
    """{name: {…}} -> models with their name. An entry at fault is noted and left out."""
    named = {
        name: {"name": name, **entry} if isinstance(entry, dict) else entry for name, entry in raw.items()
    }
    parts = (_validated(model, entry, f"{place}, {what} '{name}'", faults) for name, entry in named.items())
    return tuple(part for part in parts if part is not None)


def _rules(raw: list[dict[str, Any]], place: str, faults: list[str]) -> tuple[Rule, ...]:
    names = Counter(str(entry.get("name")) for entry in raw)
    faults += [f"{place}: two rules of one name: '{name}'" for name, count in names.items() if count > 1]
    rules = (_validated(Rule, entry, f"{place}, rule '{entry.get('name')}'", faults) for entry in raw)
    return tuple(rule for rule in rules if rule is not None)


def _sql_faults(rules: tuple[Rule, ...], names: Names, place: str) -> list[str]:
    # Only a process that checks rules or runs them loads the parser of SQL: 35 MB and 0.35 s of CPU.
    from lakehouse.contracts.check_code import evidence_faults
    from lakehouse.contracts.sql_names import rule_faults

    return [
        f"{place}, rule '{rule.name}': {fault}"
        for rule in rules
        for fault in rule_faults(rule, names) or evidence_faults(rule)
    ]


def _kind_parts(contract: Contract, place: str, faults: list[str]) -> Contract:
    """The contract of a kind with what holds for every kind and the rules that follow from its fields."""
    common = every_kind()
    first, *last = common.columns
    own = {column.name for column in contract.columns}
    columns = (
        *(column for column in (first,) if column.name not in own),
        *contract.columns,
        *(column for column in last if column.name not in own),
    )
    declared = {field.name for field in contract.payload}
    payload = (*(field for field in common.payload if field.name not in declared), *contract.payload)
    written = {rule.name for rule in contract.rules}
    from_fields = field_rules(payload, common.payload) if contract.rules_from_fields else ()
    derived = [rule for rule in from_fields if rule.name not in written]
    rules = (*common.rules, *derived, *contract.rules)
    reserved = [column.name for column in contract.columns if column.name in RESERVED]
    faults += [
        f"{place}, column '{name}': the name is reserved for the rules of every kind" for name in reserved
    ]
    if len(rules) > MOST_RULES:
        faults.append(f"{place}: {len(rules)} rules, more than {MOST_RULES}")
    return contract.model_copy(update={"columns": columns, "payload": payload, "rules": rules})


def _names_of(contract: Contract | EveryKind) -> Names:
    offers = contract.offers if isinstance(contract, Contract) else ()
    return Names(
        frozenset(column.name for column in contract.columns) | set(offers),
        frozenset(field.name for field in contract.payload),
    )


def read_contract(file: Path, with_sql: bool = True) -> Contract:
    """One contract from its YAML.

    Raises ContractError naming the file and every entry, rule and column at fault. `with_sql`: also what is
    wrong with the SQL of its rules.
    """
    place = f"{file.parent.name}/{file.name}"
    raw = _read_yaml(file, place)
    faults: list[str] = []
    expected = f"{file.parent.name}.{file.stem}"
    if raw.get("table") != expected:
        faults.append(f"{place}: table is '{raw.get('table')}', its path means '{expected}'")
    entries = {
        **raw,
        "rules": _rules(raw.get("rules", []), place, faults),
        "columns": _named_parts(Column, raw.get("columns", {}), "column", place, faults),
        "payload": _named_parts(Field, raw.get("payload", {}), "field", place, faults),
    }
    contract = _validated(Contract, entries, place, faults)
    if contract is None:
        raise ContractError("; ".join(faults))
    if contract.kind:
        written = contract.rules
        contract = _kind_parts(contract, place, faults)
        if with_sql:
            faults += _sql_faults(written, _names_of(contract), place)
    given_time = (contract.time_column,) if "time_column" in raw else ()
    unknown = [
        name
        for name in (*contract.key, *contract.partition_by, *contract.skip_by, *given_time)
        if name not in contract.column_names
    ]
    if unknown:
        faults.append(f"{place}: key, partition_by, skip_by or time_column names no column: {unknown}")
    refuse(faults)
    return contract


def _read_yaml(file: Path, place: str) -> dict[str, Any]:
    try:
        raw = yaml.load(file.read_text(encoding="utf-8"), YAML_LOADER)  # noqa: S506 (both are safe loaders)
    except yaml.YAMLError as error:
        raise ContractError(f"{place}: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise ContractError(f"{place}: not a mapping of keys to values")
    return raw


@cache
def every_kind() -> EveryKind:
    """`silver/every_kind.yml`. Raises ContractError."""
    raw = _read_yaml(LAKEHOUSE / EVERY_KIND, EVERY_KIND)
    faults: list[str] = []
    columns = _named_parts(Column, raw["columns"], "column", EVERY_KIND, faults)
    payload = _named_parts(Field, raw["payload"], "field", EVERY_KIND, faults)
    rules = _rules(raw["rules"], EVERY_KIND, faults)
    refuse(faults)
    return EveryKind(payload=payload, columns=columns, rules=rules)


@cache
def contracts() -> dict[str, Contract]:
    """All contracts by table name, bronze first. Raises ContractError with every fault.

    The SQL of rules is not looked at: see check_contracts.
    """
    return _read_all(with_sql=False)


def check_contracts() -> None:
    """Raises ContractError with every fault of all contracts, the SQL of their rules included."""
    common = every_kind()
    faults = _sql_faults(common.rules, _names_of(common), EVERY_KIND)
    try:
        _read_all(with_sql=True)
    except ContractError as fault:
        faults.append(str(fault))
    refuse(faults)


def _read_all(with_sql: bool) -> dict[str, Contract]:
    tables: dict[str, Contract] = {}
    faults = []
    for layer in LAYERS:
        for file in sorted((LAKEHOUSE / layer).glob("*.yml")):
            if f"{layer}/{file.name}" == EVERY_KIND:
                continue
            try:
                tables[f"{layer}.{file.stem}"] = read_contract(file, with_sql)
            except ContractError as fault:
                faults.append(str(fault))
    refuse(faults)
    return tables


@cache
def kinds() -> dict[str, Contract]:
    """Kind of event -> contract of the silver table that its accepted events land in."""
    return {contract.kind: contract for contract in contracts().values() if contract.kind}


@cache
def sent_over_http() -> dict[str, Contract]:
    """The kinds that may be posted at the ingest address; the others come from routes of their own."""
    return {kind: contract for kind, contract in kinds().items() if contract.over_http}


def rule_set(knobs: Mapping[str, object]) -> str:
    """Fingerprint (12 hex digits) of all rules and of the knobs that they read.

    It changes with any name, check, message or threshold.
    """
    text = _rules_text() + repr(sorted(knobs.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def _rules_text() -> str:
    """All rules in order of their kinds: made once, for every batch wants the fingerprint."""
    rules = [
        (kind, [rule.model_dump(exclude={"message_id"}) for rule in contract.rules])
        for kind, contract in sorted(kinds().items())
    ]
    return repr(rules)
