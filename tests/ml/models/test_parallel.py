"""A function over items gives the same results serially, over processes and over Spark."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from conf.settings import REPO
from ml.models.parallel import ProcessBackend, SparkBackend, parallel_backend, parallel_map, run_serially
from ml.models.registry import MODELS
from tests.support.panels import noisy

PANEL = noisy(5, 700)
TEN = list(range(10))


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessBackend]:
    with ProcessBackend(2) as pool:
        yield pool


def forecast_with(backend) -> np.ndarray:
    model = MODELS["ses"].make(0, True)
    with parallel_backend(backend):
        model.fit(PANEL.until(690))
        return model.predict(PANEL)


def test_processes_give_the_serial_results(processes: ProcessBackend):
    assert processes(partial(pow, 2), TEN) == [2**nth for nth in TEN]
    np.testing.assert_array_equal(forecast_with(processes), forecast_with(run_serially))


def test_spark_gives_the_serial_results(spark: SparkSession):
    over_spark = SparkBackend(spark, partitions=2)
    assert over_spark(partial(pow, 2), TEN) == [2**nth for nth in TEN]
    assert over_spark(partial(pow, 2), []) == []
    np.testing.assert_array_equal(forecast_with(over_spark), forecast_with(run_serially))


@pytest.mark.slow
def test_backtest_on_spark_has_the_figures_of_a_local_one(tmp_path: Path):
    rows = [
        f"{day},teh,{region},{price:.0f}"
        for region, prices in zip(("11", "32"), PANEL.price, strict=False)
        for day, price in zip(PANEL.days, prices, strict=True)
    ]
    (tmp_path / "prices.csv").write_text("\n".join(["date,commodity,region,price", *rows]))
    figures = {}
    for master in ("", "local[2]"):
        home = {
            "LUMBUNG_HOME": str(tmp_path / f"home{len(figures)}"),
            "LUMBUNG_TRAINING__SPARK_MASTER": master,
        }
        command = [
            sys.executable,
            "-m",
            "ml.backtest",
            "ses",
            "--quick",
            "--json",
            "--data",
            str(tmp_path / "prices.csv"),
        ]
        done = subprocess.run(
            command, cwd=REPO, env={**os.environ, **home}, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr[-2000:]
        figures[master] = json.loads(done.stdout)["figures"]
    assert figures["local[2]"] == figures[""] and figures[""]["ses"]["teh"]["cells"] > 0


def test_backend_is_used_within_its_block_and_for_several_items_only():
    with parallel_backend(lambda work, items: ["spread"]):
        assert parallel_map(str, TEN) == ["spread"]
    assert parallel_map(str, [1]) == ["1"]


def test_error_of_one_item_is_raised(processes: ProcessBackend):
    with pytest.raises(ZeroDivisionError):
        processes(partial(divmod, 1), [2, 1, 0])
