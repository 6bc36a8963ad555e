"""What a contract is made of: columns, payload fields and rules."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warn"]
FieldType = Literal["string", "number", "integer", "timestamp", "date", "boolean", "strings", "object"]


@dataclass(frozen=True)
class Column:
    name: str
    type: str  # Spark SQL type
    says: str
    unit: str | None = None


@dataclass(frozen=True)
class Field:
    """One field of a payload, as a door may check it: JSON type, presence and range.

    `strings` is an array of strings, `date` text YYYY-MM-DD, `object` any JSON object, which is kept as its text.
    """

    name: str
    type: FieldType
    says: str
    required: bool = False
    one_of: str | None = None  # at least one field of this group must be given
    above: float | None = None  # exclusive lower bound
    min: float | None = None
    max: float | None = None
    min_length: int | None = None  # characters
    max_length: int | None = None
    pattern: str | None = None
    enum: tuple[str, ...] | None = None
    default: str | None = None  # what an absent value means
    names: str | None = None  # the reference list that the value is looked up in; messages then say what is nearest
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
