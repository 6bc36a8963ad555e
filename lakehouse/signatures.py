"""Signatures of events: HMAC-SHA256 (RFC 2104) over the canonical form (RFC 8785) of the event.

Whoever may write to Kafka could otherwise release any quarantined event, raise or acknowledge alerts, and put
prices on record in the ledger. A kind is signed when its contract has the rule `<kind>_signed`.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from lakehouse.event import Event
from lakehouse.ledger.canonical import canonical

SIGNED = ("event_id", "kind", "source", "received_at", "value")


def signature_of(event: Mapping[str, Any], key: str) -> str:
    """64 hexadecimal digits over the fields SIGNED of the event; `value`: its exact bytes."""
    return hmac.digest(key.encode(), canonical({name: event[name] for name in SIGNED}), "sha256").hex()


@dataclass(frozen=True)
class SigningKeys:
    """Who may send events of signed kinds: the programs that have a key.

    `keys`: the newest first. `signed_since`: kind -> events of batches before that time need no signature,
    which their programs did not know; of a kind without a time every event needs one.
    """

    keys: tuple[str, ...]
    signed_since: Mapping[str, datetime] = field(default_factory=dict)

    def sign(self, event: Event) -> Event:
        """The event with a signature by the newest key."""
        return replace(event, signature=signature_of(vars(event), self.keys[0]))

    def verify(self, event: Mapping[str, Any], signature: str | None, batch_time: datetime) -> bool:
        """Whether the signature is one by any of the keys, or none was needed in a batch of that time."""
        if signature is None:
            since = self.signed_since.get(event["kind"])
            return since is not None and batch_time < since
        given = signature.encode()
        return any(hmac.compare_digest(signature_of(event, key).encode(), given) for key in self.keys)
