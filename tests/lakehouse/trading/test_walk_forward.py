"""Walk-forward folds: in order, apart by purge and embargo, complete over the test windows."""

import pytest

from lakehouse.trading.evaluation import folds


@pytest.mark.parametrize("bars", [300, 367, 502, 44_641])
def test_train_ends_purge_and_embargo_before_its_test_and_windows_join(bars: int):
    collected = folds(bars, number=5, purge=5, embargo=3)
    assert len(collected) == 5
    assert all(fold.test_start - fold.train_end == 8 for fold in collected)
    assert [fold.test_end for fold in collected[:-1]] == [fold.test_start for fold in collected[1:]]
    assert collected[-1].test_end == bars


def test_too_few_bars_give_no_fold():
    assert folds(12, number=5, purge=5, embargo=5) == []
