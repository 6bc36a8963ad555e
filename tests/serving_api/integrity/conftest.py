"""A lake with four batches of prices and entries on record, a copy for every test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from conf.settings import settings
from tests.ledger_batches import LedgerLake

BATCHES, EACH = 4, 100
# Records: 0, 1 the entries of batch 1 · 2 its prices · 3, 4 entries · 5 prices of batch 2 · … · 11 prices of batch 4.


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four batches of 100 prices and 2 entries, on record and valid."""
    home = tmp_path_factory.mktemp("written")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUMBUNG_HOME", str(home))
        settings.cache_clear()
        made = LedgerLake()
        for number in range(1, BATCHES + 1):
            made.batch(number, EACH, entries=2)
        made.job.refresh()
        assert made.check().valid and made.check().length == 12 and made.check().rows == 408
    settings.cache_clear()
    return home


@pytest.fixture
def lake(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LedgerLake]:
    """A copy of it."""
    monkeypatch.setenv("LUMBUNG_HOME", str(shutil.copytree(written, tmp_path / "home")))
    settings.cache_clear()
    yield LedgerLake(new=False)
    monkeypatch.undo()
    settings.cache_clear()


def found(lake: LedgerLake, index: int, reason: str, event_id: str | None) -> None:
    verdict = lake.check()
    assert verdict.fault is not None, "it was not found"
    assert (verdict.fault.index, verdict.fault.reason, verdict.fault.event_id) == (index, reason, event_id), verdict.fault


def index_of(batch: int) -> int:
    """Record of a batch of prices: its two entries come first, by the name of their table."""
    return 3 * batch - 1
