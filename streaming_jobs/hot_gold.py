"""Accepted rows of a batch -> the gold tables that people watch, folded in memory and written whole: they are small."""

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contract import Contract
from lakehouse.paths import view_name
from streaming_jobs.delta_sink import BatchTag, open_table, overwrite_arrow
from streaming_jobs.flows import folded


def fold(contract: Contract, stands: pa.Table, rows: pa.Table) -> pa.Table:
    """The contract's SQL over the rows that stand (by its `carry`) and the new ones: the order of arrival does not matter."""
    source = contract.reads[0]
    columns = ", ".join(f'"{name}"' for name in rows.column_names)
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("set timezone = 'UTC'")
        con.register(view_name(contract.table), stands)
        con.register("new_rows", rows)
        answer = con.sql(
            f"with {view_name(source)} as (select {columns} from new_rows union all by name ({contract.carry})) "
            f"select * from ({contract.sql}) as answer"
        ).to_arrow_table()
    return answer.select(contract.column_names).cast(arrow_schema(contract))


class HotGold:
    """Folded tables as they stand; loaded once, then kept in step with what is written."""

    def __init__(self) -> None:
        self._stands = {
            contract.table: open_table(contract.table).to_pyarrow_table().cast(arrow_schema(contract)) for contract in folded()
        }

    @staticmethod
    def wanted_columns(silver: str) -> set[str]:
        """Columns of a silver table that its folded gold tables read."""
        return {name for contract in folded() if contract.reads[0] == silver for name in contract.column_names}

    def update(self, accepted: Mapping[str, pa.Table], tag: BatchTag) -> None:
        """Fold the accepted rows of each silver table (those present in the batch) into its gold table and write it."""
        for contract in folded():
            rows = accepted.get(contract.reads[0])
            if rows is None or not rows.num_rows:
                continue
            answer = fold(contract, self._stands[contract.table], rows)
            overwrite_arrow(answer, contract, tag.text())
            self._stands[contract.table] = answer
