"""The plugin that groups tests: its paths exist, and processes that a run leaves behind are found."""

import os
import subprocess

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from tests.support.schedule import GROUPS, NOT_FAST, RUN_ID, TESTS, left_behind

BY_GROUP = {"not fast": NOT_FAST, **{name: paths for name, paths in GROUPS.items() if paths}}


@pytest.mark.parametrize("group", BY_GROUP)
def test_every_path_of_a_group_exists(group: str) -> None:
    for path in BY_GROUP[group]:
        assert list(TESTS.glob(f"{path}*")), f"{path}: renamed? its tests would lose their group"


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
