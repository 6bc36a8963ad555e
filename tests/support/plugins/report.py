"""Plugin of pytest: what a run was made of, as a summary for people and as a file for `./run.sh test`."""

import faulthandler
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FIXTURES_SHOWN = 12
SHOWN_FROM_SECONDS = 3  # files that take less are left out of the summary
TRACE_LINES = 60  # of a crash: its own thread comes early


class RunReport:
    """Collects the outcomes of all tests, also those that other workers report."""

    def __init__(self, file: str | None) -> None:
        self.file = file
        self.failed: dict[str, str] = {}
        self.passed: set[str] = set()
        self.skipped: Counter[str] = Counter()
        self.not_collected: list[str] = []
        self.crashed: list[str] = []
        self.fixture_seconds: Counter[str] = Counter()
        self.cpu_seconds: Counter[str] = Counter()  # by file, with the processes that have ended
        self._began = time.time()
        self._workers: dict[str, list[tuple[float, float, str]]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Iterator[None]:
        began = time.perf_counter()
        try:
            return (yield)
        finally:
            if fixturedef.scope != "function":
                self.fixture_seconds[fixturedef.argname] += time.perf_counter() - began

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        before = sum(os.times()[:4])
        try:
            return (yield)
        finally:
            self.cpu_seconds[item.nodeid.partition("::")[0]] += sum(os.times()[:4]) - before

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["fixture_seconds"] = dict(self.fixture_seconds)
            session.config.workeroutput["cpu_seconds"] = dict(self.cpu_seconds)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        output = getattr(node, "workeroutput", {})  # a worker that was killed has none
        self.fixture_seconds.update(output.get("fixture_seconds", {}))
        self.cpu_seconds.update(output.get("cpu_seconds", {}))

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        self.crashed.append(crashitem)
        worker: Any = report.node  # type: ignore[attr-defined]
        report.longrepr = f"{report.longrepr}\n{trace_of_crash(worker.workerinput)}"

    def _name(self, nodeid: str) -> str:
        """The name without the group that xdist adds for its workers."""
        name, separator, _ = nodeid.rpartition("@")
        return name if separator and self._has_groups else nodeid

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session
        options = session.config.option
        self._has_groups = bool(options.numprocesses) and options.dist == "loadgroup"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.not_collected.append(report.nodeid)
            self._session.shouldstop = "a file cannot be collected"  # other workers would go on for long

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = self._name(report.nodeid)
        worker = getattr(report, "worker_id", "one process")
        self._workers.setdefault(worker, []).append((report.start, report.stop, name))
        if report.failed:
            shown = [report.longreprtext, *(f"--- {title}\n{text}" for title, text in report.sections)]
            self.failed[name] = "\n".join([self.failed.get(name, ""), *shown]).strip()
        elif report.skipped and isinstance(report.longrepr, tuple):
            self.skipped[report.longrepr[2].removeprefix("Skipped: ")] += 1
        elif report.when == "call":
            self.passed.add(name)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if len(self._workers) > 1:
            for worker, tests in sorted(self._workers.items()):
                busy = sum(stop - start for start, stop, _ in tests)
                _, end, last = max(tests, key=lambda test: test[1])
                after = end - self._began
                terminalreporter.write_line(
                    f"{worker}: {busy:.0f} s of tests, at {after:.0f} s the last: {last}"
                )
            files = Counter[str]()
            for start, stop, name in (test for tests in self._workers.values() for test in tests):
                files[name.partition("::")[0]] += stop - start
            terminalreporter.write_line("slowest files, with their fixtures: seconds, of them CPU")
            for name, seconds in files.most_common():
                if seconds < SHOWN_FROM_SECONDS:
                    break
                terminalreporter.write_line(f"{seconds:7.1f} {self.cpu_seconds[name]:7.1f} {name}")
            terminalreporter.write_line(f"CPU of all tests: {self.cpu_seconds.total():.0f} s")
        longest = [each for each in self.fixture_seconds.most_common(FIXTURES_SHOWN) if each[1] >= 1]
        if longest:
            shown = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in longest)
            terminalreporter.write_line(f"shared fixtures, all workers: {shown}")

    def pytest_unconfigure(self) -> None:
        if self.file:
            fields = ("failed", "skipped", "not_collected", "crashed")
            outcomes = {name: getattr(self, name) for name in fields} | {"passed": sorted(self.passed)}
            Path(self.file).write_text(json.dumps(outcomes), encoding="utf-8")


def trace_file(worker_input: dict[str, Any]) -> Path:
    """Where a worker writes its threads when a signal as SIGSEGV ends it."""
    return Path(tempfile.gettempdir(), f"trace-{worker_input['testrunuid']}-{worker_input['workerid']}.txt")


def trace_of_crash(worker_input: dict[str, Any]) -> str:
    """What a worker that crashed was doing, its own threads of Python."""
    file = trace_file(worker_input)
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return "\n".join(lines[:TRACE_LINES]) or "without a trace: it was killed, or called exit"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("lumbung").addoption("--report", metavar="FILE", help="write the outcomes as JSON")


@pytest.hookimpl(
    trylast=True
)  # after pytest's own plugin, which would write among the lines of other workers
def pytest_configure(config: pytest.Config) -> None:
    worker_input = getattr(config, "workerinput", None)
    config.pluginmanager.register(
        RunReport(config.option.report if worker_input is None else None), "run report"
    )
    if worker_input is not None:
        trace = trace_file(worker_input).open("w", encoding="utf-8")
        faulthandler.enable(trace)
        config.add_cleanup(lambda: (faulthandler.disable(), trace.close(), Path(trace.name).unlink()))
