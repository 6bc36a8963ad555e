"""Tables as an earlier version left them: other columns, in another order."""

from collections.abc import Mapping

import pyarrow as pa
from deltalake import write_deltalake

from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import clear_cache, open_table, table_uri

REMOVED = "removed_since"  # a column that no contract names any more


def make_older(lacking: Mapping[str, set[str]]) -> None:
    """Reverse the columns of every table and add one; `lacking`: table -> columns that were not there yet."""
    for table, contract in contracts().items():
        rows = open_table(table).to_pyarrow_table()
        older = [name for name in reversed(rows.column_names) if name not in lacking.get(table, ())]
        rows = rows.select(older).append_column(REMOVED, pa.nulls(rows.num_rows, pa.string()))
        write_deltalake(
            table_uri(table),
            rows,
            mode="overwrite",
            schema_mode="overwrite",
            partition_by=list(contract.partition_by) or None,
        )
    clear_cache()
