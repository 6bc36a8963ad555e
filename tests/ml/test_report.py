"""The table says losses too, plots are files, and confidence is set against what came."""

import numpy as np
import pytest
from rich.console import Console

from ml.checks import Checks
from ml.figures import by_commodity
from ml.judge import judge
from ml.plots import plots, reliability
from ml.report import shown, table
from tests.ml.made_cells import made_cells
from tests.ml.made_panels import walks


@pytest.fixture(scope="module")
def judgement():
    cells = made_cells({"a": 0.2, "b": -0.1}, regions=8)
    return judge(walks(1, goods=("a", "b")), cells, {"model": Checks(truncation=True, rerun=True, unchanged=True, leakage=True)})


def test_table_shows_wins_and_losses(judgement):
    cells, bands = judgement.cells, judgement.bands
    console = Console(record=True, width=200, force_terminal=True)
    found = {model: by_commodity(cells, model, bands[model]) for model in cells.models}
    console.print(table(found, "a backtest", {"a": "model", "b": "naive"}))
    said = console.export_text()
    rows = [line for line in said.splitlines() if "│" in line]
    assert "+20.00" in said and "-10.00" in said and sum("all together" in row for row in rows) == 2
    assert "model ◄" in next(row for row in rows if " a " in row and "model" in row)
    assert "naive ◄" in next(row for row in rows if " b " in row and "naive" in row)


def test_plots_are_the_same_twice(judgement, tmp_path):
    files, again = plots(judgement, tmp_path / "one"), plots(judgement, tmp_path / "two")
    assert len(files) == 6 and all(file.stat().st_size > 5_000 for file in files)
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]


def test_confidence_is_reliable_on_walks(judgement):
    said, came = reliability(judgement.cells, "naive", judgement.bands["naive"], bins=4)
    assert np.abs(said - came).max() < 0.06 and said[0] < said[-1]


def test_progress_is_told(capsys):
    with shown(Console(force_terminal=True), "backtest") as told:
        told(3, 12, "naive")
        told(12, 12, "ses")
    assert "12/12" in capsys.readouterr().out
