"""`lock`: make the lock files anew. Afterwards read the diff, run the tests, and commit."""

import subprocess
import sys

from conf.settings import REPO
from scripts.jars import SETS

UV = REPO / ".venv" / ".uv" / "bin" / "uv"
FLAGS = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header"]


def main() -> None:
    """requirements.lock by uv, jgo.lock.toml by jgo; both name checksums and no addresses."""
    subprocess.run([str(UV), "pip", "compile", "-q", *FLAGS, "-o", "requirements.lock", "requirements.in"], cwd=REPO, check=True)
    for folder in SETS:
        subprocess.run([sys.executable, "-m", "jgo", "lock"], cwd=folder, check=True)
