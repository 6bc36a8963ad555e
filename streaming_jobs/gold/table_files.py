"""New files of all tables -> their checksums, noted for `doctor --deep` and the check at the start."""

from collections.abc import Iterable

from lakehouse.contracts.contract import contracts
from lakehouse.io.table_files import Notebook
from streaming_jobs.gold.driver import Change, GoldJob


class TableFiles(GoldJob):
    """Reads every new file once."""

    name = "table_files"
    tables = ()
    sources = tuple(contracts())

    def __init__(self) -> None:
        super().__init__()
        self._notebook = Notebook()

    def changes(self) -> Iterable[Change]:
        """None: the files of commits since the last call are noted."""
        self._notebook.update()
        return ()


JOB = TableFiles
