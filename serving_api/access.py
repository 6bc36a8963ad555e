"""Who is asking: one random bearer per role, made at set-up; compared in constant time."""

import hmac
import sys
from enum import IntEnum

from starlette.requests import Request

from conf.settings import Secrets, secrets
from lakehouse.contract import Contract
from serving_api.problems import Problem


class Role(IntEnum):
    """People by rank; a device stands apart and opens no person's route."""

    DEVICE = 0
    USER = 1
    OPERATOR = 2
    CENTRAL = 3
    ADMIN = 4


class Bearers:
    """The tokens of all roles. Raises SystemExit(5) when one is missing: an empty secret opens the door to everybody."""

    def __init__(self, known: Secrets | None = None) -> None:
        known = known or secrets()
        self._tokens = {role: getattr(known, f"token_{role.name.lower()}").encode() for role in Role}
        short = [role.name for role, token in self._tokens.items() if len(token) < 16]
        if short or len(known.cursor_key) < 16:
            print(f"no secret for {', '.join(short) or 'cursors'}: run ./run.sh setup", file=sys.stderr)
            raise SystemExit(5)
        self.cursor_key = known.cursor_key.encode()

    def role_of(self, request: Request) -> Role | None:
        """The role of the bearer, None without one. Raises Problem 401 for a token that nobody has."""
        given = request.headers.get("authorization")
        if given is None:
            return None
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Problem("unauthorized")
        matches = [role for role, known in self._tokens.items() if hmac.compare_digest(known, token.strip().encode())]
        if not matches:
            raise Problem("token-invalid")
        return matches[0]


def role_of(request: Request) -> Role | None:
    """The caller's role by the application's bearers."""
    bearers: Bearers = request.app.state.bearers
    return bearers.role_of(request)


def at_least(request: Request, wanted: Role) -> Role:
    """The caller's role. Raises Problem 401 without one, 403 when it is too low or a device."""
    role = role_of(request)
    if role is None:
        raise Problem("unauthorized")
    if role < wanted:
        raise Problem("forbidden", why=f"this needs the role {wanted.name.lower()}")
    return role


def operator(request: Request) -> Role:
    """Dependency: operator or above."""
    return at_least(request, Role.OPERATOR)


def may_send(role: Role, contract: Contract) -> bool:
    """Whether the role reaches what the contract asks of a sender; a device is the least."""
    return role >= Role[(contract.over_http or "admin").upper()]


def sender(request: Request) -> Role:
    """The caller's role if it may send events: a device, or an operator and above."""
    role = role_of(request)
    return role if role is Role.DEVICE else at_least(request, Role.OPERATOR)
