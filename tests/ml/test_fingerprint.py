"""Keys change with whatever an answer depends on, and with nothing else."""

import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np

from conf.settings import REPO
from ml.fingerprint import _imported, data_fingerprint, model_fingerprint
from ml.panel import Outside
from tests.ml.made_panels import walks
from tests.ml.test_backtest import Last


def test_what_a_model_holds_is_in_its_key():
    keys = [model_fingerprint(make) for make in (Last, partial(Last, spoilt=True), lambda: Last(log="x"))]
    assert len(set(keys)) == 3
    assert model_fingerprint(lambda: Last(spoilt=True)) == keys[1]  # how it was made does not matter


def test_another_process_finds_the_same_key():
    say = "from tests.ml.test_backtest import Last; from ml.fingerprint import *; print(model_fingerprint(Last))"
    said = subprocess.run([sys.executable, "-c", say], cwd=REPO, capture_output=True, text=True, check=True).stdout.strip()
    assert said == model_fingerprint(Last)


def test_code_is_followed_through_imports():
    assert {"ml.judge", "ml.backtest", "ml.panel", "ml.metrics"} <= set(_imported({"ml.judge"}))
    assert "tests.ml.made_panels" in _imported({"tests.ml.test_backtest"}) and "numpy" not in _imported({"ml.judge"})


def test_data_change_the_key_but_not_where_they_came_from():
    panel = walks(1, days=30)
    key = data_fingerprint(panel)
    assert key == data_fingerprint(replace(panel, source={"version": 7}))
    price = panel.price.copy()
    price[3, 7] += 1
    rain = Outside("rain", "mm", np.ones(30))
    others = (
        replace(panel, price=price),
        replace(panel, outside=(rain,)),
        replace(panel, regions=panel.regions[::-1]),
        panel.until(28),
        replace(panel, days=panel.days + 1),
    )
    assert len({key, *map(data_fingerprint, others)}) == 6
