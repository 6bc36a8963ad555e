"""The refusal of a weak password, with its reason."""

from lakehouse.event import Fault
from lakehouse.identity.passwords import password_fault
from serving_api.http.messages import message
from serving_api.http.problems import Problem


def require_strong(password: str, email: str = "", field: str = "password") -> None:
    """Raises Problem 422 with the rule that the password breaks. Call it in a thread: up to 0.3 s."""
    rule = password_fault(password, email)
    if rule is not None:
        text = message(rule)
        raise Problem("weak-password", [Fault(f"/{field}", rule, text)], reason=text)
