"""Create the folders of LUMBUNG_HOME and the secrets file with its random keys."""

import fcntl
import os
import secrets as random
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import keep_files_private
from conf.settings import settings

ROLES = ("DEVICE", "OPERATOR", "CENTRAL", "ADMIN", "USER")
HOME_REMEDY = "choose another folder for LUMBUNG_HOME"


def home_fault() -> str | None:
    """Why nothing can be written below LUMBUNG_HOME; None when it can."""
    home = settings().home
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            return None
    except OSError as error:
        return f"LUMBUNG_HOME {home} cannot be written ({error.strerror})"


def random_secrets() -> dict[str, str]:
    """A value for every variable of the file, random where it is a key.

    Lasting bearers only where the knob accepts them. The time is that from which alerts and ledger entries
    need signatures: what an older home holds has none.
    """
    roles = ROLES if settings().identity.static_tokens else ()
    return {
        "JWT_SECRET": random.token_hex(32),
        "LUMBUNG_CURSOR_KEY": random.token_hex(32),
        "LUMBUNG_DECISION_KEYS": random.token_hex(32),
        "LUMBUNG_ACTS_SIGNED_SINCE": datetime.now(UTC).isoformat(),
        **{f"LUMBUNG_TOKEN_{role}": random.token_urlsafe(32) for role in roles},
    }


def complete(file: Path) -> list[str]:
    """Add the variables that the file lacks; returns their names. None is replaced, no value is shown.

    A new file has mode 0600. Of two set-ups at once the second finds the file complete.
    """
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8") as out:
        fcntl.flock(out, fcntl.LOCK_EX)
        text = out.read()
        present = {line.partition("=")[0].strip() for line in text.splitlines()}
        missing = {name: value for name, value in random_secrets().items() if name not in present}
        lines = "".join(f"{name}={value}\n" for name, value in missing.items())
        is_ended = not text or text.endswith("\n")
        out.write(lines if is_ended or not lines else f"\n{lines}")
    return list(missing)


def main() -> None:
    """Create what is missing. Idempotent. Exits 3 when LUMBUNG_HOME cannot be written."""
    if fault := home_fault():
        print(f"{fault}\n  remedy: {HOME_REMEDY}", file=sys.stderr)
        raise SystemExit(ExitCode.MISSING)
    here = settings()
    for folder in (here.home, here.state_dir, here.log_dir, here.landing_dir, here.run_dir):
        folder.mkdir(parents=True, exist_ok=True)
    for folder in (here.state_dir, here.log_dir, here.run_dir):  # home and landing may be shared on purpose
        folder.chmod(0o700)
    if added := complete(here.secrets_file):
        print(f"written to {here.secrets_file} (mode 0600): {', '.join(added)}", file=sys.stderr)


if __name__ == "__main__":
    keep_files_private()
    main()
