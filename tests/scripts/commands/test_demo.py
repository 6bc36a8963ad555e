"""`demo`: it waits for a busy machine, and ends with the stack; Ctrl-C stops what it has started."""

import io
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from conf.runtime.process import hold
from conf.settings import REPO, settings
from lakehouse.identity.roles import Role
from lakehouse.io.identity import accounts
from ml.progress import TrainingProgress
from scripts import console as console_module
from scripts.commands import demo, user
from scripts.console import Steps
from scripts.stack.lifecycle import StackError
from scripts.stack.throwaway import Stack, free_ports
from tests.scripts import ctrl_c
from tests.support.query_lake import run_verb
from tests.support.waiting import eventually


@pytest.fixture
def producer() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "600"]) as process:  # noqa: S607
        yield process
        process.kill()


def test_api_that_does_not_answer_is_no_price_yet(lone_home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LUMBUNG_API__PORT", str(free_ports(1)[0]))
    settings.cache_clear()
    monkeypatch.setattr(demo, "_any_commodity", lambda: "garam")
    assert demo._newest_price() is None


def test_message_of_a_step_is_wrapped_on_a_narrow_terminal_and_never_cut(monkeypatch: pytest.MonkeyPatch):
    screen = io.StringIO()
    narrow = Console(file=screen, width=60, force_terminal=True, color_system=None)
    monkeypatch.setattr(console_module, "console", narrow)
    text = "not ready yet; forecasts are those of the naive model until then"
    with Steps() as steps:
        steps.done("models", text)
    last = screen.getvalue().rsplit("✓", 1)[1]
    assert [word for word in last.split() if word in text.split()] == text.split()


def test_every_wait_ends_when_the_stack_is_stopped(lone_home: Path, producer: "subprocess.Popen[bytes]"):
    with Steps() as steps:
        for wait in (
            lambda: demo.first_price(steps, producer, 600),
            lambda: demo.wait_drained(steps, None),
            lambda: demo.wait_for_figures(steps, demo.MODELS),
            lambda: demo.finish(producer),
        ):
            with pytest.raises(StackError, match="another command has stopped the stack"):
                wait()


def test_producer_is_ended_with_the_demo(producer: "subprocess.Popen[bytes]"):
    with pytest.raises(KeyboardInterrupt), demo.ending(producer):
        raise KeyboardInterrupt
    assert producer.poll() == -signal.SIGTERM


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_interrupted_demo_stops_the_stack(tmp_path: Path, number: signal.Signals):
    stack = Stack(tmp_path / "home")
    command = ctrl_c.heeding(sys.executable, "-m", "scripts.cli", "demo", "--detach")
    running = subprocess.Popen(command, cwd=REPO, env=stack.env, stderr=subprocess.PIPE, text=True)
    try:
        eventually(lambda: stack.pid("broker"), 120)
        running.send_signal(number)
        printed = running.communicate(timeout=180)[1]  # on a busy machine each part takes its time to end
        assert (running.returncode, printed.splitlines()[-2:]) == (130, ["stopping …", "stopped"])
        assert stack.pid("supervisord") is None
    finally:
        stack.stop()


def test_end_of_the_demo_prints_a_new_link_that_signs_the_administrator_in(
    lone_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = []
    for _ in range(2):
        screen = io.StringIO()
        monkeypatch.setattr(demo, "console", Console(file=screen, width=60))
        demo.show_next(detach=True)
        printed = re.search(r"(http://\S+/masuk#\S+)  signs you in once as administrator", screen.getvalue())
        assert printed is not None
        links.append(printed[1])
    assert links[0] != links[1]
    holder = user.in_store(lambda database: accounts.by_email(database, user.DEMO_ADMIN))
    assert holder.role == Role.ADMIN.label


def test_progress_of_the_training_comes_from_its_log(
    lone_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.training_progress() is None
    now = 0.0
    training = TrainingProgress(clock=lambda: now)
    log = lone_home / "log" / "trainer.log"
    log.parent.mkdir()

    def shown() -> str | None:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"2026-11-22 INFO\n{capsys.readouterr().err}later\n")
        return demo.training_progress()

    with training.stage("backtest", "backtest, 12 origins") as report:
        assert shown() == "backtest, 12 origins"
        now = 33.0
        report(66, 104, "naive, garam")
    assert shown() == "backtest, 12 origins: 66 of 104, about 19 s left"
    with training.stage("fit", "fitting on all prices"):
        assert shown() == "fitting on all prices", "what was left of the stage before is over"


def test_what_is_planted_is_looked_for_in_tables_that_exist(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = demo.findings()
    assert len(counts) >= 12 and not any(count for _, count in counts)
    assert not demo.show_planted()
    rows = capsys.readouterr().out
    assert rows.count("not yet: ") == len(counts)


def test_check_of_a_lake_without_the_sample_fails(lake: Path) -> None:
    done = run_verb({}, "demo", "--check")
    assert done.returncode == 1 and "PASAR-012" in done.stdout


def test_second_demo_is_refused(lone_home: Path) -> None:
    with hold("demo", "another demo runs"):
        done = run_verb({}, "demo", "--detach")
    assert done.returncode == 5 and "another demo runs (pid" in done.stderr
