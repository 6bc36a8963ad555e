"""Cache keys change with everything that a forecast depends on, and with nothing else."""

import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np

from conf.settings import REPO
from ml.data.panel import ExogenousSeries
from ml.evaluation.fingerprint import _imported, data_fingerprint, model_fingerprint
from tests.ml.evaluation.test_backtest import Last
from tests.support.panels import walks


def test_key_depends_on_the_options_of_a_model():
    keys = [model_fingerprint(make) for make in (Last, partial(Last, spoilt=True), lambda: Last(log="x"))]
    assert len(set(keys)) == 3
    assert model_fingerprint(lambda: Last(spoilt=True)) == keys[1]  # the way of construction does not matter


def test_key_is_the_same_in_another_process():
    code = (
        "from tests.ml.evaluation.test_backtest import Last;"
        "from ml.evaluation.fingerprint import *;"
        "print(model_fingerprint(Last))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert printed == model_fingerprint(Last)


def test_key_covers_imported_modules_of_this_repository():
    assert {
        "ml.evaluation.evaluate",
        "ml.evaluation.backtest",
        "ml.data.panel",
        "ml.evaluation.metrics",
    } <= set(_imported({"ml.evaluation.evaluate"}))
    assert "tests.support.panels" in _imported(
        {"tests.ml.evaluation.test_backtest"}
    ) and "numpy" not in _imported({"ml.evaluation.evaluate"})


def test_key_depends_on_the_data_and_not_on_their_source():
    panel = walks(1, days=30)
    key = data_fingerprint(panel)
    assert key == data_fingerprint(replace(panel, source={"version": 7}))
    price = panel.price.copy()
    price[3, 7] += 1
    rain = ExogenousSeries("rain", "mm", np.ones(30))
    others = (
        replace(panel, price=price),
        replace(panel, exogenous=(rain,)),
        replace(panel, regions=panel.regions[::-1]),
        panel.until(28),
        replace(panel, days=panel.days + 1),
    )
    assert len({key, *map(data_fingerprint, others)}) == 6
