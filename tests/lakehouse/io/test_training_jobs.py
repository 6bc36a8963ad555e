"""The store of training jobs: one at a time, states only move forward, a job survives its trainer."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse.io import training_jobs as jobs

pytestmark = pytest.mark.usefixtures("lone_home")


def order(reason: str = "prices moved") -> jobs.Job:
    return jobs.submit(["prophet"], ["bawang-merah"], reason, "central")


def test_job_passes_from_queued_to_running_to_finished():
    assert jobs.take() is None and jobs.job("train-none") is None
    filed = order()
    assert (filed.status, filed.models, filed.commodities) == ("queued", ("prophet",), ("bawang-merah",))
    taken = jobs.take()
    assert taken is not None and (taken.job_id, taken.status) == (filed.job_id, "running")
    jobs.progress(filed.job_id, 40)
    jobs.progress(filed.job_id, 30)
    assert jobs.job(filed.job_id).progress_pct == 40
    jobs.finish(filed.job_id, "succeeded", True, "run-1", "bawang-merah: boosting")
    done = jobs.job(filed.job_id)
    assert (done.status, done.progress_pct, done.promoted, done.run_id) == ("succeeded", 100, True, "run-1")
    assert done.finished_at >= done.created_at
    jobs.finish(filed.job_id, "failed", False, None, "too late")
    assert jobs.job(filed.job_id) == done


def test_second_job_is_refused_while_one_runs():
    first = order()
    with pytest.raises(jobs.JobRunning) as refusal:
        order()
    assert refusal.value.job_id == first.job_id
    jobs.take()
    with pytest.raises(jobs.JobRunning):
        order()
    assert jobs.take() is None
    jobs.finish(first.job_id, "failed", False, None, "out of memory")
    assert jobs.job(first.job_id).progress_pct == 0
    assert order().job_id != first.job_id


def test_of_many_concurrent_jobs_one_is_accepted():
    def attempt(number: int) -> bool:
        try:
            order(f"attempt {number}")
        except jobs.JobRunning:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(24))) == 1
        assert sum(taken is not None for taken in pool.map(lambda _: jobs.take(), range(8))) == 1


def test_job_of_a_dead_trainer_is_queued_again():
    filed = order()
    jobs.take()
    assert jobs.requeue() == [filed.job_id]
    assert jobs.take().job_id == filed.job_id
