"""A Spark master and workers of one core each, from the pyspark wheel: the wheel has no start scripts."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark

from conf.settings import child_environment
from scripts.stack.patience import TimedOut, comes_true
from scripts.stack.throwaway import free_ports

SPARK_HOME = Path(pyspark.__file__).parent
MASTER = "org.apache.spark.deploy.master.Master"
START_SECONDS = 120.0
WORKER = "org.apache.spark.deploy.worker.Worker"


class SparkCluster:
    """`url`: what `stream.master` is set to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        port, self._web_port = free_ports(2)
        self.url = f"spark://127.0.0.1:{port}"
        address = ("--host", "127.0.0.1", "--port", str(port), "--webui-port", str(self._web_port))
        self._processes = [self._start("master", MASTER, *address)]
        self._wait_for("master", "New state: ALIVE")

    def add_worker(self, name: str) -> None:
        """One core, for one executor."""
        (port,) = free_ports(1)
        shape = ("--host", "127.0.0.1", "--cores", "1", "--memory", "1g", "--webui-port", str(port))
        self._processes.append(self._start(name, WORKER, self.url, *shape))
        self._wait_for(name, "Successfully registered")

    def _start(self, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
        folder = self._folder / name
        folder.mkdir(parents=True)
        own = {
            "SPARK_HOME": str(SPARK_HOME),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_WORKER_DIR": str(folder),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_DAEMON_MEMORY": "256m",
        }
        with self._log_file(name).open("wb") as log:
            return subprocess.Popen(
                [SPARK_HOME / "bin" / "spark-class", *arguments],
                env=child_environment(**own),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _log_file(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _wait_for(self, name: str, text: str) -> None:
        """Return when the log of a process holds the text. Raises TimedOut."""
        log = self._log_file(name)
        if not comes_true(lambda: text in log.read_text(errors="replace"), START_SECONDS):
            raise TimedOut(f"{name} has not started within {START_SECONDS:.0f} s, see {log}")

    def stop(self) -> None:
        """End all processes."""
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[SparkCluster]:
    """A master and so many workers."""
    running = SparkCluster(folder)
    try:
        for number in range(workers):
            running.add_worker(f"worker-{number}")
        yield running
    finally:
        running.stop()
