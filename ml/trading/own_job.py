"""One job that a person ordered, a backtest or an experiment, as a process that the trainer starts."""

import logging
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from lakehouse.io import personal_jobs
from lakehouse.io.personal_jobs import PersonalJob
from lakehouse.trading.evaluation import StrategyTest, TooFewBars, TooManySteps, figures, run_test
from lakehouse.trading.signals import Series
from lakehouse.trading.strategies import chosen_variants
from ml.data.panel import NothingToLearn
from ml.models.parallel import end_on_sigterm
from ml.trading.bars import bars_of

log = logging.getLogger("lumbung.training")


def run_backtest(request: Mapping[str, Any]) -> tuple[Series, StrategyTest]:
    """The test that a request asks for. Raises NothingToLearn, TooFewBars or TooManySteps."""
    first, end = (date.fromisoformat(request[name]) if request[name] else None for name in ("from", "to"))
    stored = bars_of(request["symbol"], first, end, request.get("interval"))
    return stored.series, run_test(
        stored.series, stored.bars, chosen_variants(request["strategy"], request["parameters"])
    )


def result_of_test(
    request: Mapping[str, Any], series: Series, test: StrategyTest, tried_before: Mapping[str, float]
) -> dict[str, Any]:
    """The figures of a test, and its trials for the figures of later ones."""
    return figures(series, test, request["benchmark"], tried_before) | {"trial_log": dict(test.trials)}


def trials_before(owner: str) -> dict[str, float]:
    """Symbol and variant -> Sharpe ratio of all that a person has tried."""
    trials: dict[str, float] = {}
    for job in reversed(personal_jobs.own_jobs("backtest", owner)):
        trials |= (job.result or {}).get("trial_log", {})
    return trials


def result_of(job: PersonalJob) -> dict[str, Any]:
    """The figures of the job. Raises as the function of its kind."""
    if job.kind == "backtest":
        series, test = run_backtest(job.request)
        return result_of_test(job.request, series, test, trials_before(job.owner))
    from ml.trading.experiment import run_experiment  # loads the libraries of the models

    return run_experiment(job.request)


def record(job: PersonalJob, result: Mapping[str, Any]) -> str:
    """Log the job as one MLflow run; returns the run's id."""
    from ml.forecasts import mlflow_store

    numbers = {**result, **result.get("metrics", {})}
    metrics = {name: value for name, value in numbers.items() if isinstance(value, int | float)}
    tags = {"job": job.job_id, "owner": job.owner}
    with mlflow_store.start_run(job.kind, job.request, tags, job.request["symbol"]) as run_id:
        mlflow_store.log_metrics({key: float(value) for key, value in metrics.items()})
    return str(run_id)


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 when the job has ended, also with a failure that its owner can mend; 1 for any other."""
    configure_logging()
    end_on_sigterm()
    job = personal_jobs.job(arguments[0])
    if job is None or job.status != "running":
        return ExitCode.DONE
    try:
        result = result_of(job)
    except (NothingToLearn, TooFewBars, TooManySteps) as refusal:
        personal_jobs.fail(job.job_id, str(refusal))
        return ExitCode.DONE
    except Exception as failure:
        log.exception("job %s failed", job.job_id)
        personal_jobs.fail(job.job_id, f"it failed ({type(failure).__name__}); see the trainer's log")
        return ExitCode.FAILED
    personal_jobs.succeed(job.job_id, result, record(job, result))
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
