"""The keys with which this home signs decisions, alerts of people and ledger entries."""

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
    name, text = "LUMBUNG_ACTS_SIGNED_SINCE", known.acts_signed_since
    since = parse_time(text)
    if text and since is None:
        raise Refused(f"{name} is no RFC 3339 time with its offset: correct it")
    acts = [kind for kind in signed_kinds() if kind != "decision"]
    return SigningKeys(keys, dict.fromkeys(acts, since) if since else {})
