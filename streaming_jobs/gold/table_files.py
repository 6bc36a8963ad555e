"""New files of all tables -> their checksums, noted for `doctor --deep` and the check at the start."""

from lakehouse.io.table_files import Notebook


class TableFiles:
    """Reads every new file once."""

    name = "table_files"

    def __init__(self) -> None:
        self._notebook = Notebook()

    def refresh(self) -> None:
        """Note the files of commits since the last call."""
        self._notebook.update()


JOB = TableFiles
