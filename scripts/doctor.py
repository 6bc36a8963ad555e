"""`doctor`: what is wrong with machine, settings and tables; every finding with its remedy."""

import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import psutil

from conf.settings import secrets, settings
from lakehouse.contract import ContractError, contracts
from scripts import jars, ports, readiness, supervision
from scripts.tables import open_table
from streaming_jobs import guard
from streaming_jobs.guard import Finding

DISK_MIN_GB = 2.0
HEAVY_SILENT_ROUNDS = 10  # a round from nothing takes as long as some ordinary ones
MEMORY_MIN_GB = 4.0  # the stack stays below 3 GB RSS


def findings() -> list[Finding]:
    """All checks, in the order in which a new machine meets them. None stops the others."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python, _java, _memory, _disk, _jars, _secrets, _contracts, _services, _heavy_gold, _tables, _checkpoint,
    )  # fmt: skip
    return [finding for check in checks for finding in check()]


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer, then ./run.sh setup")


def _java() -> Iterator[Finding]:
    remedy = "install OpenJDK 17 or 21 (apt install openjdk-17-jre-headless), or point JAVA_HOME at one"
    java = shutil.which("java")
    if java is None:
        yield Finding("java", False, "no java on the PATH", remedy)
        return
    words = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
    found = re.search(r'version "((\d+)[^"]*)"', words)
    yield Finding("java", bool(found and found[2] in ("17", "21")), f"{found[1] if found else words} at {java}", remedy)


def _memory() -> Iterator[Finding]:
    total = psutil.virtual_memory().total / 2**30
    free = psutil.virtual_memory().available / 2**30
    yield Finding(
        "memory", total >= MEMORY_MIN_GB, f"{free:.1f} of {total:.1f} GB free", "lower stream.driver_memory_mb and kafka.heap_mb"
    )


def _disk() -> Iterator[Finding]:
    free = psutil.disk_usage(str(settings().home)).free / 2**30
    yield Finding("disk", free >= DISK_MIN_GB, f"{free:.1f} GB free below {settings().home}", "make room, or move LUMBUNG_HOME")


def _jars() -> Iterator[Finding]:
    for folder in jars.SETS:
        wrong = jars.faults(folder)
        detail = "; ".join(wrong) or f"{len(jars.wanted(folder))} agree with the lock file"
        yield Finding(f"jars/{folder.name}", not wrong, detail, f"delete {folder / '.jgo'} and run ./run.sh setup")


def _secrets() -> Iterator[Finding]:
    file = settings().secrets_file
    if not file.exists():
        yield Finding("secrets", False, f"{file} is missing", "./run.sh setup")
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    yield Finding("secrets mode", mode == 0o600, f"{mode:04o} {file}", f"chmod 600 {file}")
    short = [name for name, value in secrets().model_dump().items() if len(value) < 32]
    yield Finding(
        "secrets",
        not short,
        f"too short or missing: {', '.join(short)}" if short else "one per role",
        f"delete {file}, ./run.sh setup",
    )


def _contracts() -> Iterator[Finding]:
    try:
        yield Finding("contracts", True, f"{len(contracts())} tables")
    except ContractError as error:
        yield Finding("contracts", False, str(error), "mend the YAML file named there")


def _services() -> Iterator[Finding]:
    now = supervision.processes()
    if not any(info["pid"] for info in now.values()):
        left = supervision.members()
        if left:
            yield Finding("orphans", False, f"processes of a killed stack: {[p.pid for p in left]}", "./run.sh down")
        for what, (host, port) in ports.wanted().items():
            is_free = not ports.is_open(host, port)
            detail = "free" if is_free else f"held by {ports.holder(port)}"
            yield Finding(
                f"port {port}", is_free, f"{what}: {detail}", "stop the holder, or choose another port in conf/lumbung.yml"
            )
        return
    for name in supervision.services():
        info = now[name]
        ready = readiness.ready(name, info)
        yield Finding(
            f"service {name}", ready, f"{info['statename'].lower()}, {info['description']}", f"./run.sh logs {name}; ./run.sh up"
        )


def _heavy_gold() -> Iterator[Finding]:
    """What the process of heavier gold says of its last rounds; nothing before its first start."""
    said = readiness.heavy_progress()
    if said is None:
        return
    failing = [f"{name}: {job['failure']}" for name, job in said["jobs"].items() if job["failure"]]
    age = (datetime.now(UTC) - datetime.fromisoformat(said["updated_at"])).total_seconds()
    runs = said["state"] == "running" and psutil.pid_exists(said["pid"])
    silent = runs and age > HEAVY_SILENT_ROUNDS * settings().stream.heavy_trigger_seconds
    detail = "; ".join(failing) or f"{said['state']}, {said['rounds']} rounds, told {age:.0f} s ago"
    yield Finding("heavier gold", not failing and not silent, detail, "./run.sh logs heavy_gold; ./run.sh up")


def _tables() -> Iterator[Finding]:
    for name in contracts():
        table = open_table(name)
        if table is not None:
            reader = table.protocol().min_reader_version
            remedy = "a newer reader version was switched on by hand; ./run.sh rebuild silver writes it anew"
            yield Finding(f"table {name}", reader == 1, f"version {table.version()}, reader version {reader}", remedy)


def _checkpoint() -> Iterator[Finding]:
    yield from guard.findings()
