"""Create the folders of LUMBUNG_HOME and the secrets file: one random bearer per role, and the cursor key."""

import os
import secrets as random
import sys
from pathlib import Path

from conf.settings import settings

ROLES = ("DEVICE", "OPERATOR", "CENTRAL", "ADMIN", "USER")


def write(file: Path) -> bool:
    """Write the file with mode 0600 unless it exists; True when it was written. Values are never shown."""
    lines = [f"LUMBUNG_TOKEN_{role}={random.token_urlsafe(32)}\n" for role in ROLES]
    lines.append(f"LUMBUNG_CURSOR_KEY={random.token_hex(32)}\n")
    draft = file.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.writelines(lines)
    try:
        os.link(draft, file)  # fails if another set-up was first: secrets are never replaced
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def main() -> None:
    """Create what is missing. Idempotent."""
    here = settings()
    for folder in (here.home, here.state_dir, here.log_dir, here.landing_dir, here.run_dir):
        folder.mkdir(parents=True, exist_ok=True)
    if write(here.secrets_file):
        print(f"secrets written to {here.secrets_file} (mode 0600)", file=sys.stderr)


if __name__ == "__main__":
    main()
