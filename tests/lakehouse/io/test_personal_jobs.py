"""Jobs that people order for themselves: limited for each, own only, ended once, survive their trainer."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse.io import personal_jobs as jobs

pytestmark = pytest.mark.usefixtures("lone_home")
REQUEST = {"symbol": "BTCUSDT", "strategy": "ma_cross"}


def test_job_runs_once_and_its_result_stays():
    queued = jobs.submit("backtest", "p1", REQUEST, 3)
    assert (queued.status, queued.request) == ("queued", REQUEST)
    taken = jobs.take()
    assert taken is not None and (taken.job_id, taken.status) == (queued.job_id, "running")
    assert jobs.take() is None
    jobs.succeed(queued.job_id, {"pbo": 0.4}, "run-1")
    jobs.fail(queued.job_id, "too late")
    ended = jobs.own_job("backtest", "p1", queued.job_id)
    assert ended is not None
    assert (ended.status, ended.result, ended.run_id, ended.detail) == (
        "succeeded",
        {"pbo": 0.4},
        "run-1",
        None,
    )


def test_limit_counts_open_jobs_of_one_person_and_kind_also_of_concurrent_orders():
    def order(number: int) -> bool:
        try:
            jobs.submit("backtest", "p1", {"number": number}, 3)
        except jobs.TooManyJobs:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(order, range(24))) == 3
    jobs.submit("experiment", "p1", REQUEST, 3)
    jobs.submit("backtest", "p2", REQUEST, 3)
    taken = jobs.take()
    assert taken is not None and not order(99)
    jobs.fail(taken.job_id, "no bars")
    assert order(100)


def test_jobs_of_others_are_unknown_and_go_with_their_owner():
    first, second = (jobs.submit("backtest", "p1", {"n": n}, 3) for n in (1, 2))
    assert jobs.own_job("backtest", "p2", first.job_id) is None
    assert jobs.own_job("experiment", "p1", first.job_id) is None
    page = jobs.own_jobs("backtest", "p1", limit=1)
    assert [job.job_id for job in page] == [second.job_id]
    after = (page[0].created_at.isoformat(timespec="microseconds"), page[0].job_id)
    assert [job.job_id for job in jobs.own_jobs("backtest", "p1", after)] == [first.job_id]
    jobs.remove_all("p1")
    assert jobs.own_jobs("backtest", "p1") == []


def test_job_of_a_dead_trainer_is_queued_again():
    queued = jobs.submit("backtest", "p1", REQUEST, 3)
    jobs.take()
    jobs.requeue()
    taken = jobs.take()
    assert taken is not None and taken.job_id == queued.job_id
