"""Files of a local table are read by Arrow itself, without Python in its threads."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from lakehouse.io.delta import StoredTable


@pytest.fixture
def table(tmp_path: Path) -> StoredTable:
    folder = str(tmp_path / "a lake ü" / "prices")
    for month in ("2026-10", "2026-11"):
        rows = pa.table({"month": [month], "price": [1000.0]})
        write_deltalake(folder, rows, mode="append", partition_by=["month"])
    return StoredTable(folder)


def test_unfinished_scan_does_not_call_python(table: StoredTable):
    """Its threads go on while the process ends, and a call of Python would then crash it or never return."""
    dataset = table.to_pyarrow_dataset()
    assert isinstance(dataset.filesystem, SubTreeFileSystem)
    assert isinstance(dataset.filesystem.base_fs, LocalFileSystem)
    assert dataset.to_table().sort_by("month")["month"].to_pylist() == ["2026-10", "2026-11"]


def test_whole_table_is_read_without_python(table: StoredTable, monkeypatch: pytest.MonkeyPatch):
    """Threads of Arrow still hold its files when a short command ends: 24 of 300 runs of `status` aborted."""
    monkeypatch.setattr("deltalake.fs.DeltaStorageHandler.from_table", None)
    assert table.to_pyarrow_table(columns=["price"]).num_rows == 2


def test_file_that_was_removed_is_named(table: StoredTable):
    (file,) = table.to_pyarrow_dataset(file_pruning_predicate=[("month", "=", "2026-10")]).files
    dataset = table.to_pyarrow_dataset()
    next(Path(dataset.filesystem.base_path).glob(file)).unlink()
    with pytest.raises(FileNotFoundError, match="2026-10"):
        dataset.to_table()
