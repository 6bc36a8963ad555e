"""MLflow's own page over the runs of this home, on loopback; or the address of the server that has it."""

import os
import subprocess
import sys

from conf.runtime.exit_codes import ExitCode
from conf.settings import child_environment, settings
from lakehouse.io.terminal import translated

# The page only shows: no jobs, and none of their processes.
READ_ONLY_PAGE = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def main(port: str) -> int:
    """Serve until Ctrl-C. Exit code 3 before the first run."""
    uri = settings().mlflow_uri
    if uri.startswith(("http://", "https://")):
        print(translated(f"a server keeps the runs: open {uri}"), file=sys.stderr)
        return ExitCode.DONE
    if settings().mlflow_tracking_uri is None and not (settings().mlflow_dir / "mlflow.db").exists():
        print(translated("no run yet; ./run.sh train makes the first"), file=sys.stderr)
        return ExitCode.MISSING
    print(translated(f"MLflow: http://127.0.0.1:{port}   (stop with Ctrl-C)"), file=sys.stderr)
    options = {"backend-store-uri": uri, "host": "127.0.0.1", "port": port, "workers": "1"}
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    settings().mlflow_dir.mkdir(parents=True, exist_ok=True)
    os.chdir(settings().mlflow_dir)
    command = [sys.executable, "-m", "mlflow", "ui", *arguments]
    return subprocess.run(command, env=child_environment(**READ_ONLY_PAGE)).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "5000"))
