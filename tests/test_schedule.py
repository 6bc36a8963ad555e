"""The plugin that groups tests: its paths exist, and processes that a run leaves behind are found."""

import os
import subprocess
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from tests.support.plugins.schedule import (
    FAST,
    GROUPS,
    NOT_FAST,
    RUN_ID,
    TESTS,
    group_of,
    is_left_out_of_fast,
    is_selected,
    left_behind,
)

BY_GROUP = {"not fast": NOT_FAST, **{name: paths for name, paths in GROUPS.items() if paths}}


@pytest.mark.parametrize("group", BY_GROUP)
def test_every_path_of_a_group_exists(group: str) -> None:
    for path in BY_GROUP[group]:
        assert list(TESTS.glob(f"{path}*")), f"{path}: renamed? its tests would lose their group"


@pytest.mark.parametrize("path", FAST)
def test_tests_that_a_fast_run_leaves_out_of_a_file_exist(path: str) -> None:
    text = (TESTS / path).read_text(encoding="utf-8")
    assert not is_left_out_of_fast(path) and not is_left_out_of_fast(path.rpartition("/")[0])
    assert [name for name in FAST[path] if f"\ndef {name}" not in text] == []


def item_of(path: str, *fixtures: str, name: str = "test_x", **options: bool) -> pytest.Item:
    """What the plugin reads of a test."""
    option = SimpleNamespace(**{"fast": False, "slow": False} | options)
    config = SimpleNamespace(option=option)
    item = SimpleNamespace(path=TESTS / path, name=name, fixturenames=fixtures, config=config)
    item.get_closest_marker = lambda name: None
    return cast(pytest.Item, item)


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("producers/csv/test_replay.py", "stream"),
        ("scripts/stack/test_readiness.py", "stream"),
        ("browser/review/test_alerts.py", "browser"),
        ("streaming_jobs/repair/test_repair.py", "repairs"),
    ],
)
def test_real_broker_is_that_of_the_stream_for_files_without_one(path: str, group: str) -> None:
    assert group_of(item_of(path, "real_broker", "home")) == group
    assert group_of(item_of(path, "broker", "home")) != "stream"


@pytest.mark.parametrize(("fixture", "runs"), [("broker", True), ("real_broker", False), ("spark", False)])
def test_fast_run_starts_no_jvm(fixture: str, runs: bool) -> None:
    item = item_of("lakehouse/test_cases.py", fixture, "home", fast=True)
    assert is_selected(item, group_of(item)) is runs


@pytest.mark.parametrize(
    ("fixtures", "runs"),
    [(("broker",), False), (("spark",), False), (("stream", "real_broker"), True), (("stack",), True)],
)
def test_long_runs_repeat_nothing_of_the_default(fixtures: tuple[str, ...], runs: bool) -> None:
    item = item_of("streaming_jobs/test_x.py", *fixtures, slow=True)
    assert is_selected(item, group_of(item)) is runs


def test_linear_algebra_has_one_thread_a_worker() -> None:
    np.linalg.eigh(np.eye(2))
    assert {library["num_threads"] for library in threadpool_info()} == {1}


def test_process_with_the_mark_of_a_run_is_found() -> None:
    with subprocess.Popen(["sleep", "600"], env={**os.environ, RUN_ID: "another run"}) as process:
        try:
            assert [survivor.pid for survivor in left_behind("another run")] == [process.pid]
        finally:
            process.kill()
    assert list(left_behind("another run")) == []
