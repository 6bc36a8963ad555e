"""The hash chain of the audit: each entry's hash covers its fields and the hash of the entry before it."""

from collections.abc import Mapping
from typing import Any

from lakehouse.ledger.canonical import canonical, digest

GENESIS = "0" * 64  # previous_hash of entry 0
FIELDS = ("index", "at", "actor", "action", "object", "outcome", "detail", "previous_hash")


def entry_hash(entry: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON (RFC 8785) of FIELDS, 64 hexadecimal digits."""
    return digest(canonical({name: entry[name] for name in FIELDS}))
