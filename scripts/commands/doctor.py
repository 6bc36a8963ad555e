"""`doctor`: what is wrong with machine, settings and tables; every finding with its remedy."""

import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Annotated

import psutil
import typer

from conf.runtime.exit_codes import ExitCode
from conf.settings import secrets, settings
from lakehouse.arrow import missing_columns
from lakehouse.contracts.contract import ContractError, check_contracts, contracts
from lakehouse.io.kafka import is_open
from lakehouse.io.small_databases import damaged_databases, database_files
from lakehouse.io.source_files.formats import own_folder, source_formats
from lakehouse.io.table_files import altered_files, examined, remedy_of
from lakehouse.io.terminal import translated
from lakehouse.reference_check import check_lists
from lakehouse.reference_files import ReferenceListError, own_files
from lakehouse.reference_files import own_folder as own_lists
from scripts.commands.status import background_gold_findings, collector_findings, stream_findings
from scripts.console import AsJson, emit, new_app, progress
from scripts.stack import jars, lifecycle, ports, readiness, secrets_file, supervision, web_page
from scripts.stack.services import service_names
from streaming_jobs.startup import checks as startup_checks
from streaming_jobs.startup.checks import Finding

app = new_app(None)
MEMORY_MIN_GB = 4.0  # the stack stays below 3 GB RSS
SECRET_CHARACTERS = 32


