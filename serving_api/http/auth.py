"""Roles and the bearer token of each: created by `setup`, compared in constant time."""

import hmac
import sys
from enum import IntEnum

from starlette.requests import Request

from conf.runtime.exit_codes import ExitCode
from conf.settings import Secrets, secrets
from lakehouse.contracts.contract import Contract
from serving_api.http.problems import Problem

LEAST_SECRET_LENGTH = 16


class Role(IntEnum):
    """Roles of people by rank. A device is not a person: it has only the routes that name it."""

    DEVICE = 0
    USER = 1
    OPERATOR = 2
    CENTRAL = 3
    ADMIN = 4


class Bearers:
    """The tokens of all roles.

    Raises SystemExit(5) when one is missing: an empty token would admit everybody.
    """

    def __init__(self, known: Secrets | None = None) -> None:
        known = known or secrets()
        self._tokens = {role: getattr(known, f"token_{role.name.lower()}").encode() for role in Role}
        short = [role.name for role, token in self._tokens.items() if len(token) < LEAST_SECRET_LENGTH]
        if short or len(known.cursor_key) < LEAST_SECRET_LENGTH:
            print(f"no secret for {', '.join(short) or 'cursors'}: run ./run.sh setup", file=sys.stderr)
            raise SystemExit(ExitCode.REFUSED)
        self.cursor_key = known.cursor_key.encode()

    def role_of(self, request: Request) -> Role | None:
        """The role of the request's bearer token, None without a token.

        Raises Problem 401 for an unknown one.
        """
        header = request.headers.get("authorization")
        if header is None:
            return None
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Problem("unauthorized")
        matches = [
            role for role, known in self._tokens.items() if hmac.compare_digest(known, token.strip().encode())
        ]
        if not matches:
            raise Problem("token-invalid")
        return matches[0]


def may_send(role: Role, contract: Contract) -> bool:
    """Whether the role is high enough to send events of the contract's kind. A device has the lowest rank."""
    return role >= Role[(contract.over_http or "admin").upper()]
