"""The keys of decisions of this home."""

from conf.runtime.process import Refused
from conf.settings import secrets
from lakehouse.signatures import DecisionKeys
from lakehouse.times import parse_time

LEAST_KEY_LENGTH = 32


def decision_keys() -> DecisionKeys:
    """The keys from the environment, else from the secrets file.

    Raises Refused without a key, or when the time of the first signature cannot be read.
    """
    known = secrets()
    keys = tuple(filter(None, map(str.strip, known.decision_keys.split(","))))
    if not keys or min(map(len, keys)) < LEAST_KEY_LENGTH:
        raise Refused(
            "LUMBUNG_DECISION_KEYS, which sign decisions, are missing or shorter than "
            f"{LEAST_KEY_LENGTH} characters: ./run.sh setup writes one"
        )
    since = parse_time(known.decisions_signed_since)
    if known.decisions_signed_since and since is None:
        raise Refused("LUMBUNG_DECISIONS_SIGNED_SINCE is no RFC 3339 time with its offset: correct it")
    return DecisionKeys(keys, since)
