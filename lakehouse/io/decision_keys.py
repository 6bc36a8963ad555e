"""The keys of decisions of this home."""

from conf.runtime.process import Refused
from conf.settings import secrets
from lakehouse.signatures import DecisionKeys

LEAST_KEY_LENGTH = 32


def decision_keys() -> DecisionKeys:
    """The keys from the environment, else from the secrets file. Raises Refused without one."""
    known = secrets()
    keys = tuple(filter(None, map(str.strip, known.decision_keys.split(","))))
    if not keys or min(map(len, keys)) < LEAST_KEY_LENGTH:
        raise Refused(
            "LUMBUNG_DECISION_KEYS, which sign decisions, are missing or shorter than "
            f"{LEAST_KEY_LENGTH} characters: ./run.sh setup writes one"
        )
    return DecisionKeys(keys, known.decisions_signed_since)
