"""The bearer with which commands call the API of this machine: who can read the secrets file can sign."""

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import Refused
from lakehouse.identity.roles import Role
from lakehouse.io.identity.tokens import TokenSigner
from scripts.console import fail

SECONDS = 300


def local_token(role: Role, seconds: int = SECONDS) -> str:
    """A token of the role that ends after so many seconds. Exits 3 without a secret that can sign."""
    try:
        return TokenSigner().sign_local(role, seconds)
    except Refused as refusal:
        fail(str(refusal), ExitCode.MISSING)


def local_bearer(role: Role) -> dict[str, str]:
    """The header of a request in this role. Exits 3 without a secret that can sign."""
    return {"Authorization": f"Bearer {local_token(role)}"}
