"""The keys with which this home signs decisions, alerts of people and ledger entries."""

from datetime import datetime

from conf.runtime.process import Refused
from conf.settings import secrets
from lakehouse.contracts.history_rules import signed_kinds
from lakehouse.signatures import SigningKeys
from lakehouse.times import parse_time

LEAST_KEY_LENGTH = 32


def signing_keys() -> SigningKeys:
    """The keys from the environment, else from the secrets file.

    Raises Refused without a key, or when the time of a first signature cannot be read.
    """
    known = secrets()
    keys = tuple(filter(None, map(str.strip, known.decision_keys.split(","))))
    if not keys or min(map(len, keys)) < LEAST_KEY_LENGTH:
        raise Refused(
            "LUMBUNG_DECISION_KEYS, which sign decisions, are missing or shorter than "
            f"{LEAST_KEY_LENGTH} characters: ./run.sh setup writes one"
        )
    acts_since = _time("LUMBUNG_ACTS_SIGNED_SINCE", known.acts_signed_since)
    decisions_since = _time("LUMBUNG_DECISIONS_SIGNED_SINCE", known.decisions_signed_since)
    since = dict.fromkeys(signed_kinds(), acts_since) | {"decision": decisions_since}
    return SigningKeys(keys, {kind: time for kind, time in since.items() if time})


def _time(name: str, text: str) -> datetime | None:
    time = parse_time(text)
    if text and time is None:
        raise Refused(f"{name} is no RFC 3339 time with its offset: correct it")
    return time
