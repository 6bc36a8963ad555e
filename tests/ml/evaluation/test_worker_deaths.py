"""A killed worker costs its block once, a stopped round leaves no process, other series cost nothing."""

import os
import signal
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from conf.runtime.process import hold
from conf.settings import REPO, child_environment
from lakehouse.io.process_status import training_faults
from ml import schedule
from ml.data.panel import SECOND_PRICE, ExogenousSeries
from ml.evaluation import backtest
from ml.models.boosting import TREE_FEATURES, Boosting
from ml.models.linear import Linear
from ml.models.parallel import ProcessBackend, WorkerDied
from tests.ml.evaluation.test_backtest import Last, small_plan
from tests.support.panels import walks
from tests.support.waiting import eventually


class Killed(Last):
    """Is killed as the system kills a process for want of memory: in its first fits, `times` in all."""

    def __init__(self, folder: str, times: int) -> None:
        super().__init__()
        self.folder, self.times = folder, times

    def fit(self, panel) -> None:
        if not _marked(self.folder, self.times):
            os.kill(os.getpid(), signal.SIGKILL)
        super().fit(panel)


def _marked(folder: str, times: int) -> bool:
    """Whether `times` callers came before; else this one counts as one of them."""
    for number in range(times):
        try:
            (Path(folder) / str(number)).touch(exist_ok=False)
        except FileExistsError:
            continue
        return False
    return True


def killed_once(folder: str) -> int:
    if not _marked(folder, 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return 7


def run(panel, models, state, **options):
    return backtest.run(panel, models, small_plan(panel), state, **options)


def test_worker_that_is_killed_costs_no_round_and_is_counted(lone_home: Path, tmp_path: Path):
    folder, panel = tmp_path / "folder", walks(7)
    folder.mkdir()
    models = {"last": partial(Killed, str(folder), 1)}
    killed = run(panel, models, tmp_path / "a", workers=2, report_death=schedule.note_dead_worker)
    assert np.array_equal(
        killed.forecasts["last"], run(panel, {"last": Last}, tmp_path / "b").forecasts["last"]
    )
    assert training_faults() | {"updated_at": ""} == {
        "failed_rounds": 0, "dead_workers": 1, "open": ["worker"], "updated_at": ""
    }  # fmt: skip
    schedule.clear_failure("price")
    assert training_faults()["open"] == [] and training_faults()["dead_workers"] == 1


def test_block_that_kills_its_worker_again_ends_the_round_with_the_remedy(tmp_path: Path):
    with pytest.raises(WorkerDied, match="training.processes"):
        run(walks(7), {"last": partial(Killed, str(tmp_path), 100)}, tmp_path, workers=2)


def test_pool_of_fits_survives_a_killed_worker(tmp_path: Path):
    deaths: list[int] = []
    with ProcessBackend(2, lambda: deaths.append(1)) as pool:
        assert pool(killed_once, [str(tmp_path)] * 4) == [7] * 4
    assert deaths == [1]


def test_series_that_the_model_does_not_read_and_empty_ones_recompute_no_block(tmp_path: Path):
    panel, log = walks(6), tmp_path / "fits"
    models = {"last": partial(Last, log=str(log))}
    station = ExogenousSeries("rainfall_mm", "mm a day", np.ones(len(panel.days)))
    blocks = len(small_plan(panel).blocks())
    run(panel, models, tmp_path)
    run(replace(panel, exogenous=(station,)), models, tmp_path)
    assert len(log.read_text().split()) == blocks
    reader = partial(Linear, (1,), features=("rain7",))
    keys = [
        {task.key for task in backtest._tasks(given, {"m": reader}, {"m": "1"}, small_plan(panel))}
        for given in (
            panel,
            replace(panel, exogenous=(replace(station, value=station.value * np.nan),)),
            replace(panel, exogenous=(replace(station, name="futures-wheat-us"),)),
            replace(panel, exogenous=(station,)),
        )
    ]
    assert keys[0] == keys[1] == keys[2] and keys[0].isdisjoint(keys[3])


def test_models_name_the_series_that_their_features_read():
    assert Boosting().exogenous == (SECOND_PRICE,) == Linear().exogenous
    assert Linear(features=("r7",)).exogenous == ()
    assert set(Boosting(features=(*TREE_FEATURES, "dollar7")).exogenous) > {"fx-usd-idr", SECOND_PRICE}
    assert Linear(features=("rain7",)).exogenous == ("rainfall_mm", "temperature_c", "humidity_pct")


def test_sigterm_to_run_sh_backtest_ends_its_workers_and_frees_the_lock(lone_home: Path):
    panel = walks(5, days=700)
    rows = [
        f"{day},{commodity},{region},{price:.2f}"
        for (commodity, region), prices in zip(panel.series, panel.price, strict=True)
        for day, price in zip(panel.days, prices, strict=True)
    ]
    data = lone_home / "prices.csv"
    data.write_text("date,commodity,region,price\n" + "\n".join(rows))
    environment = child_environment(LUMBUNG_TRAINING__PROCESSES="2")
    command = [REPO / "run.sh", "backtest", "arima", "theta", "--data", data]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as round_:
        process = psutil.Process(round_.pid)

        def workers() -> list[psutil.Process]:
            return [c for c in process.children(recursive=True) if "spawn_main" in " ".join(c.cmdline())]

        try:
            eventually(lambda: len(workers()) >= 2, 120, passing=(psutil.Error,))
            children = process.children(recursive=True)
            round_.terminate()
            assert round_.wait(60) == 128 + signal.SIGTERM
            assert psutil.wait_procs(children, timeout=60)[1] == []
        finally:
            round_.kill()
    hold("training", "the lock is still held").close()