@app.command()
def doctor(
    everything: Annotated[bool, typer.Option("--all", help="also print what is right")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="also read every data file of every table")] = False,
    as_json: AsJson = False,
) -> None:
    """Check machine, ports, jars, secrets, tables and checkpoint; exit 1 when something is wrong.

    What is wrong is printed with its remedy.
    """
    checked = findings(deep)
    faults = [finding for finding in checked if not finding.ok]
    if as_json:
        emit([asdict(finding) for finding in checked])
    else:
        for finding in checked if everything else faults:
            print(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {translated(finding.detail)}")
            if not finding.ok:
                print(f"     {translated(f'remedy: {finding.remedy}')}")
        outcome = f"{len(faults)} of {len(checked)} checks failed" if faults else "nothing is wrong"
        print(translated(outcome))
    raise typer.Exit(ExitCode.FAILED if faults else ExitCode.DONE)


def findings(deep: bool = False) -> list[Finding]:
    """All checks, in the order in which a new machine meets them. None stops the others."""
    checks: tuple[Callable[[], Iterable[Finding]], ...] = (
        _python,
        _java,
        _memory,
        _home,
        _disk,
        _jars,
        _web_page,
        _secrets,
        _databases,
        _contracts,
        _reference_lists,
        _file_formats,
        _services,
        stream_findings,
        background_gold_findings,
        collector_findings,
        *(partial(table_findings, name, deep) for name in contracts()),
        startup_checks.findings,
    )
    return [finding for check in progress(checks, "checking") for finding in check()]


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    remedy = "install Python 3.11 or newer, then ./run.sh setup"
    yield Finding("python", sys.version_info >= (3, 11), version, remedy)


def _java() -> Iterator[Finding]:
    remedy = "install OpenJDK 17 or 21 (apt install openjdk-17-jre-headless), or point JAVA_HOME at one"
    java = shutil.which("java")
    if java is None:
        yield Finding("java", False, "no java on the PATH", remedy)
        return
    output = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
    match = re.search(r'version "((\d+)[^"]*)"', output)
    version = match[1] if match else output
    yield Finding("java", bool(match and match[2] in ("17", "21")), f"{version} at {java}", remedy)


def _memory() -> Iterator[Finding]:
    total = psutil.virtual_memory().total / 2**30
    free = psutil.virtual_memory().available / 2**30
    detail = f"{free:.1f} of {total:.1f} GB free"
    remedy = "lower stream.driver_memory_mb and kafka.heap_mb"
    yield Finding("memory", total >= MEMORY_MIN_GB, detail, remedy)


def _home() -> Iterator[Finding]:
    fault = secrets_file.home_fault()
    yield Finding("home", fault is None, fault or f"{settings().home}", secrets_file.HOME_REMEDY)


def _disk() -> Iterator[Finding]:
    free = lifecycle.free_gb()
    detail = f"{free:.1f} GB free below {settings().home}"
    yield Finding("disk", free >= lifecycle.DISK_MIN_GB, detail, "make room, or move LUMBUNG_HOME")


def _jars() -> Iterator[Finding]:
    for folder in jars.SETS:
        differences = jars.faults(folder)
        detail = "; ".join(differences) or f"{len(jars.wanted(folder))} agree with the lock file"
        yield Finding(f"jars/{folder.name}", not differences, detail, "./run.sh setup")


def _web_page() -> Iterator[Finding]:
    is_current = web_page.built_digest() == web_page.digest()
    detail = "built from these sources" if is_current else "not built from these sources"
    yield Finding("web page", is_current, detail, "./run.sh setup")


def _secrets() -> Iterator[Finding]:
    file = settings().secrets_file
    if not file.exists():
        yield Finding("secrets", False, f"{file} is missing", "./run.sh setup")
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    yield Finding("secrets mode", mode == 0o600, f"{mode:04o} {file}", f"chmod 600 {file}")
    known = secrets()
    values = {
        "JWT_SECRET": known.jwt_secret,
        "LUMBUNG_CURSOR_KEY": known.cursor_key,
        "LUMBUNG_DECISION_KEYS": known.decision_keys,
    }
    short = [name for name, value in values.items() if len(value) < SECRET_CHARACTERS]
    variables = ", ".join(short)
    detail = f"too short or missing: {variables}" if short else f"{len(values)} keys"
    yield Finding("secrets", not short, detail, f"delete {variables} from {file}, ./run.sh setup")


def _databases() -> Iterator[Finding]:
    damaged = list(damaged_databases())
    for database in damaged:
        yield Finding(f"database {database.file.name}", False, database.fault, database.remedy)
    if not damaged:
        yield Finding("databases", True, f"{len(database_files())} can be read")


def _contracts() -> Iterator[Finding]:
    try:
        check_contracts()
        yield Finding("contracts", True, f"{len(contracts())} tables")
    except ContractError as error:
        yield Finding("contracts", False, str(error), "correct the YAML file named there")


def _reference_lists() -> Iterator[Finding]:
    try:
        check_lists()
        own = ", ".join(map(str, own_files())) or "none"
        yield Finding("reference lists", True, f"of {own_lists()}: {own}")
    except ReferenceListError as error:
        text, _, remedy = str(error).rpartition("; remedy: ")
        yield Finding("reference lists", False, text, remedy)


def _file_formats() -> Iterator[Finding]:
    """The files of formats that are not part of the repository, and every file that is not usable."""
    known = source_formats()
    own = [str(file) for file in known.files.values() if file.is_relative_to(own_folder())]
    detail = f"{len(known.formats)} usable; of {own_folder()}: {', '.join(own) or 'none'}"
    yield Finding("file formats", True, detail)
    for fault in known.faults.values():
        text, _, remedy = fault.rpartition("; remedy: ")
        yield Finding("file formats", False, text, remedy)


def _services() -> Iterator[Finding]:
    """Every service of a running stack; for a stopped one its orphans and its ports."""
    processes = supervision.processes()
    if not any(info["pid"] for info in processes.values()):
        if pids := [process.pid for process in supervision.members()]:
            yield Finding("orphans", False, f"processes of a killed stack: {pids}", "./run.sh down")
        yield from _ports()
        return
    for name in service_names():
        info = processes[name]
        detail = f"{info['statename'].lower()}, {info['description']}"
        remedy = f"./run.sh logs {name}; ./run.sh up"
        restarts = supervision.restarts(name)
        if restarts.count:
            detail += f", restarted {restarts.count} times"
        is_ready = readiness.ready(name, info) and not restarts.again_and_again
        yield Finding(f"service {name}", is_ready, detail, remedy)
    for port in ports.wanted():
        if (pid := processes[port.service]["pid"]) and ports.is_foreign(port, pid):
            detail = f"{port.use}: held by {ports.holder(port.number)}, which is of no service of this home"
            yield Finding(f"port {port.number}", False, detail, f"stop it, or {port.remedy}")


def _ports() -> Iterator[Finding]:
    for port in ports.wanted():
        is_free = not is_open(port.host, port.number)
        detail = f"{port.use}: {'free' if is_free else f'held by {ports.holder(port.number)}'}"
        yield Finding(f"port {port.number}", is_free, detail, f"stop the holder, or {port.remedy}")


def table_findings(name: str, deep: bool) -> Iterator[Finding]:
    """A table, if it exists. `deep`: every data file is read."""
    remedy = "a newer reader version was switched on by hand; ./run.sh rebuild silver writes the table again"
    table, problems = examined(name, deep)
    problems = problems or altered_files(name)
    for fault in problems:
        yield Finding(f"table {name}", False, fault, remedy_of(name))
    if table is None or problems:
        return
    names = {column.name for column in table.schema().fields}
    if missing := missing_columns(contracts()[name], names):
        lacking = f"of an earlier version: it lacks {', '.join(column.name for column in missing)}"
        yield Finding(f"table {name}", False, lacking, "./run.sh up adds them")
        return
    reader = table.protocol().min_reader_version
    detail = f"version {table.version()}, reader version {reader}"
    yield Finding(f"table {name}", reader == 1, detail, remedy)
