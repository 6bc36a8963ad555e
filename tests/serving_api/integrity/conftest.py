"""A lake with four recorded batches of prices and entries, and a copy of it for every test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from conf.settings import settings
from tests.support.ledger_batches import LedgerLake

BATCHES, EACH = 4, 100
# Records 0 and 1 are the entries of batch 1, record 2 its prices; then those of batch 2, and so on.


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four batches of 100 prices and 2 entries, recorded and valid."""
    home = tmp_path_factory.mktemp("written")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUMBUNG_HOME", str(home))
        settings.cache_clear()
        lake = LedgerLake()
        for number in range(1, BATCHES + 1):
            lake.batch(number, EACH, entries=2)
        lake.job.refresh()
        assert lake.check().valid and lake.check().length == 12 and lake.check().rows == 408
    settings.cache_clear()
    return home


@pytest.fixture
def lake(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LedgerLake]:
    """A copy of the written lake."""
    monkeypatch.setenv("LUMBUNG_HOME", str(shutil.copytree(written, tmp_path / "home")))
    settings.cache_clear()
    yield LedgerLake(new=False)
    monkeypatch.undo()
    settings.cache_clear()


def assert_fault(lake: LedgerLake, index: int, reason: str, event_id: str | None) -> None:
    """The check reports this fault."""
    verdict = lake.check()
    assert verdict.fault is not None, "no fault was reported"
    assert (verdict.fault.index, verdict.fault.reason, verdict.fault.event_id) == (index, reason, event_id), (
        verdict.fault
    )


def index_of(batch: int) -> int:
    """Index of the record of a batch of prices. Its two entries come first, by the name of their table."""
    return 3 * batch - 1
