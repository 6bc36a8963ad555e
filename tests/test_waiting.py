"""`eventually` returns what it waited for, and says what it saw last."""

import asyncio

import pytest

from tests.support.waiting import eventually, eventually_async


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
