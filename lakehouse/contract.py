"""Table contracts: one YAML per table says what it is; read once into frozen dataclasses, without Spark."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

HERE = Path(__file__).resolve().parent
LAYERS = ("bronze", "silver", "gold")
Severity = Literal["error", "warn"]


class ContractError(ValueError):
    """A contract that cannot be used; the text names file, place and remedy."""


@dataclass(frozen=True)
class Column:
    name: str
    type: str  # Spark SQL type
    says: str
    unit: str | None = None


@dataclass(frozen=True)
class Field:
    """One field of a payload, as a door may check it: JSON type, presence and range."""

    name: str
    type: Literal["string", "number", "integer", "timestamp"]
    says: str
    required: bool = False
    one_of: str | None = None  # at least one field of this group must be given
    above: float | None = None  # exclusive lower bound
    min: float | None = None
    max: float | None = None
    pattern: str | None = None
    enum: tuple[str, ...] | None = None
    unit: str | None = None


@dataclass(frozen=True)
class Rule:
    """Violated iff NOT coalesce(check, false).

    `reads`: payload (judged when readable), raw, or stream (judged by what came before: ids seen, earlier observations).
    """

    name: str
    severity: Severity
    check: str
    message: str
    reads: Literal["payload", "raw", "stream"] = "payload"
    releasable: bool = False  # an operator's release may let it pass (then it is a warning); what cannot be read never is


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


def _rows(raw: dict[str, Any], cls: type, where: str) -> tuple[Any, ...]:
    """{name: {…}} -> (cls(name=…, …), …); an unknown or missing entry is a ContractError."""
    made = []
    for name, entry in raw.items():
        try:
            made.append(cls(name=name, **{k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}))
        except TypeError as error:
            raise ContractError(f"{where}, '{name}': {error}") from None
    return tuple(made)


def _rules(raw: list[dict[str, Any]], where: str) -> tuple[Rule, ...]:
    names = [entry.get("name") for entry in raw]
    if len(set(names)) != len(names):
        raise ContractError(f"{where}: two rules of one name")
    try:
        return tuple(Rule(**entry) for entry in raw)
    except TypeError as error:
        raise ContractError(f"{where}: {error}") from None


def read_contract(file: Path) -> Contract:
    """One contract from its YAML. Raises ContractError naming the file and the entry."""
    raw: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    where = f"{file.parent.name}/{file.name}"
    expected = f"{file.parent.name}.{file.stem}"
    if raw.get("table") != expected:
        raise ContractError(f"{where}: table is '{raw.get('table')}', its path says '{expected}'")
    own = _rules(raw.pop("rules", []), where)
    columns, payload = raw.pop("columns", {}), raw.pop("payload", {})
    entries: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    try:
        contract = Contract(
            columns=_rows(columns, Column, where),
            payload=_rows(payload, Field, where),
            rules=(*every_kind_rules(), *own) if raw.get("kind") else own,
            **entries,
        )
    except (TypeError, KeyError) as error:
        raise ContractError(f"{where}: {error}") from None
    strangers = [name for name in (*contract.key, *contract.partition_by, *contract.skip_by) if name not in contract.column_names]
    if strangers:
        raise ContractError(f"{where}: key, partition_by or skip_by names no column: {strangers}")
    return contract


@cache
def every_kind_rules() -> tuple[Rule, ...]:
    """The rules that guard every kind, judged before those of the kind."""
    file = HERE / "silver" / "every_kind.yml"
    return _rules(yaml.safe_load(file.read_text(encoding="utf-8"))["rules"], "silver/every_kind.yml")


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


def rule_set(knobs: Mapping[str, object]) -> str:
    """Fingerprint (12 hex digits) of all rules and of the knobs that they read: changes with any name, check or threshold."""
    text = repr([(kind, contract.rules) for kind, contract in sorted(kinds().items())]) + repr(sorted(knobs.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
