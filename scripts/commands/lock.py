"""`lock`: update the lock files. Afterwards read the diff, run the tests, and commit."""

import subprocess
import sys

from conf.settings import REPO
from scripts.console import new_app
from scripts.stack.jars import SETS

app = new_app(None)
UV = REPO / ".venv" / ".uv" / "bin" / "uv"
OPTIONS = (
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-annotate",
    "--no-header",
)


@app.command()
def lock() -> None:
    """Resolve requirements.in to requirements.lock and conf/jars/*/jgo.toml to jgo.lock.toml.

    Both name checksums and no addresses.
    """
    compiling = [str(UV), "pip", "compile", "-q", *OPTIONS, "-o", "requirements.lock", "requirements.in"]
    subprocess.run(compiling, cwd=REPO, check=True)
    for folder in SETS:
        subprocess.run([sys.executable, "-m", "jgo", "lock"], cwd=folder, check=True)
