"""Signatures of decisions: HMAC-SHA256 (RFC 2104) over the canonical form (RFC 8785) of the event.

Whoever may write to Kafka could otherwise release any quarantined event.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lakehouse.event import Event
from lakehouse.ledger.canonical import canonical

SIGNED = ("event_id", "kind", "source", "received_at", "value")


def signature_of(event: Mapping[str, Any], key: str) -> str:
    """64 hexadecimal digits over the fields SIGNED of the event; `value`: its exact bytes."""
    return hmac.digest(key.encode(), canonical({name: event[name] for name in SIGNED}), "sha256").hex()


@dataclass(frozen=True)
class DecisionKeys:
    """Who may decide: the programs that have a key.

    `keys`: the newest first. `signed_since`: decisions of batches before that time need no signature, which
    their programs did not know; None: every decision needs one.
    """

    keys: tuple[str, ...]
    signed_since: datetime | None = None

    def sign(self, event: Event) -> Event:
        """The event with a signature by the newest key."""
        return replace(event, signature=signature_of(vars(event), self.keys[0]))

    def verify(self, event: Mapping[str, Any], signature: str | None, batch_time: datetime) -> bool:
        """Whether the signature is one by any of the keys, or none was needed in a batch of that time."""
        if signature is None:
            return self.signed_since is not None and batch_time < self.signed_since
        given = signature.encode()
        return any(hmac.compare_digest(signature_of(event, key).encode(), given) for key in self.keys)
