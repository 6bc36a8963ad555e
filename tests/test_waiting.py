"""`eventually` returns what it waited for, and says what it saw last."""

import ast
import asyncio

import pytest

from tests.support.plugins.schedule import TESTS
from tests.support.waiting import eventually, eventually_async

CLOCKS = {"sleep", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}


def test_first_true_value_is_returned() -> None:
    values = iter([0, None, "", "there"])
    assert eventually(lambda: next(values)) == "there"


def test_condition_that_stays_false_fails_with_what_it_showed() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"not within 0 s; seen last: \[\]"):
        eventually(list, seconds=0)


def test_failed_assertion_counts_as_not_yet() -> None:
    answers = iter([1, 2])

    def is_two() -> bool:
        answer = next(answers)
        assert answer == 2, "not yet"
        return True

    assert eventually(is_two)


def test_exception_that_is_not_named_ends_the_wait() -> None:
    with pytest.raises(ZeroDivisionError):
        eventually(lambda: 1 / 0)
    with pytest.raises(pytest.fail.Exception, match="ZeroDivisionError: division by zero"):
        eventually(lambda: 1 / 0, seconds=0, passing=(ZeroDivisionError,))


def test_event_loop_goes_on_while_a_test_waits() -> None:
    async def run() -> str:
        arrived: list[str] = []
        asyncio.get_running_loop().call_soon(arrived.append, "there")
        return (await eventually_async(lambda: arrived))[0]

    assert asyncio.run(run()) == "there"


def clock_uses(source: str) -> list[int]:
    """Lines that sleep, or that read a clock which only says how long something took."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            lines += [node.lineno for name in node.names if name.name in CLOCKS]
        elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "time":
            lines += [node.lineno] if node.attr in CLOCKS else []
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("asyncio.sleep", "anyio.sleep"):
            lines += [node.lineno] if ast.unparse(node.args[0]) != "0" else []
    return lines


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import time\ntime.sleep(1)", [2]),
        ("from time import perf_counter", [1]),
        ("import time\nbegan = time.monotonic()", [2]),
        ("async def run():\n    await asyncio.sleep(0.1)", [2]),
        ("async def run():\n    await asyncio.sleep(0)", []),
        ("import time\nnow = time.time()", []),
    ],
)
def test_use_of_a_clock_is_found(source: str, lines: list[int]) -> None:
    assert clock_uses(source) == lines


def test_no_test_sleeps_or_measures_time() -> None:
    """Tests wait with `eventually`; what a machine needs for something is measured in scripts/bench."""
    files = [file for file in TESTS.rglob("*.py") if not file.is_relative_to(TESTS / "support")]
    uses = {str(file.relative_to(TESTS)): clock_uses(file.read_text(encoding="utf-8")) for file in files}
    assert {name: lines for name, lines in uses.items() if lines} == {}
