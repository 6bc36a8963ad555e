"""What a contract is made of: columns, payload fields and rules, as pydantic models."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Severity = Literal["error", "warn"]
FieldType = Literal["string", "number", "integer", "timestamp", "date", "boolean", "strings", "object"]


class ContractModel(BaseModel):
    """Immutable, hashable, and strict about the keys of the YAML that it is read from."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(ContractModel):
    """One column of a table. `type` is a Spark SQL type, `enum` the values that it may have."""

    name: str
    type: str
    description: str
    unit: str | None = None
    nullable: bool = False
    enum: tuple[str, ...] | None = None
    example: bool | int | float | str | tuple[str, ...] | None = None


class Field(ContractModel):
    """One field of a payload: JSON type, presence and range, as a strict door checks them.

    `strings` is an array of strings, `date` is text YYYY-MM-DD, `object` is a JSON object, kept as its text.
    """

    name: str
    type: FieldType
    description: str
    required: bool = False
    # At least one field of this group must be given.
    one_of: str | None = None
    # Exclusive lower bound.
    above: int | float | None = None
    min: int | float | None = None
    max: int | float | None = None
    # Lengths count characters.
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    enum: tuple[str, ...] | None = None
    # What an absent field means.
    default: str | None = None
    # The reference list that the value is looked up in; messages then name the nearest entries.
    names: str | None = None
    unit: str | None = None


class Rule(ContractModel):
    """A condition that every row meets. Violated iff NOT coalesce(check, false).

    `reads` names what the check is evaluated on: `payload` (when it is readable), `raw` (the text of the
    event), or `stream` (evidence from earlier events: ids seen, earlier observations).
    """

    name: str
    severity: Severity
    check: str
    message: str
    # The same in Indonesian, with the same placeholders in the same order.
    message_id: str | None = None
    reads: Literal["payload", "raw", "stream"] = "payload"
    # An operator's release turns the error into a warning. Never true for what cannot be read.
    releasable: bool = False


class Contract(ContractModel):
    """A table: its columns, its rules, and (gold) how it follows from the tables that it reads."""

    table: str
    description: str
    grain: str
    key: tuple[str, ...]
    partition_by: tuple[str, ...]
    # Columns with statistics per file, by which readers skip files. Each costs the writer time.
    skip_by: tuple[str, ...]
    retention_hours: int
    freshness_seconds: float
    columns: tuple[Column, ...]
    kind: str | None = None
    payload: tuple[Field, ...] = ()
    # False: the kind writes out the rules of its fields, with messages of its own.
    rules_from_fields: bool = True
    # What the transform adds for the rules, besides the columns.
    offers: tuple[str, ...] = ()
    over_mqtt: bool = False
    # The least role that may send it to /api/v1/ingest; None: it is not accepted there.
    over_http: Literal["device", "central"] | None = None
    series_key: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    reads: tuple[str, ...] = ()
    # When its rows are written.
    refreshed: Literal["batch", "seconds", "background", "training"] = "batch"
    # The module of streaming_jobs/gold that writes a background table; None: the one of the table's name.
    job: str | None = None
    kept_by_rebuild: bool = False
    # Its newest value is how new the rows are. A table may have no such column.
    time_column: str = "event_time"
    # How the API holds the table; None: it is opened when it is requested.
    served: Literal["whole", "by_file"] | None = None
    refresh: Literal["batch", "fold", "append", "keys", "overwrite"] | None = None
    replace_by: str | None = None
    # `keys`: SQL for the values of `replace_by` that new rows touch; None: those of the first of `reads`.
    changed: str | None = None
    # How long rows are kept, by `time_column`; None: for ever.
    kept_days: int | None = None
    sort_by: tuple[str, ...] = ()
    sql: str | None = None
    carry: str | None = None

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in their order."""
        return tuple(column.name for column in self.columns)


class EveryKind(ContractModel):
    """What holds for every kind.

    Its rules and its first column precede those of a kind, its other columns follow.
    """

    payload: tuple[Field, ...]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]


class UnsupportedSqlError(ValueError):
    """SQL that a check on evidence cannot use; the text names the expression."""
