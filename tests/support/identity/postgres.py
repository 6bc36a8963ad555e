"""A PostgreSQL of its own in a folder, where the server is installed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.stack.throwaway import free_ports
from tests.support.waiting import eventually

BINARIES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
MISSING = "no PostgreSQL server is installed (Debian/Ubuntu: apt install postgresql)"


def program(name: str) -> str | None:
    """Path of a program of the server, None where it is not installed."""
    return str(BINARIES / name) if BINARIES else shutil.which(name)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Address of a database for SQLAlchemy; the server ends with the block. It refuses to run as root."""
    account = {"user": "postgres"} if os.geteuid() == 0 else {}
    folder.mkdir()
    if account:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    command = [str(program("initdb")), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"]
    subprocess.run(command, check=True, capture_output=True, cwd="/", **account)
    port = free_ports(1)[0]
    options = ["-p", str(port), "-k", str(folder), "-h", "127.0.0.1", "-c", "fsync=off"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(program("postgres")), "-D", str(data), *options], cwd="/", stderr=log, **account
        )
    ready = [str(program("pg_isready")), "-h", "127.0.0.1", "-p", str(port)]
    try:
        eventually(
            lambda: process.poll() is not None or subprocess.run(ready, capture_output=True).returncode == 0
        )
        assert process.poll() is None, (folder / "log").read_text()
        yield f"postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait(30)


def empty(url: str) -> None:
    """Remove every table."""
    statement = "drop schema public cascade; create schema public"
    address = url.replace("+asyncpg", "")
    subprocess.run([str(program("psql")), "-q", address, "-c", statement], check=True, capture_output=True)
