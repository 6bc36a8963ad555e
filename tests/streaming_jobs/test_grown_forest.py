"""A forest that a child process has grown scores as one grown here."""

from collections.abc import Iterator

import numpy as np
import pytest

from lakehouse.validation import forest
from streaming_jobs import grown_forest


@pytest.fixture
def nothing_adopted() -> Iterator[None]:
    forest._adopted.clear()
    yield
    forest._adopted.clear()


def test_it_scores_alike(nothing_adopted: None):
    rows = forest.reference_sample()[:500]
    here = forest.score(rows)
    grown_forest.adopt()
    assert forest._adopted and forest.trees() is forest._adopted[0]
    assert np.array_equal(forest.score(rows), here)


def test_without_the_child_it_grows_its_own(nothing_adopted: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(grown_forest.sys, "executable", "/bin/false")
    grown_forest.adopt()
    assert not forest._adopted and forest.trees().feature.shape[0] == forest.TREES
