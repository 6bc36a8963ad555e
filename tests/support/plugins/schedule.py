"""Plugin of pytest: which tests run by default, and which of them share a worker.

The default leaves out tests marked `slow` (on-demand models, the stream on Spark, long chaos runs). `--slow`
runs only those, the tests whose stream or stack is on Spark there, and the random search of Hypothesis: what
would show the same as by default is not run again. `--fast` runs what needs no JVM and no trained model.
With several workers a group stays on one, so that a worker has at most one Spark session, one real broker and
one stack.
"""

import os
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
import time_machine
from hypothesis import is_hypothesis_test

BEGAN = time.monotonic()
TESTS = Path(__file__).parents[2]
GOAL_SECONDS = {"default": 12 * 60, "fast": 90, "slow": 25 * 60}
RUN_ID = "LUMBUNG_TEST_RUN"  # in the environment of every process that a run starts
# Groups in the order in which they start, the longest first, and the paths below tests/ that belong to them.
# Those of the API come before chaos: three JVMs with Spark at once would need memory and patience.
# Tests that use the Spark session are the group "spark" in whatever file; those that use the real broker, in
# files of the doors or of no group, are the group "stream", which has one. A file that is not named here is a
# group of its own and starts after these; with `--fast` only such files run, and those of FAST.
GROUPS: dict[str, tuple[str, ...]] = {
    "stack": (
        "integration/test_idle",
        "integration/test_real_sets",
        "integration/test_poison_verdicts",
        "integration/test_stack",
    ),
    "spark": (),
    "api models": ("serving_api/models",),
    "api": ("serving_api",),
    "chaos": ("integration/test_chaos",),
    "doors": ("producers",),
    "repairs": ("streaming_jobs/repair", "streaming_jobs/test_reviews", "streaming_jobs/test_signed"),
    "stream": ("streaming_jobs",),
    "browser": ("browser",),
    "training": ("ml/test_trainer", "ml/forecasts/test_training_round", "ml/sales"),
    "fan-out": ("ml/models/test_parallel",),
    "models": ("ml/models",),
    "how-to": ("docs/test_how_to",),
}
# They need no broker and no JVM, but start processes, fit models in numbers, read published sets or recompute
# whole tables: seconds each.
NOT_FAST = (
    "docs/test_bring_your_own_data",
    "docs/test_snippets",
    "lakehouse/io/source_files/test_published_files",
    "lakehouse/test_sensor_sequences",
    "lakehouse/test_series_sequences",
    "lakehouse/test_walk_speed",
    "laws",
    "ml/anomalies/test_job",
    "ml/evaluation/test_gate",
    "ml/evaluation/test_worker_deaths",
    "ml/forecasts",
    "ml/impact/test_attribution",
    "ml/risk",
    "ml/sentiment/test_training_round",
    "ml/trading",
    "ml/weather",
    "scripts/bench",
    "scripts/chaos/test_verify",
    "scripts/commands",
    "scripts/stack/test_lifecycle",
    "scripts/test_suite",
    "streaming_jobs",
    "test_loaded_libraries",
)
LEFT_OUT_OF_FAST = (*NOT_FAST, *(path for paths in GROUPS.values() for path in paths))
# Files of the groups that run with `--fast` all the same: their tests take less than 0.3 s. Those that are
# named are left out: they start processes, halt the broker or fill a disk.
FAST: dict[str, tuple[str, ...]] = {
    "serving_api/test_decisions.py": ("test_nothing_is_decided_while",),
    "serving_api/test_idempotency.py": (
        "test_request_that_a_kill",
        "test_key_of_a_503",
        "test_events_of_a_503",
        "test_full",
    ),
    "serving_api/test_ingest.py": ("test_body_larger_than_the_limit", "test_503_while", "test_upload_that"),
    "serving_api/test_price_check.py": (),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lumbung")
    group.addoption("--fast", action="store_true", help="no JVM, no training")
    group.addoption("--at", metavar="TIME", help="the clock of the tests starts at this time")
    group.addoption("--slow", action="store_true", help="only what the default leaves out")


def is_of_any_engine(item: pytest.Item) -> bool:
    """Whether the stream of the test is on Spark with `--slow`, embedded else."""
    fixtures = getattr(item, "fixturenames", ())
    return "stream" in fixtures and "either" not in fixtures


def uses_spark(item: pytest.Item) -> bool:
    """Whether the test asks for the session, itself or by the stream of that engine."""
    fixtures = getattr(item, "fixturenames", ())
    if "either" in fixtures and item.callspec.params["either"] == "spark":  # type: ignore[attr-defined]
        return True
    return "spark" in fixtures or (is_of_any_engine(item) and item.config.option.slow)


def uses_real_broker(item: pytest.Item) -> bool:
    return "real_broker" in getattr(item, "fixturenames", ())


def group_of(item: pytest.Item) -> str:
    if uses_spark(item):
        return "spark"
    path = item.path.relative_to(TESTS).as_posix()
    group = next((name for name, paths in GROUPS.items() if path.startswith(paths)), path)
    return "stream" if uses_real_broker(item) and group in ("doors", path) else group


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What `--fast` leaves out is not imported either: that is half of the time of a collection."""
    if not config.option.fast or not collection_path.is_relative_to(TESTS):
        return None
    return is_left_out_of_fast(collection_path.relative_to(TESTS).as_posix()) or None


def is_left_out_of_fast(path: str) -> bool:
    """Of a file or folder below tests/. A folder that holds a fast file is looked into."""
    return path.startswith(LEFT_OUT_OF_FAST) and not any(f"{file}/".startswith(f"{path}/") for file in FAST)


def runs_in_long_suite(item: pytest.Item) -> bool:
    """Whether `--slow` shows what the default does not: another engine, more events, other examples."""
    return (
        item.get_closest_marker("slow") is not None
        or is_of_any_engine(item)
        or "stack" in getattr(item, "fixturenames", ())
        or is_hypothesis_test(getattr(item, "obj", None))
    )


def is_selected(item: pytest.Item, group: str) -> bool:
    if item.config.option.slow:
        return runs_in_long_suite(item)
    if item.get_closest_marker("slow"):
        return False
    if not item.config.option.fast:
        return True
    left_out = FAST.get(item.path.relative_to(TESTS).as_posix(), ())
    return group != "spark" and not uses_real_broker(item) and not item.name.startswith(left_out)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not requested, group the rest, put groups in the order in which they start."""
    groups = {item: group_of(item) for item in items}
    selected = [item for item in items if is_selected(item, groups[item])]
    if len(selected) < len(items):
        kept = set(selected)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    places = {name: place for place, name in enumerate(GROUPS)}
    selected.sort(key=lambda item: places.get(groups[item], len(places)))
    for item in selected:
        item.add_marker(pytest.mark.xdist_group(groups[item]))
    items[:] = selected


def is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.at:
        at = datetime.fromisoformat(config.option.at).replace(tzinfo=UTC)
        clock = time_machine.travel(at, tick=True)
        clock.start()
        config.add_cleanup(clock.stop)
    if not is_worker(config):
        os.environ[RUN_ID] = uuid.uuid4().hex


def left_behind(run_id: str) -> Iterator[psutil.Process]:
    """Processes that the run has started and that are still there."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(RUN_ID) == run_id and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except psutil.Error:
            continue


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End what a test or a worker that was killed has left: no process and no port outlives the run."""
    if is_worker(config):
        return
    for process in left_behind(os.environ.pop(RUN_ID, "")):
        print(f"left behind and ended: pid {process.pid} {' '.join(process.cmdline())[:120]}")
        process.kill()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The time of a whole run against its goal: information, never a failure."""
    options = config.option
    if options.file_or_dir or options.keyword or options.markexpr or options.collectonly:
        return
    kind = "fast" if options.fast else "slow" if options.slow else "default"
    terminalreporter.write_line(
        f"suite: {minutes(time.monotonic() - BEGAN)}, goal {minutes(GOAL_SECONDS[kind])}"
    )


def minutes(seconds: float) -> str:
    """As text, e.g. 12 min 40 s."""
    whole, rest = divmod(round(seconds), 60)
    return f"{whole} min {rest} s" if whole else f"{rest} s"
