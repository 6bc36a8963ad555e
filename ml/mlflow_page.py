"""MLflow's own page over the runs of this home, on loopback; or where the page of a server is."""

import os
import subprocess
import sys

from conf.settings import child_environment, settings

NO_STORE = 3


def main(port: str) -> int:
    """Serve until Ctrl-C. Exit code 3 before the first run."""
    uri = settings().mlflow_uri
    if uri.startswith(("http://", "https://")):
        print(f"runs are kept by a server: open {uri}", file=sys.stderr)
        return 0
    if settings().mlflow_tracking_uri is None and not (settings().mlflow_dir / "mlflow.db").exists():
        print("no run yet; the first is made by ./run.sh train", file=sys.stderr)
        return NO_STORE
    print(f"MLflow: http://127.0.0.1:{port}   (Ctrl-C ends it)", file=sys.stderr)
    command = ["-m", "mlflow", "ui", "--backend-store-uri", uri, "--host", "127.0.0.1", "--port", port, "--workers", "1"]
    settings().mlflow_dir.mkdir(parents=True, exist_ok=True)
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment = child_environment(**quiet)  # the page only shows: no jobs, and none of their processes
    os.chdir(settings().mlflow_dir)
    return subprocess.run([sys.executable, *command], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "5000"))
