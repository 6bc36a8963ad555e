"""The same function over the same items gives the same answers here, over processes and over Spark."""

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
from ml.fan_out import OverSpark, Processes, each, here, spread_over
from ml.models import MODELS
from tests.ml.made_panels import noisy

PANEL = noisy(5, 700)
TEN = list(range(10))


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes(2) as pool:
        yield pool


def answered(spread) -> np.ndarray:
    model = MODELS["ses"](0, True)
    with spread_over(spread):
        model.fit(PANEL.until(690))
        return model.forecast(PANEL)


def test_processes_answer_as_one(processes: Processes):
    assert processes(partial(pow, 2), TEN) == [2**nth for nth in TEN]
    np.testing.assert_array_equal(answered(processes), answered(here))


def test_spark_answers_as_one(spark: SparkSession):
    over_spark = OverSpark(spark, partitions=2)
    assert over_spark(partial(pow, 2), TEN) == [2**nth for nth in TEN]
    assert over_spark(partial(pow, 2), []) == []
    np.testing.assert_array_equal(answered(over_spark), answered(here))


def test_a_backtest_over_a_cluster_answers_as_one_here(tmp_path: Path):
    rows = [
        f"{day},teh,{region},{price:.0f}"
        for region, prices in zip(("11", "32"), PANEL.price, strict=False)
        for day, price in zip(PANEL.days, prices, strict=True)
    ]
    (tmp_path / "prices.csv").write_text("\n".join(["date,commodity,region,price", *rows]))
    told = {}
    for master in ("", "local[2]"):
        home = {"LUMBUNG_HOME": str(tmp_path / f"home{len(told)}"), "LUMBUNG_TRAINING__SPARK_MASTER": master}
        asked = [sys.executable, "-m", "ml.backtest_job", "ses", "--quick", "--json", "--data", str(tmp_path / "prices.csv")]
        done = subprocess.run(asked, cwd=REPO, env={**os.environ, **home}, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        told[master] = json.loads(done.stdout)["figures"]
    assert told["local[2]"] == told[""] and told[""]["ses"]["teh"]["cells"] > 0


def test_outside_the_block_nothing_is_spread():
    with spread_over(lambda work, items: ["spread"]):
        assert each(str, TEN) == ["spread"]
    assert each(str, [1]) == ["1"]


def test_an_error_of_one_item_ends_the_whole(processes: Processes):
    with pytest.raises(ZeroDivisionError):
        processes(partial(divmod, 1), [2, 1, 0])
