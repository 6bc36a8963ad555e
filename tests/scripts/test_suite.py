"""A failure is judged once more, in the open: flaky, failed twice, too many, an error or a crash."""

from datetime import date
from pathlib import Path

import psutil
import pytest

from scripts.commands.test import in_folder
from scripts.suite import KnownFlaky, busy_loops, judged, known_flaky, overdue, repeated
from tests.support.waiting import eventually

FAILS_ONCE = """
from pathlib import Path

import pytest

@pytest.mark.xdist_group("of its own")
def test_fails_once():
    mark = Path(__file__).with_suffix(".ran")
    was_there = mark.exists()
    mark.touch()
    assert was_there, "the first run of it"

def test_passes():
    pass
"""
FAILS = "def test_fails():\n    assert False\n"
PASSES = "def test_passes():\n    pass\n"


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of a folder with tests of its own, without the plugins that take a second to import."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    settings = tmp_path / "pytest.ini"
    settings.write_text("[pytest]\n", encoding="utf-8")
    return [
        "-c",
        str(settings),
        "-p",
        "xdist",
        "--dist=loadgroup",
        "-p",
        "tests.support.plugins.report",
        str(tmp_path),
    ]


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_test_that_passes_the_second_time_is_flaky(
    tmp_path: Path, options: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "test_once.py", FAILS_ONCE)
    verdict = judged(options, workers=2)
    assert (verdict.fault, verdict.flaky) == (None, ["test_once.py::test_fails_once"])
    shown = "".join(capfd.readouterr())
    assert "FLAKY test_once.py::test_fails_once" in shown
    assert "AssertionError: the first run of it" in shown.split("FLAKY")[1]


def test_test_that_fails_again_fails_the_run(tmp_path: Path, options: list[str]) -> None:
    write(tmp_path, "test_once.py", FAILS_ONCE)
    write(tmp_path, "test_always.py", FAILS)
    verdict = judged(options, workers=1)
    assert (verdict.fault, verdict.flaky) == ("1 tests failed twice", ["test_once.py::test_fails_once"])


def test_more_than_five_failures_fail_at_once(tmp_path: Path, options: list[str]) -> None:
    for number in range(6):
        write(tmp_path, f"test_once_{number}.py", FAILS_ONCE)
    assert judged(options, workers=0).fault == "6 tests failed"


def test_error_at_collection_fails_at_once(tmp_path: Path, options: list[str]) -> None:
    write(tmp_path, "test_broken.py", "import no_such_module\n")
    write(tmp_path, "test_passes.py", PASSES)
    assert judged(options, workers=1).fault == "pytest ended with exit code 2"


def test_crash_of_a_worker_fails_at_once(tmp_path: Path, options: list[str]) -> None:
    write(tmp_path, "test_crash.py", "import os\n\ndef test_crashes():\n    os._exit(9)\n")
    write(tmp_path, "test_passes.py", PASSES)
    assert judged(options, workers=2).fault == "pytest ended with exit code 1"


def test_crash_is_shown_with_the_line_that_caused_it(
    tmp_path: Path, options: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    text = "import faulthandler\n\ndef test_crashes():\n    faulthandler._sigsegv()\n"
    write(tmp_path, "test_crash.py", text)
    judged(options, workers=1)
    summary = capfd.readouterr().out.partition("= FAILURES =")[2]
    assert "Fatal Python error: Segmentation fault" in summary
    assert f'"{tmp_path}/test_crash.py", line 4 in test_crashes' in summary


def test_failure_is_not_judged_again_when_that_is_switched_off(tmp_path: Path, options: list[str]) -> None:
    write(tmp_path, "test_once.py", FAILS_ONCE)
    assert judged(options, workers=0, again=False).fault == "1 tests failed"


def test_skipped_tests_are_counted_by_reason(tmp_path: Path, options: list[str]) -> None:
    skip = (
        "import pytest\n\n@pytest.mark.parametrize('n', [1, 2])\ndef test_x(n):\n    pytest.skip('no disk')\n"
    )
    write(tmp_path, "test_skips.py", skip)
    assert judged(options, workers=0).skipped == {"no disk": 2}


def test_tests_of_a_folder_are_named_one_after_the_other() -> None:
    """Pytest loses fixtures of a folder that it visits twice."""
    names = [Path("/b/test_x.py"), Path("/a/test_y.py::test_z"), Path("/b/test_w.py")]
    assert in_folder(names) == ["/a/test_y.py::test_z", "/b/test_w.py", "/b/test_x.py"]


def test_repeated_runs_are_counted(tmp_path: Path, options: list[str]) -> None:
    file = write(tmp_path, "test_once.py", FAILS_ONCE)
    assert repeated([str(file)], 2, 0, options[:-1]) == 1


def test_busy_loop_ends_with_its_block() -> None:
    before = set(psutil.Process().children())
    with busy_loops(1):
        (loop,) = set(psutil.Process().children()) - before
        assert eventually(lambda: loop.cpu_times().user)
    assert not loop.is_running()


def test_known_flaky_test_is_overdue_after_14_days() -> None:
    entry = KnownFlaky(name="tests/test_x.py::test_y", date=date(2026, 11, 1), cause="a port was taken")
    assert overdue([entry], date(2026, 11, 15)) == []
    assert overdue([entry], date(2026, 11, 16)) == ["tests/test_x.py::test_y"]


def test_list_of_known_flaky_tests_is_read() -> None:
    assert isinstance(known_flaky(), list)
