"""The isolation forest, grown in a process that ends: the library that grows it would stay in memory for good (95 MB)."""

import pickle
import subprocess
import sys

from conf.settings import REPO, child_environment
from lakehouse.validation import forest


def adopt() -> None:
    """Let this process score with a forest that another one has grown. When that fails it will grow its own."""
    command = [sys.executable, "-m", "streaming_jobs.grown_forest"]
    grown = subprocess.run(command, cwd=REPO, env=child_environment(), stdout=subprocess.PIPE, check=False)
    if grown.returncode == 0:
        forest.adopt(pickle.loads(grown.stdout))  # noqa: S301  (our own child's words)


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps(forest.trees()))
